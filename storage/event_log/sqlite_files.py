"""The files of the embedded log: connections to them, and one file per topic."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

import msgspec

from chat4all.model.failures import Mismatch, Temporary
from chat4all.model.records import Record
from chat4all.ports import Topic
from chat4all.private_files import private_file, private_folder
from storage.shrinking import be_shrinkable

SUFFIX = ".topic"
BUSY_WAIT_S = 1.0
WAL_LIMIT = 64 << 20
OFFSET_BITS = 40
OFFSET_MASK = (1 << OFFSET_BITS) - 1

SCHEMA = """
CREATE TABLE topic (identity TEXT NOT NULL, partitions INTEGER NOT NULL);
-- Offsets never restart, so the next one is kept apart from the records, which may all be trimmed.
CREATE TABLE heads (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, next INTEGER NOT NULL, last_at INTEGER NOT NULL);
-- id = partition << 40 | offset: one key, so that a record is one entry of one tree.
CREATE TABLE records (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL
);
"""

_encode_headers = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class Connection(sqlite3.Connection):
    """A connection that is counted while it is open: see `connect`."""

    def close(self) -> None:
        """Close; safe to call twice."""
        _opened.discard(self)
        super().close()


_opened: WeakSet[Connection] = WeakSet()
_opened_by = os.getpid()


def connect(path: Path, synchronous: str = "FULL") -> Connection:
    """A connection to an existing file, in autocommit, for any one thread at a time. sqlite3.Error when it cannot be opened.

    RuntimeError after a fork while a connection was open: SQLite then counts on locks that only the parent
    holds, and what the child writes can be lost after it was acknowledged.
    """
    _refuse_inherited()
    # mode=rw: a file that is missing must be an error, never a new empty one.
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw",
        uri=True,
        timeout=BUSY_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    _opened.add(connection)
    try:
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _refuse_inherited() -> None:
    global _opened_by  # noqa: PLW0603 - what SQLite keeps is per process too
    if _opened_by == os.getpid():
        return
    if len(_opened):
        raise RuntimeError(
            "The embedded log was in use when this process was forked. Open it after the fork, or close it before."
        )
    _opened_by = os.getpid()


@contextmanager
def failing_temporarily(what: str) -> Iterator[None]:
    """Turns the errors of SQLite and of the file system into Temporary `log_unavailable`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise Temporary("log_unavailable", f"{what}: {error}") from error


def make_file(path: Path, fill: Callable[[sqlite3.Connection], object]) -> bool:
    """Make a database whole or not at all, also among several processes. False when another was there first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}")
    private_file(draft)
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        be_shrinkable(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        fill(connection)
    finally:
        connection.close()
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def record_id(partition: int, offset: int) -> int:
    """The key of a record in its file."""
    return partition << OFFSET_BITS | offset


def headers_to_bytes(headers: dict[str, str]) -> bytes:
    """Headers as kept; empty when there are none."""
    return _encode_headers(headers) if headers else b""


def to_record(topic: str, row: tuple[int, int, str, bytes, bytes]) -> Record:
    """A row of `records` as a record."""
    number, at, key, value, headers = row
    return Record(
        topic,
        number >> OFFSET_BITS,
        number & OFFSET_MASK,
        key,
        value,
        _decode_headers(headers) if headers else {},
        at,
    )


class TopicFile:
    """One topic's file. Reading takes a connection from a pool; any thread may read."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / f"{name}{SUFFIX}"
        self._free: list[Connection] = []
        self._lock = Lock()
        self._topic: Topic | None = None
        self._closed = False

    @property
    def topic(self) -> Topic:
        """The topic, read once. Mismatch when it does not exist."""
        if self._topic is None:
            if not self.path.exists():
                raise Mismatch("no_such_topic", self.name)
            rows = self.rows("SELECT identity, partitions FROM topic")
            self._topic = Topic(self.name, *rows[0])
        return self._topic

    def create(self, partitions: int) -> None:
        """Make the file if it is missing. Mismatch when it has another number of partitions."""

        def fill(connection: sqlite3.Connection) -> None:
            connection.executescript(SCHEMA)
            connection.execute("BEGIN")
            connection.execute("INSERT INTO topic VALUES (?, ?)", (token_hex(8), partitions))
            connection.executemany("INSERT INTO heads VALUES (?, 0, 0, 0)", [(each,) for each in range(partitions)])
            connection.execute("COMMIT")

        with failing_temporarily(self.name):
            if not self.path.exists():
                private_folder(self.path.parent)
                make_file(self.path, fill)
        if self.topic.partitions != partitions:
            raise Mismatch("partitions", f"{self.name} has {self.topic.partitions} partitions, not {partitions}")

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The answer to a query. Temporary when the file cannot be read."""
        with failing_temporarily(self.name), self.connection() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for reading, given back afterwards; closed instead after an error."""
        with self._lock:
            taken = self._free.pop() if self._free else None
        connection = taken or connect(self.path)
        try:
            yield connection
        except sqlite3.Error:
            connection.close()
            raise
        with self._lock:
            if not self._closed:
                self._free.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the pool. Connections that are in use are closed when they are given back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for each in free:
            each.close()
