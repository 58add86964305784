"""Real servers for a run or a test session: Kafka, Cassandra, RabbitMQ and MinIO on free ports, gone when the process ends."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from msgspec import Struct

from ops.native import cassandra, kafka
from ops.native.cassandra import Cassandra
from ops.native.kafka import Kafka
from ops.native.minio import Minio
from ops.native.processes import Server, free_port, start_all
from ops.native.rabbitmq import RabbitMQ
from ops.native.stack import default_home, variables

PROGRAMS: tuple[type[Server], ...] = (Kafka, Cassandra, RabbitMQ, Minio)


class NotInstalled(Exception):
    """Servers that cannot be had. The text names them and says how to install them."""


class Servers(Struct, frozen=True):
    """Running servers. `each`: by name; of several brokers or nodes the first. `all`: every process."""

    each: dict[str, Server]
    all: tuple[Server, ...]
    env: dict[str, str]

    @property
    def secrets(self) -> dict[str, str]:
        """Those of the variables that are secrets: a process that asks the settings itself needs them too."""
        return secrets_of(self.env)

    def place(self, name: str) -> dict[str, str]:
        """The variables that make a system run on them, with topics, a keyspace and a bucket of its own."""
        own = {
            "CHAT4ALL_LOG": f"{self.env['CHAT4ALL_LOG']}{'&' if '?' in self.env['CHAT4ALL_LOG'] else '?'}prefix={name}-",
            "CHAT4ALL_STORE": self.env["CHAT4ALL_STORE"].replace("/chat4all", f"/{name}"),
            "CHAT4ALL_OBJECTS": self.env["CHAT4ALL_OBJECTS"].replace("/chat4all", f"/{name}"),
        }
        return self.env | own


def secrets_of(env: Mapping[str, str]) -> dict[str, str]:
    """Those of these variables that are secrets."""
    return {name: value for name, value in env.items() if name.startswith(("CHAT4ALL_SECRET_", "MINIO_"))}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process asks the settings of a stack itself inside; afterwards its environment is what it was.

    Else the next system of the same process would find servers named that it was not to use.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def require(programs: Sequence[type[Server]] = PROGRAMS) -> Path:
    """Where the programs are. NotInstalled when one is missing."""
    home = default_home()
    if missing := [each.name for each in programs if not each.is_installed(home)]:
        raise NotInstalled(f"not installed: {', '.join(missing)}; see python -m ops.native install")
    return home


@cache
def single(*, flushes_schema: bool = True) -> Servers:
    """One of each, started at the first call. `flushes_schema`: as of `Cassandra`. NotInstalled; StartFailed."""
    home, data = require(), _folder()
    made: dict[str, Server] = {each.name: each(home, data / each.name, free_port()) for each in PROGRAMS}
    # Each system has a keyspace of its own, and each of its tables takes memory for as long as the server runs.
    made["cassandra"] = Cassandra(home, data / "cassandra", free_port(), heap="2g", flushes_schema=flushes_schema)
    _start(data, list(made.values()), lambda: start_all(list(made.values())))
    return Servers(made, tuple(made.values()), variables(made, data))


@cache
def replicated() -> Servers:
    """Three brokers and three nodes, of everything three copies; started at the first call. NotInstalled; StartFailed."""
    home, data = require(), _folder()
    brokers, nodes = kafka.cluster(home, data), cassandra.cluster(home, data)
    others: list[Server] = [each(home, data / each.name, free_port()) for each in (RabbitMQ, Minio)]
    every: list[Server] = [*brokers, *nodes, *others]

    def start() -> None:
        cassandra.start_cluster(nodes)
        start_all([*brokers, *others])

    _start(data, every, start)
    each = {"kafka": brokers[0], "cassandra": nodes[0], **{other.name: other for other in others}}
    env = variables(each, data) | {
        "CHAT4ALL_LOG": f"kafka://{_addresses(brokers)}?replication=3",
        "CHAT4ALL_STORE": f"cassandra://{_addresses(nodes)}/chat4all?replication=3",
    }
    return Servers(each, tuple(every), env)


def _addresses(servers: Sequence[Server]) -> str:
    return ",".join(each.address for each in servers)


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="chat4all-servers-"))


def _start(data: Path, servers: Sequence[Server], start: Callable[[], None]) -> None:
    atexit.register(_end, servers, data)
    start()


def _end(servers: Sequence[Server], data: Path) -> None:
    """Killed, since their data are thrown away; each, whatever becomes of the others."""
    with ExitStack() as last:
        last.callback(shutil.rmtree, data, ignore_errors=True)
        for each in servers:
            last.callback(each.kill9)
