"""Connections to one SQLite file from many threads and processes: a pool for reading, one connection for writing."""

import os
import random
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

from chat4all.model.failures import Temporary
from chat4all.private_files import private_file
from storage.shrinking import be_shrinkable, can_shrink, rewrite, size

WRITE_LIMIT_S = 5.0
# SQLite's own waiting grows to 100 ms; a lone small write then waited for up to 0.9 s.
RETRY_MS = (0.5, 2.0)
BUSY_S = 5.0
REST_S = 0.005
# A file of this size is rewritten in a second; a larger one only when somebody says so (`chat4all compact`).
SMALL = 64 << 20
PER_CONNECTION = (
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)

# Another's commit empties a reader's cache, and what it reads again is in the system's: a large one costs each thread its
# memory and saves nothing. The writer's lasts while no other process writes.
READER = ("PRAGMA query_only=1", "PRAGMA cache_size=-2000")
WRITER = ("PRAGMA busy_timeout=0", "PRAGMA cache_size=-8000")
# More readers than these at once are rare; the connections that they need are closed again.
IDLE_MOST = 8

# Open ones of this process, to be let go of around a fork.
_open: "WeakSet[Connections]" = WeakSet()
# Connections that were at work in another thread when this process was forked off. Closing them here would disturb
# the parent's file locks, and so would losing the last reference.
_inherited: list[sqlite3.Connection] = []


class Connections:
    """Reads go side by side on pooled connections, writes one at a time on one, as transactions that wait for no long.

    sqlite3's operational errors come out as Temporary `store`. SQLite must not be carried over a fork: idle connections
    are closed before it, and both sides open new ones when they need them.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, write_limit_s: float = WRITE_LIMIT_S) -> None:
        self.path, self._write_limit_s = path, write_limit_s
        self._clock = clock
        self._closed = False
        self._renew()
        _open.add(self)

    def _renew(self) -> None:
        self._turn = Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._lent: set[sqlite3.Connection] = set()
        self._writer: sqlite3.Connection | None = None
        self._syncs = True

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. Each statement reads what is committed when it begins."""
        with _as_failures():
            connection = self._borrow()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def write(self, syncs: bool = True) -> Iterator[sqlite3.Connection]:
        """The connection to write with, inside a transaction that is durable when the block ends, or undone.

        Without `syncs` no kill takes it away, but the loss of power may, until the next one that syncs, of whatever process: of
        what was committed since, the last is lost first. It costs a tenth, and is for what is done again where it is not there.
        Temporary when others have been writing for 5 s.
        """
        limit = self._clock() + self._write_limit_s
        if not self._turn.acquire(timeout=self._write_limit_s):
            raise Temporary("store", "busy")
        try:
            with _as_failures():
                writer = self._writing()
                if syncs != self._syncs:
                    writer.execute(f"PRAGMA synchronous={'FULL' if syncs else 'NORMAL'}")
                    self._syncs = syncs
                self._retried(lambda: writer.execute("BEGIN IMMEDIATE"), limit)
                yield from _committed(writer)
        finally:
            self._turn.release()

    def put(
        self, *writes: tuple[Callable[[sqlite3.Connection, Sequence[Any]], None], Sequence[Any]], syncs: bool = True
    ) -> None:
        """These (statement, rows) in one transaction; none when there are no rows at all. `syncs`: as `write`."""
        if any(rows for _, rows in writes):
            with self.write(syncs) as db:
                for statement, rows in writes:
                    statement(db, rows)

    def use_wal(self) -> None:
        """Make the file a write-ahead log one, for good. Others may be at it at the same time."""
        limit = self._clock() + self._write_limit_s
        with _as_failures(), self._turn:
            writer = self._writing()
            self._retried(lambda: _begin(writer), limit)

    def rewrite_small(self) -> None:
        """Have a file of an older version give back space from now on, if it is small: that takes a second, once.

        Whoever is at it at the same moment has it left as it is until the next start.
        """
        with self._turn, suppress(sqlite3.OperationalError):
            writer = self._writing()
            if not can_shrink(writer) and size(writer) <= SMALL:
                rewrite(writer)

    @contextmanager
    def step(self) -> Iterator[sqlite3.Connection]:
        """As `write`, for work that nobody waits for: afterwards it rests for twice as long, so that others go first."""
        with self.write() as db:
            began = self._clock()
            yield db
        time.sleep(max(REST_S, 2 * (self._clock() - began)))

    def close(self) -> None:
        """Close all connections. What is lent is closed when it comes back. Safe to call twice."""
        self._closed = True
        with self._turn:
            self._close_idle()

    def _retried(self, attempt: Callable[[], object], limit: float) -> None:
        """Short sleeps of our own: SQLite's grow to 100 ms, and a lone small write then waits for a second."""
        while True:
            try:
                attempt()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or self._clock() >= limit:
                    raise
                time.sleep(random.uniform(*RETRY_MS) / 1000)  # noqa: S311
            else:
                return

    def _connect(self, *pragmas: str) -> sqlite3.Connection:
        if self._closed:
            raise Temporary("store", "closed")
        if not self.path.exists():
            # What SQLite puts beside it (-wal, -shm) is given the same mode.
            self.path.parent.mkdir(parents=True, exist_ok=True)
            private_file(self.path)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        try:
            for pragma in (*PER_CONNECTION, *pragmas):
                connection.execute(pragma)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _writing(self) -> sqlite3.Connection:
        """The writer's connection. It comes back at once when the file is locked: the waiting is ours."""
        if self._writer is None:
            self._writer, self._syncs = self._connect(*WRITER), True
        return self._writer

    def _borrow(self) -> sqlite3.Connection:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect(*READER)
        self._lent.add(connection)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._lent.discard(connection)
        if self._closed or len(self._idle) >= IDLE_MOST:
            connection.close()
        else:
            self._idle.append(connection)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def before_fork(self) -> None:
        """Take the right to write, and close what nobody uses."""
        self._turn.acquire()
        self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._turn.release()

    def after_fork_in_child(self) -> None:
        """Begin anew; what was lent belongs to threads that do not exist here."""
        _inherited.extend(self._lent)
        self._renew()


def _begin(connection: sqlite3.Connection) -> None:
    be_shrinkable(connection)
    connection.execute("PRAGMA journal_mode=WAL")


def _committed(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError):
        raise
    except sqlite3.DatabaseError as error:
        raise Temporary("store", str(error)) from error


def _around_fork(step: str) -> None:
    for connections in list(_open):
        getattr(connections, step)()


os.register_at_fork(
    before=lambda: _around_fork("before_fork"),
    after_in_parent=lambda: _around_fork("after_fork_in_parent"),
    after_in_child=lambda: _around_fork("after_fork_in_child"),
)
