"""Cassandra and RabbitMQ that speak TLS only, with a CA of one's own; another's certificate is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu.connection
import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from chat4all.model.failures import Temporary
from chat4all.settings import Settings
from ops.native.cassandra import Cassandra
from ops.native.processes import LOOPBACK, free_port, is_taken
from ops.native.rabbitmq import RabbitMQ
from storage.message_store.cassandra_cluster import parse
from storage.message_store.cassandra_session import Session
from tests.contracts.certificates import certificate
from tests.ops.real import home_with, running

pytestmark = pytest.mark.real
# It has no types.
Connection: Any = kombu.connection.Connection


class GuardedCassandra(Cassandra):
    """A node that answers clients over TLS only."""

    def prepare(self) -> None:
        """The configuration, and what TLS needs in it."""
        super().prepare()
        place = self.folder / "cassandra.yaml"
        both = str(certificate(self.folder))
        factory = {"class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"}
        tls = {"enabled": True, "optional": False, "ssl_context_factory": factory, "keystore": both}
        place.write_text(json.dumps(json.loads(place.read_text()) | {"client_encryption_options": tls}))

    def answers(self) -> bool:
        """A query is answered, over TLS."""
        if not is_taken(self.host, self.port):
            return False
        session = Session(parse(f"cassandra://{self.address}/system?ca={self.folder / 'ca.pem'}"))
        try:
            return bool(session.cluster)
        except Temporary:
            return False
        finally:
            session.close()


class GuardedRabbitMQ(RabbitMQ):
    """A node with a second listener, which speaks TLS."""

    guarded = 0

    def prepare(self) -> None:
        """The configuration, and the listener in it."""
        super().prepare()
        certificate(self.folder)
        self.guarded = free_port()
        lines = [
            f"listeners.ssl.1 = {self.host}:{self.guarded}",
            f"ssl_options.certfile = {self.folder / 'ca.pem'}",
            f"ssl_options.keyfile = {self.folder / 'key.pem'}",
            "ssl_options.verify = verify_none",
        ]
        with (self.folder / "rabbitmq.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedCassandra]:
    """A guarded node."""
    server = GuardedCassandra(home_with(Cassandra), tmp_path_factory.mktemp("guarded") / "cassandra", free_port())
    with running(server):
        yield server


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRabbitMQ]:
    """A guarded broker."""
    server = GuardedRabbitMQ(home_with(RabbitMQ), tmp_path_factory.mktemp("guarded") / "rabbitmq", free_port())
    with running(server):
        yield server


def other_ca(folder: Path) -> Path:
    """A CA that signed nothing here."""
    certificate(folder)
    return folder / "ca.pem"


def test_the_store_speaks_tls(node: GuardedCassandra) -> None:
    """With the CA of the node; a store that speaks in the clear is not answered."""
    session = Session(parse(f"cassandra://{node.address}/system?ca={node.folder / 'ca.pem'}"))
    assert session.cluster.metadata.all_hosts()
    session.close()
    clear = Session(parse(f"cassandra://{node.address}/system"))
    with pytest.raises(Temporary):
        _ = clear.cluster
    clear.close()


def test_a_node_of_another_ca_is_refused(node: GuardedCassandra, tmp_path: Path) -> None:
    """Who shows a certificate that our CA did not sign is not believed."""
    session = Session(parse(f"cassandra://{node.address}/system?ca={other_ca(tmp_path)}"))
    with pytest.raises(Temporary):
        _ = session.cluster
    session.close()


def settings_of(broker: GuardedRabbitMQ, ca: Path) -> Settings:
    """The broker over TLS, checked by this CA."""
    return Settings(broker=f"amqps://guest:guest@{LOOPBACK}:{broker.guarded}//?ca={ca}")


def test_the_broker_speaks_tls(broker: GuardedRabbitMQ) -> None:
    """A task goes in over TLS and is there."""
    settings = settings_of(broker, broker.folder / "ca.pem")
    app = Celery(broker=settings.broker_url, set_as_current=False)
    app.conf.broker_use_ssl = settings.broker_tls
    app.send_task("deliver", queue="guarded", retry=False)
    app.close()
    with Connection(settings.broker_url, ssl=settings.broker_tls, connect_timeout=5) as connection:
        queue: Any = connection.SimpleQueue("guarded")
        message = queue.get(timeout=5)
        assert message.headers["task"] == "deliver"
        message.ack()
        queue.close()


def test_a_broker_of_another_ca_is_refused(broker: GuardedRabbitMQ, tmp_path: Path) -> None:
    """Who shows a certificate that our CA did not sign is not believed."""
    settings = settings_of(broker, other_ca(tmp_path))
    connection = Connection(settings.broker_url, ssl=settings.broker_tls, connect_timeout=5)
    with pytest.raises((OperationalError, OSError)):
        connection.ensure_connection(max_retries=1, timeout=5)
    connection.release()
