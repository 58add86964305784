"""What our application does at its broker otherwise than Celery: it reconnects soon, keeps its clients of Redis, and asks
whether a message can be begun here before it sends it.
"""

from collections.abc import Callable
from typing import Any

from celery.app.amqp import AMQP, task_message
from kombu.connection import Connection as Broker
from kombu.connection import ConnectionPool, PooledConnection
from kombu.transport import redis

# Celery's own waits grow by 2 s each to 30 s: after an outage of half a minute the next look is up to 12 s away.
FIRST_S = 0.5
MOST_S = 2.0

# Begins a task's message, sent to this queue, in this process; False where it cannot.
Begins = Callable[[str, task_message], bool]


class Channel(redis.Channel):
    """Keeps its client. Kombu's makes one for each command, which took a tenth of the pipeline worker at 300 messages/s."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """As kombu's. A pool that was made anew gets a new client."""
        if asynchronous:
            return super()._create_client(True)  # type: ignore[no-untyped-call]
        kept = self._kept
        if kept is None or kept.connection_pool is not self.pool:
            kept = self._kept = super()._create_client()  # type: ignore[no-untyped-call]
        return kept


class RedisTransport(redis.Transport):
    """Kombu's, with channels that keep their client."""

    Channel = Channel


class Connection(Broker):
    """A connection that looks for its broker every two seconds at the least."""

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **more: Any) -> Any:
        """As kombu's, with waits of our own; those that a caller gives count."""
        waits = {"interval_start": FIRST_S, "interval_step": FIRST_S, "interval_max": MOST_S}
        return super().ensure_connection(errback, max_retries, **{**waits, **more})  # type: ignore[no-untyped-call]

    def get_transport_cls(self) -> Any:
        """As kombu's, but for Redis."""
        chosen = super().get_transport_cls()  # type: ignore[no-untyped-call]
        return RedisTransport if chosen is redis.Transport else chosen

    def Pool(self, limit: int | None = None, **more: Any) -> "Pool":  # noqa: N802 - kombu's name
        """As kombu's, of connections like this one."""
        return Pool(self, limit, **more)  # type: ignore[no-untyped-call]


class Pooled(PooledConnection, Connection):
    """One of a pool."""


class Pool(ConnectionPool):
    """Connections that tasks are sent over. Kombu's own pool makes plain ones, whatever it was made from."""

    def new(self) -> Pooled:
        """As kombu's, but one of ours."""
        return Pooled(self, **dict(self.connection._info(resolve=False)))  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    """What the application makes its connections with, and sends its tasks by."""

    Connection = Connection
    # Set in a worker.
    begins: Begins | None = None

    def _create_task_sender(self) -> Callable[..., Any]:
        """As Celery's, but a message that this process can begin itself is not sent."""
        publish = super()._create_task_sender()

        def send(producer: Any, name: str, message: task_message, **options: Any) -> Any:
            queue = options.get("queue")
            if self.begins and queue is not None and self.begins(queue.name, message):
                return None
            return publish(producer, name, message, **options)

        return send
