"""How the application deals with its broker."""

from typing import Any

import pytest
from kombu.exceptions import OperationalError
from redis import ConnectionPool, Redis

from tasks.broker import Channel, Pooled, RedisTransport
from tasks.celery_app import create_app


def test_the_waits_for_a_broker_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it is away, a worker looks for it every two seconds: Celery itself would wait up to thirty."""
    waits: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)

    def note(_error: Any, wait: float) -> None:
        waits.append(wait)

    with create_app().connection_for_read("redis://127.0.0.1:1/0") as connection, pytest.raises(OperationalError):
        connection.ensure_connection(note, 8)
    assert len(waits) > 5
    assert max(waits) <= 2.0


def test_a_channel_keeps_its_client_as_long_as_its_pool() -> None:
    """A command makes no client of its own; one whose pool was let go of is not used any more."""
    with create_app().connection_for_write("redis://127.0.0.1:1/0") as connection:
        assert connection.get_transport_cls() is RedisTransport
        channel: Any = Channel.__new__(Channel)
        channel.Client, channel._pool = Redis, ConnectionPool()
        first = channel._create_client()
        assert channel._create_client() is first
        channel._pool = ConnectionPool()
        assert channel._create_client() is not first


def test_connections_of_a_pool_are_like_the_others() -> None:
    """Tasks are sent over these: they keep their client, and wait no longer, than those that tasks come by."""
    with create_app().connection_for_write("redis://127.0.0.1:1/0") as connection:
        pooled = connection.Pool(1).new()
        assert pooled.get_transport_cls() is RedisTransport
        assert (pooled.hostname, pooled.port) == ("127.0.0.1", 1)
        with connection.Pool(1).acquire() as lent:
            assert isinstance(lent, Pooled)


def test_other_brokers_are_left_as_they_are() -> None:
    """Only Redis makes a client for each command."""
    with create_app().connection_for_write("memory://") as connection:
        assert connection.get_transport_cls().driver_type == "memory"
