"""The brokers that Celery may run on, and what a test may do to them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from ops.harness.broker import delete_queues
from ops.native.processes import Server, free_port
from ops.native.rabbitmq import RabbitMQ
from ops.native.redis import Redis
from tests.ops.real import home_with, running


class Broker(Struct, frozen=True):
    """A broker's URL and its server."""

    url: str
    server: Server

    def delete_queues(self) -> None:
        """Take the queues away with all that is in them, as an operator might by mistake."""
        delete_queues(self.url)


@contextmanager
def _redis(folder: Path) -> Iterator[Broker]:
    with running(Redis(home_with(Redis), folder, free_port())) as server:
        yield Broker(f"redis://{server.host}:{server.port}/0", server)


@contextmanager
def _rabbitmq(folder: Path) -> Iterator[Broker]:
    with running(RabbitMQ(home_with(RabbitMQ), folder, free_port())) as server:
        assert isinstance(server, RabbitMQ)
        yield Broker(server.url, server)


BROKERS: dict[str, Callable[[Path], object]] = {"redis": _redis, "rabbitmq": _rabbitmq}
