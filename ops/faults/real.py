"""The same on real servers: Kafka, Cassandra, RabbitMQ and MinIO, as ops.native starts them. They stay up between rows."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from chat4all.records import INCOMING, STATUS
from ops.faults.stack import NotHere, Stack
from ops.native.processes import Server, StartFailed, start_all
from ops.native.stack import USUAL, default_home, environment, stack

GROUP = "bridge"
ADMIN_S = 20.0


class Real(Stack):
    """Needs the servers installed: `python -m ops.native install`."""

    name = "real"

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        home = default_home()
        self._servers = stack(home, home / "data")
        used = [self._servers[name] for name in USUAL]
        if missing := [each.name for each in used if not each.is_installed(home)]:
            raise NotHere(f"not installed: {', '.join(missing)}")
        try:
            start_all(used)
        except StartFailed as why:
            raise NotHere(str(why)) from None
        super().__init__(data, env, environment(home, home / "data"))

    @contextmanager
    def _killed(self, name: str) -> Iterator[None]:
        server = self._servers[name]
        server.kill9()
        try:
            yield
        finally:
            server.start()

    @contextmanager
    def _frozen(self, server: Server) -> Iterator[None]:
        server.pause()
        try:
            yield
        finally:
            server.resume()

    def log_down(self) -> AbstractContextManager[None]:
        """Kafka is killed."""
        return self._killed("kafka")

    def store_down(self) -> AbstractContextManager[None]:
        """Cassandra is killed."""
        return self._killed("cassandra")

    def store_frozen(self) -> AbstractContextManager[None]:
        """Cassandra stands still."""
        return self._frozen(self._servers["cassandra"])

    def broker_down(self) -> AbstractContextManager[None]:
        """RabbitMQ is killed."""
        return self._killed("rabbitmq")

    def wipe_broker(self) -> None:
        """RabbitMQ has no FLUSHALL: every queue goes, and with it all that it held."""
        self.delete_queues()

    def reset_offsets(self) -> None:
        """Through Kafka's admin API."""
        admin = AdminClient({"bootstrap.servers": self._servers["kafka"].address})
        partitions = range(self.system.settings.partitions)
        places = [TopicPartition(topic, number, 0) for topic in (INCOMING, STATUS) for number in partitions]
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP, places)])
        for each in asked.values():
            each.result(ADMIN_S)
