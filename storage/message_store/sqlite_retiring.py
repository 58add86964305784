"""Deletes delivery rows that are too old, in SQLite: oldest first in each lane, up to the first that must stay.

What readers were told of them stays for as long as their messages (`outcomes`, filled by a trigger on the deletion).
"""

from itertools import takewhile

from chat4all.model.retention import Retention, before
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import fetched

# Rows in one transaction: few, so that no writer waits for long.
CHUNK = 500
LANES = "SELECT channel, partition, cursor FROM lanes"
# As `Facts.ended` says it.
ENDED = "sent_at OR refused_at OR failed_at OR delivered_at OR read_at"
OLDEST = f"""
SELECT seq, idx, json_extract(body, '$.accepted_at') AS at, {ENDED} AS ended FROM deliveries
WHERE channel = ? AND partition = ? AND seq <= ? ORDER BY seq, idx LIMIT {CHUNK}
"""  # noqa: S608
RETIRE = "DELETE FROM deliveries WHERE channel = ? AND partition = ? AND (seq, idx) <= (?, ?)"

# The newest thing that is known of them; its message is older still.
NEWEST = "max(attempted_at, sent_at, refused_at, failed_at, delivered_at, read_at)"
FORGET = f"""
DELETE FROM outcomes WHERE (channel, partition, seq, idx) IN (
    SELECT channel, partition, seq, idx FROM (
        SELECT * FROM outcomes WHERE channel = ? AND partition = ? ORDER BY seq, idx LIMIT {CHUNK}
    ) WHERE {NEWEST} < ?
)
"""  # noqa: S608


def retire(connections: Connections, now_ms: int, kept: Retention) -> tuple[int, int]:
    """How many rows went, and for how long (ms) the oldest is there that should have gone as well."""
    limit_ms, count, behind_ms = before(kept.deliveries, now_ms), 0, 0
    for channel, partition, cursor in _lanes(connections) if limit_ms else ():
        gone = CHUNK
        while gone == CHUNK:
            gone, oldest = _step(connections, (channel, partition, cursor), limit_ms)
            count, behind_ms = count + gone, max(behind_ms, limit_ms - oldest)
    return count, behind_ms


def _step(connections: Connections, place: tuple[str, int, int], limit_ms: int) -> tuple[int, int]:
    """How many rows went, and when the first that is left of those looked at was accepted, or the limit."""
    with connections.step() as db:
        rows = fetched(db, "seq, idx, at, ended", OLDEST, place)
        gone = list(takewhile(lambda row: row[3] and row[2] < limit_ms, rows))
        if gone:
            db.execute(RETIRE, (*place[:2], *gone[-1][:2]))
    return len(gone), min([limit_ms, *(at for _, _, at, _ in rows[len(gone) : len(gone) + 1])])


def forget_outcomes(connections: Connections, now_ms: int, kept: Retention) -> int:
    """Outcomes go when their messages have gone; how many went."""
    limit_ms, count = before(kept.messages, now_ms), 0
    for channel, partition, _ in _lanes(connections) if limit_ms else ():
        gone = CHUNK
        while gone == CHUNK:
            with connections.step() as db:
                gone = db.execute(FORGET, (channel, partition, limit_ms)).rowcount
            count += gone
    return count


def _lanes(connections: Connections) -> list[tuple[str, int, int]]:
    with connections.read() as db:
        return [(channel, partition, cursor) for channel, partition, cursor in db.execute(LANES)]
