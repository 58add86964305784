"""Settings: wrong ones are named, known names work, and secrets are made only where that is allowed."""

import stat
from pathlib import Path

import pytest

from chat4all.settings import Settings, SettingsError, load


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
    monkeypatch.setenv("CHAT4ALL_SECRET_JWT", "given")
    assert settings.secret("jwt") == "given"
