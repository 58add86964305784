"""Deletes old records, a few at a time, so that writers need not wait."""

import time

from chat4all.model.failures import Temporary
from storage.event_log.sqlite_files import Connection, TopicFile, failing_temporarily, record_id
from storage.event_log.sqlite_writer import WriteTurn, begin, writing
from storage.shrinking import can_shrink, give_back, has_spare

RECORDS_AT_ONCE = 2_000
LOCK_WAIT_S = 5.0
SHRINK_S = 10.0


def trim(file: TopicFile, before_ms: int) -> None:
    """Delete what was appended before this time (ms UTC), and give the space back. Temporary: the lock stays taken for 5 s."""
    with failing_temporarily(file.name), writing(file) as (connection, turn):
        for partition in range(file.topic.partitions):
            first, upcoming = connection.execute("SELECT first, next FROM heads WHERE partition = ?", (partition,)).fetchone()
            keep = _first_since(connection, partition, first, upcoming, before_ms)
            while first < keep:
                first = _forget(connection, turn, partition, min(first + RECORDS_AT_ONCE, keep))
        deadline = time.monotonic() + SHRINK_S
        while can_shrink(connection) and has_spare(connection) and time.monotonic() < deadline:
            _begin(connection, turn)
            give_back(connection)
            connection.execute("COMMIT")


def _first_since(connection: Connection, partition: int, first: int, upcoming: int, before_ms: int) -> int:
    """The oldest offset to keep. Times never run backwards within a partition, so halving finds it without an index."""
    while first < upcoming:
        middle = (first + upcoming) // 2
        row = connection.execute("SELECT at FROM records WHERE id = ?", (record_id(partition, middle),)).fetchone()
        # None: somebody else trims too, and was here already.
        if row is None or row[0] < before_ms:
            first = middle + 1
        else:
            upcoming = middle
    return first


def _forget(connection: Connection, turn: WriteTurn, partition: int, before: int) -> int:
    """Delete everything below this offset, in a transaction of its own; the first offset that is left."""
    _begin(connection, turn)
    connection.execute(
        "DELETE FROM records WHERE id BETWEEN ? AND ?", (record_id(partition, 0), record_id(partition, before) - 1)
    )
    connection.execute("UPDATE heads SET first = max(first, ?) WHERE partition = ?", (before, partition))
    connection.execute("COMMIT")
    return before


def _begin(connection: Connection, turn: WriteTurn) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    if not begin(connection, turn, lambda: time.monotonic() < deadline):
        raise Temporary("log_busy", "trim: the log is being written to")
