"""What the store forgets, a few hundred rows at a time, so that no writer waits for long."""

from chat4all.ports.changes import KEPT_DAYS
from chat4all.ports.progress import KEEP_BODIES_DAYS
from chat4all.records import ProviderReceipt
from storage.message_store.sqlite_connection import Connections

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CHUNK = 500

# An excused try is only kept against a late note of its beginning.
FORGOTTEN = (
    ("inbound", "channel, account, provider_id", "at < ?", 8 * DAY_MS),
    ("verifications", "user_id, channel, address", "expires_at < ?", DAY_MS),
    ("letter_bodies", "letter_id", "at < ?", KEEP_BODIES_DAYS * DAY_MS),
    ("sessions", "user_id, session_id", "expires_at < ?", 0),
    ("revocations", "number", "until < ?", 0),
    ("holdings", "owner, kind, thing", "until > 0 AND until < ?", 0),
    ("changes", "day, conversation_id, at, kind, subject", f"day < ? / {DAY_MS}", (KEPT_DAYS + 1) * DAY_MS),
    ("tries", "topic, partition, first, last, stage, run", "excused = 1 AND at < ?", HOUR_MS),
    ("tries", "topic, partition, first, last, stage, run", "excused = 0 AND at < ?", 7 * DAY_MS),
)
PARKED_MS = 3 * DAY_MS
UNPARKED = """
SELECT channel, account, provider_id, kind, at, reason, reference, parked_at,
    EXISTS (SELECT 1 FROM handles AS h WHERE (h.channel, h.account, h.provider_id) = (p.channel, p.account, p.provider_id))
FROM parked AS p WHERE parked_at < ? ORDER BY parked_at LIMIT ?
"""
UNPARK = """
DELETE FROM parked WHERE (channel, account, provider_id, kind, at, reason, reference) = (?, ?, ?, ?, ?, ?, ?)
"""


def forget(connections: Connections, now_ms: int) -> list[ProviderReceipt]:
    """Delete what is older than it must be; the parked receipts among it that no delivery claimed."""
    for table, key, old, age_ms in FORGOTTEN:
        chunk = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {old} LIMIT {CHUNK})"  # noqa: S608
        while _deleted(connections, chunk, now_ms - age_ms) == CHUNK:
            pass
    unclaimed: list[ProviderReceipt] = []
    while _unparked(connections, now_ms - PARKED_MS, unclaimed) == CHUNK:
        pass
    return unclaimed


def _deleted(connections: Connections, sql: str, before_ms: int) -> int:
    with connections.write() as db:
        return db.execute(sql, (before_ms,)).rowcount


def _unparked(connections: Connections, before_ms: int, unclaimed: list[ProviderReceipt]) -> int:
    with connections.write() as db:
        rows = db.execute(UNPARKED, (before_ms, CHUNK)).fetchall()
        db.executemany(UNPARK, [row[:7] for row in rows])
    unclaimed.extend(ProviderReceipt(*row[:7]) for row in rows if not row[8])
    return len(rows)
