"""The event logs under test, and what their suite shares. A new adapter is one more line in LOGS."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from uuid import uuid4

import pytest

from chat4all.model.records import NewRecord, Record
from chat4all.ports import EventLog
from chat4all.settings import Settings
from storage.open import open_log
from tests.contracts.kafka_server import kafka_settings, kill_and_restart_kafka

PARTITIONS = 4
DEADLINE_S = 30.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Adapter:
    """How to test a log: settings for a folder of the test's own, and how to kill its server and start it again.

    `server`: the fixture that runs the server, for a log that has one.
    """

    settings: Callable[[Path], Settings]
    kill_and_restart: Callable[[Settings], None]
    server: str = ""


def no_server(_settings: Settings) -> None:
    """For a log that runs inside its users: there is nothing to kill but them."""


LOGS: dict[str, Adapter] = {
    "sqlite": Adapter(lambda folder: Settings(data=folder, log="sqlite:log"), no_server),
    "kafka": Adapter(kafka_settings, kill_and_restart_kafka, "kafka_server"),
}
PARAMETERS = [pytest.param(name, marks=pytest.mark.real) if adapter.server else name for name, adapter in LOGS.items()]


@pytest.fixture(params=PARAMETERS)
def log_adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each adapter in turn, with its server running."""
    adapter = LOGS[request.param]
    if adapter.server:
        request.getfixturevalue(adapter.server)
    return adapter


@pytest.fixture
def log_settings(log_adapter: Adapter, tmp_path: Path) -> Settings:
    """Settings that name a log."""
    return log_adapter.settings(tmp_path)


@pytest.fixture
def log(log_settings: Settings) -> Iterator[EventLog]:
    """An open log. It may hold other tests' topics."""
    opened = open_log(log_settings)
    yield opened
    opened.close()


@pytest.fixture
def other_log(log_settings: Settings) -> Iterator[EventLog]:
    """The same log, opened as another process would."""
    opened = open_log(log_settings)
    yield opened
    opened.close()


@pytest.fixture
def topic(log: EventLog) -> str:
    """A topic of four partitions that nobody has used."""
    name = f"topic-{uuid4().hex[:12]}"
    log.create({name: PARTITIONS})
    return name


def record(topic: str, partition: int, text: str) -> NewRecord:
    """A record with this text as its value."""
    return NewRecord(topic, partition, f"key-{partition}", text.encode(), {})


def texts(records: Sequence[Record]) -> list[str]:
    """The values, as text."""
    return [each.value.decode() for each in records]


def wait_until(condition: Callable[[], object], step: Callable[[], object] = lambda: time.sleep(0.02)) -> None:
    """Do `step` until the condition holds; fails after half a minute."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        step()


@dataclass
class Reader:
    """A group member that writes down what it is told and given."""

    log: EventLog
    topic: str
    group: str
    starts: Mapping[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    journal: list[tuple[str, str, int]] = field(default_factory=list)
    name: str = "reader"

    def __post_init__(self) -> None:
        self.owned: set[int] = set()
        self.found: list[Record] = []
        self.consumer = self.log.consume(self.topic, self.group, self._assigned, self._revoked)

    def _assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        self.journal += [("assigned", self.name, each) for each in partitions]
        self.owned.update(partitions)
        return {each: self.starts[each] for each in partitions}

    def _revoked(self, partitions: Sequence[int]) -> None:
        self.journal += [("revoked", self.name, each) for each in partitions]
        self.owned.difference_update(partitions)

    def poll(self, limit: int = 100, timeout_s: float = 0.02) -> Sequence[Record]:
        """One poll; nothing may come from a partition that is not owned."""
        found = self.consumer.poll(limit, timeout_s)
        assert {each.partition for each in found} <= self.owned
        self.found += found
        return found


def poll_until(readers: Sequence[Reader], condition: Callable[[], object]) -> None:
    """Poll these in turn until the condition holds. No partition may ever be owned twice."""

    def step() -> None:
        for each in readers:
            each.poll()
            owned = [partition for reader in readers for partition in reader.owned]
            assert len(owned) == len(set(owned))

    wait_until(condition, step)


class Process:
    """Another process that works on the log: tests/contracts/log_worker.py says what it can do."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        environment = {**os.environ, "CHAT4ALL_DATA": str(settings.data), "CHAT4ALL_LOG": settings.log}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.log_worker", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self) -> str:
        """The next line it writes."""
        try:
            return self._lines.get(timeout=DEADLINE_S)
        except Empty:
            raise AssertionError("the process wrote nothing") from None

    def say(self, line: str) -> None:
        """Write a line to it."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def waiting(self) -> list[str]:
        """The lines that it has written and nobody has read."""
        return [self._lines.get_nowait() for _ in range(self._lines.qsize())]

    def rest(self) -> list[str]:
        """The lines left when it has ended."""
        self.popen.wait(DEADLINE_S)
        self._reading.join(DEADLINE_S)
        return self.waiting()

    def kill(self) -> None:
        """kill -9, and no trace of it left."""
        self.popen.kill()
        self.popen.wait(DEADLINE_S)

    def close(self) -> None:
        """End it, if it still runs, and close the pipes."""
        self.kill()
        self._reading.join(DEADLINE_S)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()


Start = Callable[..., Process]


@pytest.fixture
def start(log_settings: Settings) -> Iterator[Start]:
    """Starts processes that work on the log: start("append", …). All are ended with the test."""
    with processes(log_settings) as starter:
        yield starter


@contextmanager
def processes(settings: Settings) -> Iterator[Start]:
    """Starts processes, and ends them all at the end."""
    started: list[Process] = []

    def starter(*arguments: object) -> Process:
        started.append(Process(settings, *map(str, arguments)))
        return started[-1]

    try:
        yield starter
    finally:
        for each in started:
            each.close()
