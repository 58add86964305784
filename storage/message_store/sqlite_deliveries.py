"""Delivery rows, lanes, leases, handles, receipts that wait and keys that wait, in SQLite."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Withdrawn
from chat4all.model.records import ProviderReceipt
from chat4all.ports.changes import Change
from chat4all.ports.deliveries import PARKED_FIELDS, Deliveries, Handle, LaneState, Lease, Waiting
from storage.message_store import sqlite_changes, sqlite_facts
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

PUT = Write("INSERT INTO deliveries (channel, partition, seq, idx, body) VALUES {rows} ON CONFLICT DO NOTHING", 5)
ROW = f"body, {', '.join(sqlite_facts.COLUMNS)}"
BY_KEY = Lookup(ROW, "CROSS JOIN deliveries USING (channel, partition, seq, idx)", "channel", "partition", "seq", "idx")
OUTCOMES = Lookup(
    ", ".join(sqlite_facts.COLUMNS),
    "CROSS JOIN outcomes USING (channel, partition, seq, idx)",
    "channel",
    "partition",
    "seq",
    "idx",
)
LANE_ROWS = """
SELECT * FROM deliveries WHERE channel = ? AND partition = ? AND (seq, idx) > (?, ?) AND seq <= ? ORDER BY seq, idx LIMIT ?
"""

HANDLE = Write("INSERT INTO handles (channel, account, provider_id, delivery, at) VALUES {rows} ON CONFLICT DO NOTHING", 5)
HANDLED = Lookup("delivery", "CROSS JOIN handles USING (channel, account, provider_id)", "channel", "account", "provider_id")
SPOKEN = Write(
    "INSERT INTO last_conversations VALUES {rows} "
    "ON CONFLICT DO UPDATE SET conversation_id = excluded.conversation_id, at = excluded.at "
    "WHERE (excluded.at, excluded.conversation_id) > (at, conversation_id)",
    4,
)
WITHDRAW = Write(
    "INSERT INTO withdrawals VALUES {rows} "
    "ON CONFLICT DO UPDATE SET at = excluded.at, reason = excluded.reason, said_by = excluded.said_by "
    "WHERE (excluded.at, excluded.reason, excluded.said_by) < (at, reason, said_by)",
    4,
)
WITHDRAWN = Lookup("at, reason, said_by", "CROSS JOIN withdrawals USING (delivery)", "delivery")
# Hardly ever is there one, and this is asked before every call.
ANY_WITHDRAWN = "SELECT EXISTS (SELECT 1 FROM withdrawals WHERE delivery > '')"
WAITING_COLUMNS = "conversation_id, address, seq, idx, retry_at, refusals, stamp"
WAIT = Write(
    f"INSERT INTO waiting (channel, partition, {WAITING_COLUMNS}) VALUES {{rows}} "  # noqa: S608
    "ON CONFLICT DO UPDATE SET seq = excluded.seq, idx = excluded.idx, retry_at = excluded.retry_at, "
    "refusals = excluded.refusals, stamp = excluded.stamp WHERE excluded.stamp > stamp",
    9,
)
ACCOUNT_COLUMNS = f"{WAITING_COLUMNS}, account"
WAIT_BY_ACCOUNT = Write(
    f"INSERT INTO waiting_by_account (channel, partition, {WAITING_COLUMNS}, account) VALUES {{rows}} "  # noqa: S608
    "ON CONFLICT DO UPDATE SET seq = excluded.seq, idx = excluded.idx, retry_at = excluded.retry_at, "
    "refusals = excluded.refusals, stamp = excluded.stamp WHERE excluded.stamp > stamp",
    10,
)
# Not IN (VALUES …): SQLite would search by the channel alone, through all that waits.
GO_ON = Write(
    "DELETE FROM waiting WHERE {rows}",
    row="(channel = ? AND partition = ? AND conversation_id = ? AND address = ? AND stamp < ?)",
    between=" OR ",
)
GO_ON_BY_ACCOUNT = Write(
    "DELETE FROM waiting_by_account WHERE {rows}",
    row="(channel = ? AND partition = ? AND conversation_id = ? AND address = ? AND stamp < ? AND account = ?)",
    between=" OR ",
)
WAITING = f"""
SELECT {ACCOUNT_COLUMNS} FROM (
    SELECT {WAITING_COLUMNS}, '' AS account FROM waiting WHERE channel = ? AND partition = ?
    UNION ALL SELECT {ACCOUNT_COLUMNS} FROM waiting_by_account WHERE channel = ? AND partition = ?
) ORDER BY seq, idx
"""  # noqa: S608
# Of an index, whose entries are small.
COUNTS = Lookup(
    "(SELECT count(*) FROM waiting AS w INDEXED BY waiting_by_time "
    "WHERE w.channel = asked.channel AND w.partition = asked.partition) + "
    "(SELECT count(*) FROM waiting_by_account AS w INDEXED BY waiting_by_account_and_time "
    "WHERE w.channel = asked.channel AND w.partition = asked.partition)",
    "",
    "channel",
    "partition",
)
DUE = Lookup(
    "EXISTS (SELECT 1 FROM waiting AS w "
    "WHERE w.channel = asked.channel AND w.partition = asked.partition AND w.retry_at <= asked.now) "
    "OR EXISTS (SELECT 1 FROM waiting_by_account AS w "
    "WHERE w.channel = asked.channel AND w.partition = asked.partition AND w.retry_at <= asked.now)",
    "",
    "channel",
    "partition",
    "now",
)

PARK = Write("INSERT INTO parked VALUES {rows} ON CONFLICT DO NOTHING", 8)
PARKED = Lookup(
    "kind, at, reason, reference",
    "CROSS JOIN parked USING (channel, account, provider_id)",
    "channel",
    "account",
    "provider_id",
)

LANE_COLUMNS = "channel, partition, fanned, cursor, holder, fence, beat"
LANE = Lookup(LANE_COLUMNS, "CROSS JOIN lanes USING (channel, partition)", "channel", "partition")
FANNED = Write(
    "INSERT INTO lanes (channel, partition, fanned) VALUES {rows} "
    "ON CONFLICT DO UPDATE SET fanned = excluded.fanned WHERE excluded.fanned > fanned",
    3,
)
CURSOR = """
INSERT INTO lanes (channel, partition, cursor) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET cursor = excluded.cursor WHERE excluded.cursor > cursor AND fence <= ?
"""
SWAP = """
UPDATE lanes SET holder = ?, fence = ?, beat = ?
WHERE channel = ? AND partition = ? AND (holder, fence, beat) = (?, ?, ?)
"""
NEW_LANE = "INSERT INTO lanes (channel, partition) VALUES (?, ?) ON CONFLICT DO NOTHING"

_delivery = msgspec.json.Decoder(Delivery).decode
NOTHING = Facts()


class SQLiteDeliveries(Deliveries):
    """The deliveries' part of the store."""

    _db: Connections

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        bare = [each if each.facts == NOTHING else msgspec.structs.replace(each, facts=NOTHING) for each in deliveries]
        rows = [(*_key(each.key), as_json(each)) for each in bare]
        begun: dict[DeliveryKey, Facts] = {}
        for each in deliveries:
            if each.facts != NOTHING:
                begun[each.key] = each.facts.merged(begun.get(each.key, NOTHING))
        self._db.put((PUT, rows), (sqlite_facts.MERGE, _merges(begun)), syncs=False)

    def deliveries(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        with self._db.read() as db:
            rows = BY_KEY(db, [_key(key) for key in keys])
        return {delivery.key: delivery for delivery in (_read(row) for _, row in rows)}

    def outcomes(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Facts]:
        with self._db.read() as db:
            rows = OUTCOMES(db, [_key(key) for key in keys])
        return {DeliveryKey(Lane(*key[:2]), *key[2:]): Facts(*row) for key, row in rows}

    def lane_rows(self, lane: Lane, after: tuple[int, int], up_to: int, limit: int) -> list[Delivery]:
        with self._db.read() as db:
            rows = fetched(db, ROW, LANE_ROWS, (lane.channel, lane.partition, *after, up_to, limit))
        return [_read(row) for row in rows]

    def record(
        self,
        facts: Mapping[DeliveryKey, Facts],
        handles: Sequence[Handle] = (),
        spoken: Mapping[tuple[str, str], tuple[str, int]] | None = None,
        waiting: Sequence[Waiting] = (),
        resumed: Sequence[Waiting] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        now = now_ms()
        self._db.put(
            (sqlite_facts.MERGE, _merges(facts)),
            (HANDLE, [(each.channel, each.account, each.provider_id, str(each.key), now) for each in handles]),
            (SPOKEN, [(*address, *said) for address, said in (spoken or {}).items()]),
            (GO_ON, [(*_waiting_key(each), each.stamp) for each in resumed if not each.account]),
            (WAIT, [(*_waiting_key(each), *_waits(each)) for each in waiting if not each.account]),
            (GO_ON_BY_ACCOUNT, [(*_waiting_key(each), each.stamp, each.account) for each in resumed if each.account]),
            (WAIT_BY_ACCOUNT, [(*_waiting_key(each), *_waits(each), each.account) for each in waiting if each.account]),
            (sqlite_changes.NOTE, sqlite_changes.rows(changes)),
        )

    def withdraw(self, withdrawn: Mapping[DeliveryKey, Withdrawn]) -> None:
        self._db.put((WITHDRAW, [(str(key), *astuple(each)) for key, each in withdrawn.items()]))

    def withdrawn(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Withdrawn]:
        with self._db.read() as db:
            found = WITHDRAWN(db, [(str(key),) for key in keys]) if db.execute(ANY_WITHDRAWN).fetchone()[0] else []
        return {DeliveryKey.parse(text): Withdrawn(*row) for (text,), row in found}

    def handles(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], DeliveryKey]:
        with self._db.read() as db:
            return {key: DeliveryKey.parse(delivery) for key, (delivery,) in HANDLED(db, ids)}

    def park(self, receipts: Sequence[ProviderReceipt]) -> None:
        at = now_ms()
        self._db.put((PARK, [(*msgspec.structs.astuple(each)[:PARKED_FIELDS], at) for each in receipts]))

    def parked(self, ids: Sequence[tuple[str, str, str]]) -> list[ProviderReceipt]:
        with self._db.read() as db:
            rows = PARKED(db, list(dict.fromkeys(ids)))
        return [ProviderReceipt(*key, *row) for key, row in rows]

    def lanes(self, lanes: Sequence[Lane] | None = None) -> dict[Lane, LaneState]:
        with self._db.read() as db:
            if lanes is None:
                return _lane_states(fetched(db, LANE_COLUMNS, "SELECT * FROM lanes"))
            kept = LANE(db, [(lane.channel, lane.partition) for lane in lanes])
        missing = {lane: LaneState(lane, 0, 0, Lease()) for lane in lanes}
        return missing | _lane_states(row for _, row in kept)

    def fanned(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        return {lane: state.fanned for lane, state in self.lanes(lanes).items()}

    def raise_fanned(self, fanned: Mapping[Lane, int]) -> None:
        self._db.put((FANNED, [(lane.channel, lane.partition, seq) for lane, seq in fanned.items()]), syncs=False)

    def raise_cursor(self, lane: Lane, seq: int, fence: int) -> None:
        with self._db.write(syncs=False) as db:
            db.execute(CURSOR, (lane.channel, lane.partition, seq, fence))

    def swap_lease(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        place = (lane.channel, lane.partition)
        with self._db.write(syncs=False) as db:
            if seen == Lease():
                db.execute(NEW_LANE, place)
            swapped = db.execute(SWAP, (*msgspec.structs.astuple(wanted), *place, *msgspec.structs.astuple(seen)))
            return swapped.rowcount == 1

    def waiting(self, lane: Lane) -> list[Waiting]:
        with self._db.read() as db:
            rows = fetched(db, ACCOUNT_COLUMNS, WAITING, (lane.channel, lane.partition) * 2)
        return [Waiting(lane, *row) for row in rows]

    def waiting_counts(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        with self._db.read() as db:
            rows = COUNTS(db, [(lane.channel, lane.partition) for lane in lanes])
        return {Lane(*place): count for place, (count,) in rows if count}

    def due(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        with self._db.read() as db:
            rows = DUE(db, [(lane.channel, lane.partition, now_ms) for lane in lanes])
        return [Lane(channel, partition) for (channel, partition, _), (due,) in rows if due]


def _key(key: DeliveryKey) -> tuple[str, int, int, int]:
    return key.lane.channel, key.lane.partition, key.seq, key.index


def _merges(facts: Mapping[DeliveryKey, Facts]) -> list[tuple[Any, ...]]:
    return [(*_key(key), *msgspec.structs.astuple(seen)) for key, seen in facts.items()]


def _waiting_key(waiting: Waiting) -> tuple[str, int, str, str]:
    return waiting.lane.channel, waiting.lane.partition, waiting.conversation_id, waiting.address


def _waits(waiting: Waiting) -> tuple[int, int, int, int, int]:
    return waiting.seq, waiting.index, waiting.retry_at, waiting.refusals, waiting.stamp


def _read(row: list[Any]) -> Delivery:
    delivery = _delivery(row[0])
    facts = Facts(*row[1:])
    return delivery if facts == NOTHING else msgspec.structs.replace(delivery, facts=facts)


def _lane_states(rows: Iterable[list[Any]]) -> dict[Lane, LaneState]:
    states = {}
    for channel, partition, fanned, cursor, *lease in rows:
        lane = Lane(channel, partition)
        states[lane] = LaneState(lane, fanned, cursor, Lease(*lease))
    return states
