"""The same on real servers: Kafka, Cassandra, RabbitMQ and MinIO on free ports, up for all rows of a run.

Each row has topics, a keyspace and a bucket of its own.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from chat4all.records import INCOMING, STATUS
from ops.faults.stack import NotHere, Stack
from ops.native.cassandra import Cassandra
from ops.native.kafka import Kafka
from ops.native.minio import Minio
from ops.native.processes import Server, StartFailed, free_port, start_all
from ops.native.rabbitmq import RabbitMQ
from ops.native.stack import default_home, variables

PROGRAMS: tuple[type[Server], ...] = (Kafka, Cassandra, RabbitMQ, Minio)
GROUP = "bridge"
ADMIN_S = 20.0


@cache
def servers() -> tuple[dict[str, Server], Path]:
    """The servers, started, and the folder of their data; both gone when this process ends. NotHere when they cannot be had."""
    home = default_home()
    if missing := [each.name for each in PROGRAMS if not each.is_installed(home)]:
        raise NotHere(f"not installed: {', '.join(missing)}; see python -m ops.native install")
    data = Path(tempfile.mkdtemp(prefix="chat4all-servers-"))
    made = {each.name: each(home, data / each.name, free_port()) for each in PROGRAMS}
    atexit.register(_end, made, data)
    try:
        start_all(list(made.values()))
    except StartFailed as why:
        raise NotHere(str(why)) from None
    return made, data


def _end(made: Mapping[str, Server], data: Path) -> None:
    for each in made.values():
        each.stop()
    shutil.rmtree(data, ignore_errors=True)


class Real(Stack):
    """Needs the programs: `python -m ops.native install`."""

    name = "real"

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        self._servers, kept = servers()
        given = variables(self._servers, kept)
        self._prefix = f"f{token_hex(6)}"
        own = {
            "CHAT4ALL_LOG": f"{given['CHAT4ALL_LOG']}?prefix={self._prefix}-",
            "CHAT4ALL_STORE": given["CHAT4ALL_STORE"].replace("/chat4all", f"/{self._prefix}"),
            "CHAT4ALL_OBJECTS": given["CHAT4ALL_OBJECTS"].replace("/chat4all", f"/{self._prefix}"),
        }
        # The run opens log and store itself, with the same passwords.
        os.environ.update({name: value for name, value in given.items() if name.startswith(("CHAT4ALL_SECRET_", "MINIO_"))})
        super().__init__(data, env, given | own)
        # What the row before left in the broker is not this one's.
        self.delete_queues()

    @contextmanager
    def _killed(self, name: str) -> Iterator[None]:
        self._servers[name].kill9()
        try:
            yield
        finally:
            self._servers[name].start()

    @contextmanager
    def _frozen(self, name: str) -> Iterator[None]:
        self._servers[name].pause()
        try:
            yield
        finally:
            self._servers[name].resume()

    def log_down(self) -> AbstractContextManager[None]:
        """Kafka is killed."""
        return self._killed("kafka")

    def store_down(self) -> AbstractContextManager[None]:
        """Cassandra is killed."""
        return self._killed("cassandra")

    def store_frozen(self) -> AbstractContextManager[None]:
        """Cassandra stands still."""
        return self._frozen("cassandra")

    def broker_down(self) -> AbstractContextManager[None]:
        """RabbitMQ is killed."""
        return self._killed("rabbitmq")

    def reset_offsets(self) -> None:
        """Through Kafka's admin API; a group for each topic."""
        admin = AdminClient({"bootstrap.servers": self._servers["kafka"].address})
        for topic in (INCOMING, STATUS):
            name = f"{self._prefix}-{topic}"
            places = [TopicPartition(name, number, 0) for number in range(self.system.settings.partitions)]
            group = ConsumerGroupTopicPartitions(f"{self._prefix}-{GROUP}-{topic}", places)
            for each in admin.alter_consumer_group_offsets([group]).values():
                each.result(ADMIN_S)
