"""Deletes what is too old, a few hundred rows at a time, so that no writer waits for long."""

import time
from collections.abc import Iterator

from msgspec import Struct

from chat4all.model.clock import DAY_MS
from chat4all.model.records import ProviderReceipt
from chat4all.model.retention import (
    Retention,
)
from chat4all.ports.changes import KEPT_DAYS
from chat4all.ports.deferred_records import ENDED_DAYS
from chat4all.ports.message_store import Expired
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_retiring import forget_outcomes, retire
from storage.shrinking import can_shrink, give_back, has_spare

HOUR_MS = 3_600_000
# Rows in one transaction: few, so that no writer waits for long.
CHUNK = 500
SHRINK_S = 10.0


class Old(Struct, frozen=True):
    """Rows of a table that go: `where` compares with the time before which they are too old."""

    kind: str
    table: str
    key: str
    where: str
    age_ms: int


# An excused try is only kept against a late note of its beginning.
ALWAYS = (
    ("inbound", "channel, account, provider_id", "at < ?", 8 * DAY_MS),
    ("verifications", "user_id, channel, address", "expires_at < ?", DAY_MS),
    ("sessions", "user_id, session_id", "expires_at < ?", 0),
    ("requests", "owner, name", "until < ?", 0),
    ("provider_uploads", "channel, account, object_key, shown_as", "until < ?", 0),
    ("revocations", "number", "until < ?", 0),
    ("holdings", "owner, kind, thing", "until > 0 AND until < ?", 0),
    ("changes", "day, conversation_id, at, kind, subject", f"day < ? / {DAY_MS}", (KEPT_DAYS + 1) * DAY_MS),
    ("deferred_records", "record_id", "is_open = 0 AND changed_at < ?", ENDED_DAYS * DAY_MS),
    ("tries", "topic, partition, first, last, stage, run", "excused = 1 AND at < ?", HOUR_MS),
    ("tries", "topic, partition, first, last, stage, run", "excused = 0 AND at < ?", 7 * DAY_MS),
)
AT = "at < ?"
PARKED_MS = 3 * DAY_MS
UNPARKED = """
SELECT channel, account, provider_id, kind, at, reason, reference, parked_at,
    EXISTS (SELECT 1 FROM handles AS h WHERE (h.channel, h.account, h.provider_id) = (p.channel, p.account, p.provider_id))
FROM parked AS p WHERE parked_at < ? ORDER BY parked_at LIMIT ?
"""
UNPARK = """
DELETE FROM parked WHERE (channel, account, provider_id, kind, at, reason, reference) = (?, ?, ?, ?, ?, ?, ?)
"""


# What was said of a message goes after it, by the most that clocks may differ: without its deletion it would have words again.
HISTORY = {"messages": 0, "modifications": DAY_MS, "withdrawals": DAY_MS}
# Nothing of the history goes while a delivery row is left that is as old: lanes find what waits through its message.
OLDEST_DELIVERY = """
SELECT min((SELECT json_extract(body, '$.accepted_at') FROM deliveries AS d
    WHERE (d.channel, d.partition) = (lanes.channel, lanes.partition) ORDER BY seq, idx LIMIT 1)) FROM lanes
"""


def forget(connections: Connections, now_ms: int, kept: Retention) -> Expired:
    """Delete what is older than it must be, a few rows at a time; then give the space back."""
    retired, behind_ms = retire(connections, now_ms, kept)
    counted = {"deliveries": retired, "outcomes": forget_outcomes(connections, now_ms, kept)}
    oldest_ms = _oldest_delivery(connections, now_ms)
    for old in (*_always(), *_chosen(kept)):
        before_ms = now_ms - old.age_ms
        if old.kind in HISTORY:
            before_ms = min(before_ms, oldest_ms) - HISTORY[old.kind]
        some = f"SELECT {old.key} FROM {old.table} WHERE {old.where} LIMIT {CHUNK}"  # noqa: S608
        chunk = f"DELETE FROM {old.table} WHERE ({old.key}) IN ({some})"  # noqa: S608
        deleted = CHUNK
        while deleted == CHUNK:
            deleted = _deleted(connections, chunk, before_ms)
            counted[old.kind] = counted.get(old.kind, 0) + deleted
    unclaimed: list[ProviderReceipt] = []
    while _unparked(connections, now_ms - PARKED_MS, unclaimed) == CHUNK:
        pass
    shrink(connections)
    return Expired(unclaimed, {kind: count for kind, count in counted.items() if count}, behind_ms)


def _always() -> Iterator[Old]:
    """What nobody needs after a fixed time."""
    for table, key, where, age_ms in ALWAYS:
        yield Old(table, table, key, where, age_ms)


def _chosen(kept: Retention) -> Iterator[Old]:
    """What goes after as many days as the settings say."""
    chosen = (
        ("messages", kept.messages, "messages", "conversation_id, seq", "json_extract(body, '$.accepted_at') < ?"),
        ("modifications", kept.messages, "modifications", "conversation_id, target_seq, kind, sender", AT),
        ("raw_parts", kept.messages, "raw_parts", "conversation_id, message_id", AT),
        ("withdrawals", kept.deliveries, "withdrawals", "delivery", AT),
        ("ids", kept.ids, "message_ids", "message_id, conversation_id", AT),
        ("handles", kept.handles, "handles", "channel, account, provider_id", AT),
        ("webhook_calls", kept.webhook_calls, "webhook_calls", "webhook_id, call_id", AT),
        ("webhooks", kept.letters, "letter_bodies", "letter_id", AT),
        ("letters", kept.letters, "dead_letters", "letter_id", "day < date(? / 1000, 'unixepoch')"),
    )
    return (Old(kind, table, key, where, days * DAY_MS) for kind, days, table, key, where in chosen if days)


def _oldest_delivery(connections: Connections, default: int) -> int:
    with connections.read() as db:
        oldest: int | None = db.execute(OLDEST_DELIVERY).fetchone()[0]
    return default if oldest is None else oldest


def shrink(connections: Connections) -> None:
    """Give free pages back to the disk, for ten seconds at the most: the rest follows the next time."""
    deadline = time.monotonic() + SHRINK_S
    while time.monotonic() < deadline:
        with connections.read() as db:
            if not (can_shrink(db) and has_spare(db)):
                return
        with connections.step() as db:
            give_back(db)


def _deleted(connections: Connections, sql: str, before_ms: int) -> int:
    with connections.step() as db:
        return db.execute(sql, (before_ms,)).rowcount


def _unparked(connections: Connections, before_ms: int, unclaimed: list[ProviderReceipt]) -> int:
    with connections.step() as db:
        rows = db.execute(UNPARKED, (before_ms, CHUNK)).fetchall()
        db.executemany(UNPARK, [row[:7] for row in rows])
    unclaimed.extend(ProviderReceipt(*row[:7]) for row in rows if not row[8])
    return len(rows)
