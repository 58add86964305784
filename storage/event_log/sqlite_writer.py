"""Group commit: one thread per topic and process writes the records of many callers in one transaction."""

import fcntl
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread

from chat4all.model.clock import now_ms
from chat4all.model.failures import Failure, Temporary, Unknown
from chat4all.model.records import NewRecord
from storage.event_log.sqlite_files import Connection, TopicFile, connect, headers_to_bytes, record_id

PENDING_BYTES = 64 << 20
RECORD_OVERHEAD = 200
COMMIT_RECORDS = 5_000
# SQLite's own waiting sleeps up to 100 ms, and lets the same process win again and again.
RETRY_FIRST_S = 0.0002
RETRY_MOST_S = 0.002
CLOSE_WAIT_S = 5.0

_Row = tuple[int, str, bytes, bytes]


@dataclass(eq=False, slots=True)
class PendingAppend:
    """Records of one call, waiting to be written: rows (partition, key, value, headers)."""

    rows: list[_Row]
    size: int
    done: "Future[list[int]]" = field(default_factory=Future)


class WriteTurn:
    """The queue for a topic's write lock among processes: who has just written lets the one who waits go first.

    Only a courtesy, which ends with its process. The write lock is SQLite's own.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        # EDEADLK: the kernel takes two topics waited for in opposite order by different threads for a deadlock.
        with suppress(OSError):
            fcntl.lockf(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            fcntl.lockf(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def begin(connection: Connection, turn: WriteTurn, wanted: Callable[[], bool]) -> bool:
    """Take the write lock, trying for as long as `wanted`. False when it no longer is; sqlite3.Error on other trouble."""
    pause = RETRY_FIRST_S
    with turn:
        while wanted():
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return True
            time.sleep(pause)
            pause = min(pause * 1.5, RETRY_MOST_S)
    return False


@contextmanager
def writing(file: TopicFile, connects: Callable[[Path], Connection] = connect) -> Iterator[tuple[Connection, WriteTurn]]:
    """A connection for writing and the topic's turn. Retries are ours, so SQLite's own long sleeps are off."""
    connection = connects(file.path)
    try:
        connection.execute("PRAGMA busy_timeout=0")
        turn = WriteTurn(file.path.with_name(f"{file.path.name}-turn"))
        try:
            yield connection, turn
        finally:
            turn.close()
    finally:
        connection.close()


class Writer:
    """Appends to one topic. Its thread starts with the first records, so never before a fork of the process that uses it."""

    def __init__(self, file: TopicFile, connects: Callable[[Path], Connection] = connect) -> None:
        self._file, self._connects = file, connects
        self._pending: deque[PendingAppend] = deque()
        self._size = 0
        self._changed = Condition()
        self._closing = False
        self._thread: Thread | None = None

    def hand_in(self, records: Sequence[NewRecord]) -> PendingAppend:
        """Queue records; does not block. Temporary `log_full` when too much waits already; ValueError when a key is no text."""
        rows = [(each.partition, each.key, each.value, headers_to_bytes(each.headers)) for each in records]
        handed = PendingAppend(
            rows, sum(len(key.encode()) + len(value) + len(more) + RECORD_OVERHEAD for _, key, value, more in rows)
        )
        with self._changed:
            if self._closing:
                raise Temporary("log_closed", self._file.name)
            if self._size + handed.size > PENDING_BYTES:
                raise Temporary("log_full", f"{self._file.name}: {self._size >> 20} MiB wait to be written")
            self._pending.append(handed)
            self._size += handed.size
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"log-{self._file.name}", daemon=True)
                self._thread.start()
            self._changed.notify()
        return handed

    def withdraw(self, handed: PendingAppend) -> bool:
        """Take records back. False when it is too late: they are being written, or are."""
        if not handed.done.cancel():
            return False
        with self._changed, suppress(ValueError):
            self._pending.remove(handed)
            self._size -= handed.size
        return True

    def wait(self, handed: PendingAppend, timeout_s: float) -> list[int]:
        """Offsets once written. Temporary when the records certainly are not in the log, Unknown when that is not sure."""
        try:
            return handed.done.result(max(timeout_s, 0.0))
        except TimeoutError:
            if self.withdraw(handed):
                raise Temporary("log_busy", f"{self._file.name}: the log could not be written to in time") from None
        except CancelledError:
            raise Temporary("log_closed", self._file.name) from None
        if handed.done.done():
            return handed.done.result()
        raise Unknown("log_timeout", f"{self._file.name}: not acknowledged in time")

    def close(self) -> None:
        """Write what waits, as long as that is possible, and end the thread. Safe to call twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_WAIT_S)
        with self._changed:
            left = list(self._pending)
        for each in left:
            self.withdraw(each)

    def _run(self) -> None:
        while self._has_work():
            try:
                with writing(self._file, self._connects) as (connection, turn):
                    while self._has_work() and self._write(connection, turn):
                        pass
            except (sqlite3.Error, OSError, RuntimeError) as error:
                # The file could not be opened or locked, so nothing was written. A new connection serves the next ones.
                _tell(self._claim(), Temporary("log_unavailable", f"{self._file.name}: {error}"))

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closing)
            return bool(self._pending)

    def _write(self, connection: Connection, turn: WriteTurn) -> bool:
        """One transaction. False when the connection is better replaced."""
        if not begin(connection, turn, lambda: bool(self._pending)):
            return True
        claimed = self._claim()
        step = "INSERT"
        try:
            offsets = _insert(connection, claimed)
            step = "COMMIT"
            connection.execute(step)
        except Exception as error:  # noqa: BLE001 - the thread serves everybody: the trouble is told to the callers
            failure = _failure(self._file.name, connection, step, error)
            _tell(claimed, failure)
            return False
        for each, given in zip(claimed, offsets, strict=True):
            each.done.set_result(given)
        return True

    def _claim(self) -> list[PendingAppend]:
        """What goes into this transaction: only now is it too late to withdraw."""
        claimed: list[PendingAppend] = []
        count = 0
        with self._changed:
            while self._pending and count < COMMIT_RECORDS:
                handed = self._pending.popleft()
                self._size -= handed.size
                if handed.done.set_running_or_notify_cancel():
                    claimed.append(handed)
                    count += len(handed.rows)
        return claimed


def _tell(claimed: Sequence[PendingAppend], failure: Failure) -> None:
    for each in claimed:
        # One exception each: they are raised in different threads.
        each.done.set_exception(type(failure)(failure.reason, failure.detail))


def _insert(connection: Connection, claimed: Sequence[PendingAppend]) -> list[list[int]]:
    """Give offsets and insert, inside the transaction; the offsets per caller."""
    now = now_ms()
    partitions = {partition for each in claimed for partition, *_ in each.rows}
    heads: dict[int, tuple[int, int]] = {}
    for partition in partitions:
        upcoming, last_at = connection.execute("SELECT next, last_at FROM heads WHERE partition = ?", (partition,)).fetchone()
        # Times never run backwards within a partition, so that trimming by time always takes the oldest records.
        heads[partition] = upcoming, max(now, last_at)
    following = {partition: upcoming for partition, (upcoming, _) in heads.items()}
    offsets: list[list[int]] = []
    rows: list[tuple[int, int, str, bytes, bytes]] = []
    for each in claimed:
        given: list[int] = []
        for partition, key, value, headers in each.rows:
            offset = following[partition]
            following[partition] = offset + 1
            given.append(offset)
            rows.append((record_id(partition, offset), heads[partition][1], key, value, headers))
        offsets.append(given)
    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
    connection.executemany(
        "UPDATE heads SET next = ?, last_at = ? WHERE partition = ?",
        [(following[partition], at, partition) for partition, (_, at) in heads.items()],
    )
    return offsets


def _failure(name: str, connection: Connection, step: str, error: Exception) -> Failure:
    """What callers are told: a transaction that was not being committed, or that the disk had no room for, is not there."""
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
    full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    if (step != "COMMIT" or full) and not connection.in_transaction:
        return Temporary("log_unavailable", f"{name}: {error}")
    return Unknown("log_timeout", f"{name}: {error}")
