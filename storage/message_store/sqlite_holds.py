"""Keys that are held until a person writes, in SQLite."""

import time
from collections.abc import Sequence
from typing import Any

from chat4all.model.deliveries import Lane
from chat4all.ports.holds import HeldKey, Holds, LaneKey, Opening
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, fetched

KEY = "channel, account, address, partition, conversation_id"
HOLD = Write(
    f"INSERT INTO held ({KEY}, since, freed_at, stamp) VALUES {{rows}} "  # noqa: S608
    "ON CONFLICT DO UPDATE SET since = excluded.since, freed_at = excluded.freed_at, stamp = excluded.stamp "
    "WHERE excluded.stamp > stamp",
    8,
)
LET_GO = Write(
    "DELETE FROM held WHERE {rows}",
    row="(channel = ? AND account = ? AND address = ? AND partition = ? AND conversation_id = ? AND stamp < ?)",
    between=" OR ",
)
BY_PLACE = Lookup(
    "partition, conversation_id, since, freed_at, stamp",
    "CROSS JOIN held USING (channel, account, address)",
    "channel",
    "account",
    "address",
)
# Where nothing is held that is all that is asked.
ANY = "SELECT EXISTS (SELECT 1 FROM held WHERE channel > '')"
COUNTS = "SELECT channel, count(*) AS number, min(since) AS first FROM held WHERE freed_at = 0 GROUP BY channel"
OPEN = Write(f"INSERT INTO openings ({KEY}, at) VALUES {{rows}} ON CONFLICT DO NOTHING", 6)  # noqa: S608
OPENINGS = "SELECT * FROM openings LIMIT ?"
FORGET = Write(
    "DELETE FROM openings WHERE {rows}",
    row="(channel = ? AND account = ? AND address = ? AND partition = ? AND conversation_id = ? AND at = ?)",
    between=" OR ",
)


class SQLiteHolds(Holds):
    """The part of the store that knows what is held."""

    _db: Connections

    def hold_keys(self, keys: Sequence[HeldKey]) -> None:
        self._db.put((HOLD, [(*_key(each.key), each.since, each.freed_at, each.stamp) for each in keys]))

    def unhold_keys(self, keys: Sequence[HeldKey]) -> None:
        self._db.put((LET_GO, [(*_key(each.key), each.stamp) for each in keys]))

    def held_keys(self, places: Sequence[tuple[str, str, str]]) -> list[HeldKey]:
        with self._db.read() as db:
            rows = BY_PLACE(db, list(dict.fromkeys(places))) if places and db.execute(ANY).fetchone()[0] else []
        return [
            HeldKey(LaneKey(Lane(channel, partition), conversation_id, address, account), since, freed_at, stamp)
            for (channel, account, address), (partition, conversation_id, since, freed_at, stamp) in rows
        ]

    def held_counts(self, channels: Sequence[str]) -> dict[str, tuple[int, int]]:
        with self._db.read() as db:
            rows = fetched(db, "channel, number, first", COUNTS)
        return {channel: (number, first) for channel, number, first in rows if channel in channels}

    def open_keys(self, keys: Sequence[LaneKey]) -> None:
        at = time.time_ns()
        self._db.put((OPEN, [(*_key(each), at) for each in dict.fromkeys(keys)]))

    def openings(self, limit: int = 1000) -> list[Opening]:
        with self._db.read() as db:
            rows = db.execute(OPENINGS, (limit,)).fetchall()
        return [
            Opening(LaneKey(Lane(channel, partition), conversation_id, address, account), at)
            for channel, account, address, partition, conversation_id, at in rows
        ]

    def forget_openings(self, openings: Sequence[Opening]) -> None:
        self._db.put((FORGET, [(*_key(each.key), each.at) for each in openings]))


def _key(key: LaneKey) -> tuple[Any, ...]:
    return (*key.place, key.lane.partition, key.conversation_id)
