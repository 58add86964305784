"""Servers as plain processes: what starting, stopping, killing and freezing do, shown with Redis, which is always there."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from ops.native.processes import Server, StartFailed, free_port, identity, start_all
from ops.native.redis import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that has not been started."""
    server = Redis(tmp_path, tmp_path / "redis", free_port())
    yield server
    server.kill9()


def ask(server: Server, command: str) -> str:
    """One command, one answer."""
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1000).decode().strip()


def test_a_server_answers_when_started(redis: Redis) -> None:
    """Start returns when the server answers, and says how long that took; status can be read."""
    assert not redis.is_running
    assert redis.memory() == 0
    took = redis.start()
    assert redis.answers()
    assert redis.ready_s == took
    assert redis.memory() > 0
    assert redis.cpu_s() >= 0


def test_starting_twice_is_once(redis: Redis) -> None:
    """A second start leaves the running process alone."""
    redis.start()
    first = redis.process
    redis.start()
    assert redis.process == first


def test_data_survive_stop_and_kill(redis: Redis) -> None:
    """What was written is there after a stop, and after kill -9."""
    redis.start()
    ask(redis, "SET a 1")
    redis.stop()
    assert not redis.is_running
    redis.start()
    ask(redis, "SET b 2")
    redis.kill9()
    assert not redis.is_running
    redis.start()
    assert (ask(redis, "GET a"), ask(redis, "GET b")) == ("$1\r\n1", "$1\r\n2")


def test_stopping_twice(redis: Redis) -> None:
    """Stopping what does not run does nothing."""
    redis.stop()
    redis.start()
    redis.stop()
    redis.stop()
    redis.kill9()


def test_a_frozen_server_answers_again(redis: Redis) -> None:
    """pause keeps the process and its port, and answers nothing; resume goes on."""
    redis.start()
    redis.pause()
    assert redis.is_running
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(redis.answers()))
    asking.start()
    asking.join()
    assert answers == [False]
    redis.resume()
    assert redis.answers()


def test_a_frozen_server_can_be_stopped(redis: Redis) -> None:
    """stop thaws it first, so that it can end by itself."""
    redis.start()
    redis.pause()
    redis.stop()
    assert not redis.is_running


def test_another_process_can_stop_it(redis: Redis) -> None:
    """What one process started, another finds by its folder and stops."""
    redis.start()
    code = (
        "from pathlib import Path; from ops.native.redis import Redis; import sys; "
        "Redis(Path(sys.argv[1]), Path(sys.argv[1]), int(sys.argv[2])).stop()"
    )
    subprocess.run([sys.executable, "-c", code, str(redis.folder), str(redis.port)], check=True, timeout=30)
    assert not redis.is_running


def test_only_our_own_process_is_ended(redis: Redis) -> None:
    """A pid that now belongs to another process is not touched."""
    redis.start()
    redis.stop()
    redis._note({"pid": os.getpid(), "identity": f"{identity(psutil.Process(os.getpid()))}9", "began": 0})
    assert not redis.is_running
    redis.stop()
    redis.kill9()


def test_it_is_known_by_more_than_its_pid(redis: Redis) -> None:
    """Started again it is another process, and whoever asks twice hears the same: the time of day is no part of it."""
    known = []
    for _ in range(2):
        redis.start()
        process = redis.process
        assert process is not None
        known += [identity(process), identity(psutil.Process(process.pid))]
        assert f"{process.create_time():.0f}" not in known[-1]
        redis.kill9()
        with pytest.raises(psutil.NoSuchProcess):
            identity(process)
    assert known[0] == known[1] != known[2] == known[3]


def test_a_taken_port_is_said(redis: Redis) -> None:
    """A port that somebody else listens on is named, and nobody is disturbed."""
    with socket.socket() as other:
        other.bind((redis.host, redis.port))
        other.listen()
        with pytest.raises(StartFailed, match=str(redis.port)):
            redis.start()
    assert not redis.is_running


class Broken(Redis):
    """A server that ends at once."""

    start_limit_s: ClassVar[float] = 5

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"]


def test_a_server_that_ends_shows_its_log(tmp_path: Path) -> None:
    """The end of the log is in the error."""
    with pytest.raises(StartFailed, match="out of luck"):
        Broken(tmp_path, tmp_path / "broken", free_port()).start()


def test_all_or_none(redis: Redis, tmp_path: Path) -> None:
    """When one of several does not come up, those launched with it are ended; what ran before stays."""
    before = Redis(tmp_path, tmp_path / "before", free_port())
    before.start()
    with pytest.raises(StartFailed):
        start_all([before, redis, Broken(tmp_path, tmp_path / "broken", free_port())])
    assert before.is_running
    assert not redis.is_running
    before.stop()
