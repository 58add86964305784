"""Brokers that are not open to everybody: TLS with a CA of one's own, and a user with a password."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import admin

from chat4all.model.failures import Temporary
from chat4all.settings import Settings
from ops.native.kafka import Kafka
from ops.native.processes import free_port
from storage.event_log.kafka import KafkaLog
from tests.contracts.certificates import certificate
from tests.contracts.logs import record, texts
from tests.ops.real import home_with, running

pytestmark = pytest.mark.real
# Its annotations leave these classes out.
SCRAM: Any = admin
USER, PASSWORD = "chat4all", "a password of the tests"


class GuardedKafka(Kafka):
    """One broker with a second listener, `guarded`, that speaks TLS and asks for a user."""

    guarded = ""

    def prepare(self) -> None:
        """The configuration, and what the listener needs in it."""
        super().prepare()
        self.guarded = f"{self.host}:{free_port()}"
        settings = dict(line.split("=", 1) for line in self._properties.read_text().splitlines())
        settings["listeners"] += f",GUARDED://{self.guarded}"
        settings["advertised.listeners"] = settings["listeners"]
        settings["listener.security.protocol.map"] += ",GUARDED:SASL_SSL"
        settings |= {
            "listener.name.guarded.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.guarded.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.guarded.ssl.keystore.type": "PEM",
            "listener.name.guarded.ssl.keystore.location": str(certificate(self.folder)),
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """A guarded broker that knows one user."""
    server = GuardedKafka(home_with(Kafka), tmp_path_factory.mktemp("guarded") / "kafka", free_port())
    with running(server):
        client = SCRAM.AdminClient({"bootstrap.servers": server.address})
        known = SCRAM.ScramCredentialInfo(SCRAM.ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = SCRAM.UserScramCredentialUpsertion(USER, known, PASSWORD.encode())
        for each in client.alter_user_scram_credentials([wanted]).values():
            each.result(20)
        yield server


def opened(broker: GuardedKafka, data: Path, monkeypatch: pytest.MonkeyPatch, password: str, ca: str) -> KafkaLog:
    """A log on the guarded listener."""
    monkeypatch.setenv("CHAT4ALL_SECRET_LOG", password)
    options = f"security=sasl_ssl&user={USER}&mechanism=SCRAM-SHA-512&prefix=guarded-"
    return KafkaLog(Settings(data=data, log=f"kafka://{broker.guarded}?{options}&ca={ca}"))


def test_a_guarded_broker_is_written_and_read(broker: GuardedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CA and the password: topics are made, records appended, and read."""
    log = opened(broker, tmp_path, monkeypatch, PASSWORD, str(broker.folder / "ca.pem"))
    try:
        log.create({"events": 1})
        assert log.append([record("events", 0, "one"), record("events", 0, "two")], 30) == [0, 1]
        found = log.follow("events", {0: 0})
        assert texts(found.poll(10, 10)) == ["one", "two"]
        found.close()
    finally:
        log.close()


@pytest.mark.parametrize(("password", "trusted"), [("wrong", True), (PASSWORD, False)])
def test_a_wrong_password_or_an_unknown_ca_is_no_way_in(
    broker: GuardedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, trusted: bool
) -> None:
    """It fails in time, as a log that cannot be reached; nothing about it holds the password."""
    ca = broker.folder / "ca.pem" if trusted else certificate(tmp_path).parent / "ca.pem"
    log = opened(broker, tmp_path, monkeypatch, password, str(ca))
    try:
        with pytest.raises(Temporary) as failed:
            log.check()
        assert password not in f"{failed.value!r} {failed.value.detail}"
    finally:
        log.close()
