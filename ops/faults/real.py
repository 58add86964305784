"""The same on real servers: one of each, or three brokers and three nodes. They are up for all rows of a run.

Each row has topics, a keyspace and a bucket of its own.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from chat4all.model.records import INCOMING, STATUS
from ops.faults.stack import NotHere, Stack
from ops.harness.servers import NotInstalled, Servers, replicated, single
from ops.native.processes import Server, StartFailed

GROUP = "bridge"
ADMIN_S = 20.0


class Real(Stack):
    """Needs the programs: `python -m ops.native install`."""

    name = "real"

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        try:
            self._servers = self._started()
        except (NotInstalled, StartFailed) as why:
            raise NotHere(str(why)) from None
        self._prefix = f"f{token_hex(6)}"
        place = self._servers.place(self._prefix)
        super().__init__(data, env, place, self._servers.secrets)
        # What the row before left in the broker is not this one's.
        self.delete_queues()

    @staticmethod
    def _started() -> Servers:
        return single()

    def server(self, name: str) -> Server:
        """One of the servers."""
        return self._servers.each[name]

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """Inside, this server is dead; on the way out it is started again, with its data."""
        self.server(name).kill9()
        try:
            yield
        finally:
            self.server(name).start()

    @contextmanager
    def _frozen(self, name: str) -> Iterator[None]:
        self.server(name).pause()
        try:
            yield
        finally:
            self.server(name).resume()

    def log_down(self) -> AbstractContextManager[None]:
        """Kafka is killed."""
        return self.killed("kafka")

    def store_down(self) -> AbstractContextManager[None]:
        """Cassandra is killed."""
        return self.killed("cassandra")

    def store_frozen(self) -> AbstractContextManager[None]:
        """Cassandra stands still."""
        return self._frozen("cassandra")

    def broker_down(self) -> AbstractContextManager[None]:
        """RabbitMQ is killed."""
        return self.killed("rabbitmq")

    def reset_offsets(self) -> None:
        """Through Kafka's admin API; a group for each topic."""
        admin = AdminClient({"bootstrap.servers": self.server("kafka").address})
        for topic in (INCOMING, STATUS):
            name = f"{self._prefix}-{topic}"
            places = [TopicPartition(name, number, 0) for number in range(self.system.settings.partitions)]
            group = ConsumerGroupTopicPartitions(f"{self._prefix}-{GROUP}-{topic}", places)
            for each in admin.alter_consumer_group_offsets([group]).values():
                each.result(ADMIN_S)


class Cluster(Real):
    """Three brokers and three nodes, three copies of everything. What a row leaves dead is started for the next."""

    name = "cluster"

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        super().__init__(data, env)
        for each in self._servers.all:
            each.start()

    @staticmethod
    def _started() -> Servers:
        return replicated()
