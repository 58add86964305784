"""Keys that are held until a person writes, in Cassandra. What holders say is written under their stamps, as of waiting keys.

Each opening is a row of its own, which is deleted as that row: so clocks that differ hide none.
"""

import time
from collections.abc import Sequence
from typing import Any

from chat4all.model.deliveries import Lane
from chat4all.ports.holds import HeldKey, Holds, LaneKey, Opening
from storage.message_store.cassandra_session import Session

ALL = "all"
# Pairs in one request.
TOGETHER = 32

KEY = "channel, account, address, partition, conversation_id"
HOLD = f"INSERT INTO held ({KEY}, since, freed_at) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"  # noqa: S608
LET_GO = (
    "DELETE FROM held USING TIMESTAMP ? "
    "WHERE channel = ? AND account = ? AND address = ? AND partition = ? AND conversation_id = ?"
)
BY_PLACE = (
    "SELECT account, address, partition, conversation_id, since, freed_at, WRITETIME(since) FROM held "
    "WHERE channel = ? AND (account, address) IN ?"
)
COUNT = "SELECT count(*), min(since) FROM held WHERE channel = ?"
OPEN = f"INSERT INTO openings (scope, {KEY}, at) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
OPENINGS = f"SELECT {KEY}, at FROM openings WHERE scope = ? LIMIT ?"  # noqa: S608
FORGET = (
    "DELETE FROM openings "
    "WHERE scope = ? AND channel = ? AND account = ? AND address = ? AND partition = ? AND conversation_id = ? AND at = ?"
)


class CassandraHolds(Holds):
    """The part of the store that knows what is held."""

    _db: Session

    def hold_keys(self, keys: Sequence[HeldKey]) -> None:
        self._db.put(
            (("held", each.key.lane.channel), HOLD, (*_key(each.key), each.since, each.freed_at, each.stamp)) for each in keys
        )

    def unhold_keys(self, keys: Sequence[HeldKey]) -> None:
        self._db.put((("held", each.key.lane.channel), LET_GO, (each.stamp, *_key(each.key))) for each in keys)

    def held_keys(self, places: Sequence[tuple[str, str, str]]) -> list[HeldKey]:
        groups: dict[str, list[tuple[str, str]]] = {}
        for channel, account, address in dict.fromkeys(places):
            groups.setdefault(channel, []).append((account, address))
        calls = [
            (BY_PLACE, (channel, some[start : start + TOGETHER]))
            for channel, some in groups.items()
            for start in range(0, len(some), TOGETHER)
        ]
        found = self._db.all(calls) if calls else []
        return [
            HeldKey(LaneKey(Lane(values[0], partition), conversation_id, address, account), since, freed_at, stamp)
            for (_, values), rows in zip(calls, found, strict=True)
            for account, address, partition, conversation_id, since, freed_at, stamp in rows
        ]

    def held_counts(self, channels: Sequence[str]) -> dict[str, tuple[int, int]]:
        found = self._db.all([(COUNT, (channel,)) for channel in channels])
        counts = {channel: rows[0] for channel, rows in zip(channels, found, strict=True)}
        return {channel: (number, first) for channel, (number, first) in counts.items() if number}

    def open_keys(self, keys: Sequence[LaneKey]) -> None:
        at = time.time_ns()
        self._db.put((("openings", ALL), OPEN, (ALL, *_key(each), at)) for each in dict.fromkeys(keys))

    def openings(self, limit: int = 1000) -> list[Opening]:
        return [
            Opening(LaneKey(Lane(channel, partition), conversation_id, address, account), at)
            for channel, account, address, partition, conversation_id, at in self._db.rows(OPENINGS, ALL, limit)
        ]

    def forget_openings(self, openings: Sequence[Opening]) -> None:
        self._db.put((("openings", ALL), FORGET, (ALL, *_key(each.key), each.at)) for each in openings)


def _key(key: LaneKey) -> tuple[Any, ...]:
    return (*key.place, key.lane.partition, key.conversation_id)
