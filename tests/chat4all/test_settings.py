"""Settings: wrong ones are named, known names work, and secrets are made only where that is allowed."""

import stat
from pathlib import Path

import pytest

from chat4all.settings import SIGNING, Settings, SettingsError, load, sources, unknown


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who mistypes a port reads which variable it was."""
    monkeypatch.setenv("CHAT4ALL_GATEWAY_PORT", "eighty")
    with pytest.raises(SettingsError, match="CHAT4ALL_GATEWAY_PORT"):
        load()


def test_names_that_people_know_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """KAFKA_BOOTSTRAP_SERVERS and the like say where a part is."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092,two:9092")
    monkeypatch.setenv("CASSANDRA_HOST", "db")
    monkeypatch.setenv("MINIO_ENDPOINT", "minio:9000")
    settings = load()
    assert (settings.log, settings.store) == ("kafka://one:9092,two:9092", "cassandra://db/chat4all")
    assert settings.objects == "s3://minio:9000/chat4all"


def test_our_own_names_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known name does not override what was said to us."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
    monkeypatch.setenv("CHAT4ALL_LOG", "sqlite:log")
    assert load().log == "sqlite:log"


def test_the_embedded_default_makes_its_secrets_once(tmp_path: Path) -> None:
    """Made at first use, the same afterwards, readable by the owner only."""
    made = Settings(data=tmp_path).secret("jwt")
    assert Settings(data=tmp_path).secret("jwt") == made
    assert stat.S_IMODE((tmp_path / "secrets" / "jwt").stat().st_mode) == 0o600


def test_elsewhere_a_missing_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the embedded default nothing is made up."""
    settings = Settings(data=tmp_path, store="cassandra://db/chat4all")
    with pytest.raises(SettingsError, match="CHAT4ALL_SECRET_JWT"):
        settings.secret("jwt")
    monkeypatch.setenv("CHAT4ALL_SECRET_JWT", "given" * 8)
    assert settings.secret("jwt") == "given" * 8


@pytest.mark.parametrize("name", sorted(SIGNING))
def test_a_key_that_could_be_guessed_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we sign with has 32 bytes at least; the variable and the way to make one are named, the secret is not."""
    monkeypatch.setenv(f"CHAT4ALL_SECRET_{name.upper()}", "x" * 31)
    with pytest.raises(SettingsError, match=f"CHAT4ALL_SECRET_{name.upper()}: at least 32 bytes.*openssl") as refused:
        Settings(data=tmp_path).secret(name)
    assert "xxx" not in str(refused.value)


def test_a_password_of_a_server_may_be_as_short_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers and servers choose theirs themselves."""
    monkeypatch.setenv("CHAT4ALL_SECRET_STORE", "cassandra")
    assert Settings(data=tmp_path).secret("store") == "cassandra"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CHAT4ALL_GATEWAY_PROT", "CHAT4ALL_GATEWAY_PORT"),
        ("CHAT4ALL_DATA_DIR", "CHAT4ALL_DATA"),
        ("CHAT4AL_GATEWAY_PORT", "CHAT4ALL_GATEWAY_PORT"),
        ("CHAT4ALL_SECRET_JTW", "CHAT4ALL_SECRET_JWT"),
        ("CHAT4ALL_SECRET_FILE", "CHAT4ALL_SECRET_FILES"),
        ("CHAT4ALL_SECRET_WHATSAP_TOKEN", "CHAT4ALL_SECRET_WHATSAPP_TOKEN"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_right_name(written: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passed over, the port that was meant would stay at its default in silence, or another secret would be made."""
    monkeypatch.setenv(written, "9000")
    with pytest.raises(SettingsError, match=f"{written} is not a setting; {meant} is"):
        load()


@pytest.mark.parametrize("name", ["CHAT4ALL_SECRET_MATRIX_TOKEN", "CHAT4ALL_SECRET_WHATSAPP_APP_SECRET", "CHAT_DATA"])
def test_secrets_of_a_further_channel_are_let_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names are its own; and another program's variables are nobody's business."""
    monkeypatch.setenv(name, "x")
    load()
    assert unknown() == {}


def test_what_is_left_empty_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a file of settings with nothing behind the sign: nothing listens everywhere for it, or keeps its data here."""
    for name in ("HOST", "DATA", "GATEWAY_PORT", "STORE", "OPEN_REGISTRATION", "LOG"):
        monkeypatch.setenv(f"CHAT4ALL_{name}", "")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
    found = load()
    assert (found.host, found.data.name, found.gateway_port) == ("127.0.0.1", "data", 8000)
    assert (found.store, found.log, found.open_registration) == ("sqlite:store.db", "kafka://one:9092", None)


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_no_time_is_endless(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for ever cannot be told from what hangs."""
    monkeypatch.setenv("CHAT4ALL_BACKOFF_MOST_S", number)
    with pytest.raises(SettingsError, match="CHAT4ALL_BACKOFF_MOST_S"):
        load()


def test_names_of_an_orchestrator_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets such a name for every service; the doctor tells it."""
    monkeypatch.setenv("CHAT4ALL_GATEWAY_SERVICE_PORT_HTTP", "80")
    load()
    assert unknown() == {"CHAT4ALL_GATEWAY_SERVICE_PORT_HTTP": ""}


def test_what_a_known_name_decides_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A left-over variable of another program is named when its server does not answer."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
    assert sources() == {"log": "KAFKA_BOOTSTRAP_SERVERS"}


def test_a_broker_over_tls_is_checked_by_name_and_ca() -> None:
    """Celery gets the URL without our option, and is told to compare the name; whoever names no CA means the system's."""
    own = Settings(broker="amqps://user:word@rabbit:5671//?ca=/etc/ca.pem")
    assert own.broker_url == "amqps://user:word@rabbit:5671//"
    assert own.broker_tls == {"server_hostname": None, "ca_certs": "/etc/ca.pem"}
    assert Settings(broker="amqps://user:word@rabbit//").broker_tls == {"server_hostname": None}
    assert Settings(broker="amqp://rabbit//").broker_tls is False
