"""What can happen to a broker while it runs, on Redis and on RabbitMQ."""

from contextlib import suppress

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from chat4all.channels import CHANNELS

QUEUES = ("pipeline", "channels", "conversions", *(f"{name}-out" for name in CHANNELS))
LIMIT_S = 5.0


def delete_queues(url: str) -> None:
    """Delete every queue that workers take from, with what is in it."""
    with _connection(url) as connection:
        if url.startswith("redis"):
            # There a queue is its lists, one for each priority; kombu deletes only those that this process has declared.
            client = connection.channel().client
            for key in [key for queue in QUEUES for key in client.scan_iter(f"{queue}*")]:
                client.delete(key)
            return
        for queue in QUEUES:
            with suppress(OperationalError, *connection.channel_errors):
                connection.channel().queue_delete(queue)


def wipe(url: str) -> None:
    """Take away all that the broker holds. RabbitMQ has no FLUSHALL: there every queue goes, and with it what was in it."""
    if not url.startswith("redis"):
        delete_queues(url)
        return
    with _connection(url) as connection:
        connection.channel().client.flushall()


def _connection(url: str) -> Connection:
    return Connection(
        url, connect_timeout=LIMIT_S, transport_options={"socket_timeout": LIMIT_S} if url.startswith("redis") else {}
    )  # type: ignore[no-untyped-call]
