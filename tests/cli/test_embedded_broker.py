"""The embedded broker is at a socket of its owner's, and does for Celery, the rate limits and Flower what they need."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from flower.utils.broker import Broker
from limits import parse

from chat4all.cli import doctor
from chat4all.cli.parts import OFF, PARTS, parts_of
from chat4all.services.access.rate_limits import Limiter, storage_of
from chat4all.settings import Settings


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A data folder with a running broker, as `chat4all run` starts it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        [part] = [each for each in parts_of(settings) if each.name == "redis"]
        process = subprocess.Popen(part.command(settings), stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while not _answers(settings):
                assert time.monotonic() < deadline, "the broker did not start"
                time.sleep(0.02)
            yield settings
        finally:
            process.terminate()
            process.wait(10)


def _answers(settings: Settings) -> bool:
    # The socket is there a moment before its mode is set and anybody listens.
    try:
        return bool(client(settings).ping())
    except redis.ConnectionError:
        return False


def client(settings: Settings) -> Any:
    """Straight to it, as a neighbour would try."""
    return redis.Redis(unix_socket_path=str(settings.broker_socket), socket_timeout=5)


def test_it_listens_at_no_port_and_only_for_its_owner(settings: Settings) -> None:
    """No TCP, and a socket that others may not connect to."""
    assert settings.broker_socket.stat().st_mode & 0o777 == 0o600
    assert client(settings).info("server")["tcp_port"] == 0
    assert [part for part in PARTS if part.name == "redis" and part.ports] == []


@pytest.mark.parametrize("command", OFF)
def test_what_could_write_files_or_replace_it_is_off(settings: Settings, command: str) -> None:
    """CONFIG SET dir and SAVE wrote a file of the caller's choice."""
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client(settings).execute_command(command)


def test_the_doctor_finds_it(settings: Settings) -> None:
    """At its socket, which is told."""
    assert str(settings.broker_socket) in doctor._broker(settings)


def test_celery_the_limits_and_flower_work_on_it(settings: Settings) -> None:
    """A task goes in and is counted by Flower; the rate limiter's scripts run."""
    app = Celery(broker=settings.broker_url)
    app.send_task("sweep", queue="pipeline", retry=False)
    queues = asyncio.run(Broker(settings.broker_url).queues(["pipeline"]))
    assert [each["messages"] for each in queues] == [1]
    limiter = Limiter(storage_of(settings))
    assert [limiter.take(parse("2/minute"), "alice").ok for _ in range(3)] == [True, True, False]
    app.close()
