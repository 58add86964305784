"""Delivery rows, lanes, leases, handles, receipts that wait and keys that wait, in SQLite."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from chat4all.deliveries import Delivery, DeliveryKey, Facts, Lane
from chat4all.ports.message_store import Deliveries, Handle, LaneState, Lease, Waiting
from chat4all.records import ProviderReceipt
from storage.message_store import sqlite_facts
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, found

PUT = "INSERT INTO deliveries (channel, partition, seq, idx, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
DELIVERY = f"SELECT body, {', '.join(sqlite_facts.COLUMNS)} FROM deliveries "  # noqa: S608
BY_KEY = DELIVERY + "WHERE channel = ? AND partition = ? AND seq = ? AND idx = ?"
LANE_ROWS = DELIVERY + "WHERE channel = ? AND partition = ? AND (seq, idx) > (?, ?) AND seq <= ? ORDER BY seq, idx LIMIT ?"

HANDLE = "INSERT INTO handles VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
HANDLED = "SELECT delivery FROM handles WHERE channel = ? AND account = ? AND provider_id = ?"
SPOKEN = """
INSERT INTO last_conversations VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET conversation_id = excluded.conversation_id, at = excluded.at
WHERE (excluded.at, excluded.conversation_id) > (at, conversation_id)
"""
WAIT = "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
GO_ON = "DELETE FROM waiting WHERE channel = ? AND partition = ? AND conversation_id = ? AND address = ?"
WAITING = """
SELECT conversation_id, address, seq, idx, retry_at, refusals FROM waiting
WHERE channel = ? AND partition = ? ORDER BY seq, idx
"""
DUE = "SELECT 1 FROM waiting WHERE channel = ? AND partition = ? AND retry_at <= ? LIMIT 1"

PARK = "INSERT INTO parked VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
PARKED = """
SELECT channel, account, provider_id, kind, at, reason, reference FROM parked
WHERE channel = ? AND account = ? AND provider_id = ?
"""

LANES = "SELECT channel, partition, fanned, cursor, holder, fence, beat FROM lanes"
LANE = LANES + " WHERE channel = ? AND partition = ?"
FANNED = """
INSERT INTO lanes (channel, partition, fanned) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET fanned = excluded.fanned WHERE excluded.fanned > fanned
"""
CURSOR = """
INSERT INTO lanes (channel, partition, cursor) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET cursor = excluded.cursor WHERE excluded.cursor > cursor
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
        begun = [(*_key(each.key), *sqlite_facts.values(each.facts)) for each in deliveries if each.facts != NOTHING]
        with self._db.write() as db:
            db.executemany(PUT, rows)
            db.executemany(sqlite_facts.MERGE, begun)

    def deliveries(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        with self._db.read() as db:
            rows = [(key, db.execute(BY_KEY, _key(key)).fetchone()) for key in keys]
        return {key: _read(row) for key, row in rows if row}

    def lane_rows(self, lane: Lane, after: tuple[int, int], up_to: int, limit: int) -> list[Delivery]:
        with self._db.read() as db:
            rows = db.execute(LANE_ROWS, (lane.channel, lane.partition, *after, up_to, limit)).fetchall()
        return [_read(row) for row in rows]

    def record(
        self,
        facts: Mapping[DeliveryKey, Facts],
        handles: Sequence[Handle] = (),
        spoken: Mapping[tuple[str, str], tuple[str, int]] | None = None,
        waiting: Sequence[Waiting] = (),
        resumed: Sequence[Waiting] = (),
    ) -> None:
        merged = [(*_key(key), *sqlite_facts.values(seen)) for key, seen in facts.items()]
        with self._db.write() as db:
            db.executemany(sqlite_facts.MERGE, merged)
            db.executemany(HANDLE, [(each.channel, each.account, each.provider_id, str(each.key)) for each in handles])
            db.executemany(SPOKEN, [(*address, *said) for address, said in (spoken or {}).items()])
            db.executemany(GO_ON, [_waiting_key(each) for each in resumed])
            db.executemany(
                WAIT, [(*_waiting_key(each), each.seq, each.index, each.retry_at, each.refusals) for each in waiting]
            )

    def handles(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], DeliveryKey]:
        with self._db.read() as db:
            return {key: DeliveryKey.parse(row[0]) for key, row in found(db, HANDLED, ids).items()}

    def park(self, receipts: Sequence[ProviderReceipt]) -> None:
        now_ms = int(time.time() * 1000)
        with self._db.write() as db:
            db.executemany(PARK, [(*msgspec.structs.astuple(each), now_ms) for each in receipts])

    def parked(self, ids: Sequence[tuple[str, str, str]]) -> list[ProviderReceipt]:
        with self._db.read() as db:
            rows = [row for each in dict.fromkeys(ids) for row in db.execute(PARKED, each)]
        return [ProviderReceipt(*row) for row in rows]

    def lanes(self, lanes: Sequence[Lane] | None = None) -> dict[Lane, LaneState]:
        with self._db.read() as db:
            if lanes is None:
                return _lane_states(db.execute(LANES))
            asked = [(lane.channel, lane.partition) for lane in lanes]
            missing = {lane: LaneState(lane, 0, 0, Lease()) for lane in lanes}
            return missing | _lane_states(found(db, LANE, asked).values())

    def raise_fanned(self, fanned: Mapping[Lane, int]) -> None:
        with self._db.write() as db:
            db.executemany(FANNED, [(lane.channel, lane.partition, seq) for lane, seq in fanned.items()])

    def raise_cursor(self, lane: Lane, seq: int) -> None:
        with self._db.write() as db:
            db.execute(CURSOR, (lane.channel, lane.partition, seq))

    def swap_lease(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        place = (lane.channel, lane.partition)
        with self._db.write() as db:
            if seen == Lease():
                db.execute(NEW_LANE, place)
            swapped = db.execute(SWAP, (*msgspec.structs.astuple(wanted), *place, *msgspec.structs.astuple(seen)))
            return swapped.rowcount == 1

    def waiting(self, lane: Lane) -> list[Waiting]:
        with self._db.read() as db:
            return [Waiting(lane, *row) for row in db.execute(WAITING, (lane.channel, lane.partition))]

    def due(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        with self._db.read() as db:
            return [lane for lane in lanes if db.execute(DUE, (lane.channel, lane.partition, now_ms)).fetchone()]


def _key(key: DeliveryKey) -> tuple[str, int, int, int]:
    return key.lane.channel, key.lane.partition, key.seq, key.index


def _waiting_key(waiting: Waiting) -> tuple[str, int, str, str]:
    return waiting.lane.channel, waiting.lane.partition, waiting.conversation_id, waiting.address


def _read(row: tuple[Any, ...]) -> Delivery:
    delivery = _delivery(row[0])
    facts = Facts(*row[1:])
    return delivery if facts == NOTHING else msgspec.structs.replace(delivery, facts=facts)


def _lane_states(rows: Iterable[tuple[Any, ...]]) -> dict[Lane, LaneState]:
    states = {}
    for channel, partition, fanned, cursor, *lease in rows:
        lane = Lane(channel, partition)
        states[lane] = LaneState(lane, fanned, cursor, Lease(*lease))
    return states
