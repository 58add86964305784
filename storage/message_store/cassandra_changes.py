"""When something was learned, in Cassandra. Rows expire by themselves."""

from collections.abc import Iterator, Mapping, Sequence
from zlib import crc32

import msgspec

from chat4all.model.clock import now_ms
from chat4all.ports.changes import KEPT_DAYS, Change, Changes
from storage.message_store.cassandra_session import Call, Put, Session

SHARDS = 8
HOUR_MS = 3_600_000
KEEP_S = (KEPT_DAYS + 1) * 86_400
TOGETHER = 64
CALLS = 1_000

NOTE = "INSERT INTO changes (shard, hour, conversation_id, at, kind, subject) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
SINCE = (
    "SELECT conversation_id, at, kind, subject FROM changes WHERE shard = ? AND hour = ? AND conversation_id IN ? AND at >= ?"
)


def puts(changes: Sequence[Change]) -> list[Put]:
    """What writes these."""
    return [
        (("changes", *place), NOTE, (*place, *msgspec.structs.astuple(each), KEEP_S))
        for each in changes
        for place in [(_shard(each.conversation_id), each.at // HOUR_MS)]
    ]


class CassandraChanges(Changes):
    """The part of the store that knows what was learned when."""

    _db: Session

    def note_changes(self, changes: Sequence[Change]) -> None:
        self._db.put(puts(changes))

    def changes(self, since: Mapping[str, int]) -> list[Change]:
        found: list[Change] = []
        calls: list[Call] = []
        for call in _calls(since):
            calls.append(call)
            if len(calls) == CALLS:
                found += self._read(calls)
                calls = []
        found += self._read(calls)
        return sorted(each for each in found if each.at >= since[each.conversation_id])

    def _read(self, calls: Sequence[Call]) -> list[Change]:
        return [Change(*row) for rows in self._db.all(calls) for row in rows] if calls else []


def _calls(since: Mapping[str, int]) -> Iterator[Call]:
    shards: dict[int, list[str]] = {}
    for name in since:
        shards.setdefault(_shard(name), []).append(name)
    # Whose clock is ahead has noted under an hour that has not begun here.
    last = now_ms() // HOUR_MS + 1
    for shard, names in shards.items():
        for start in range(0, len(names), TOGETHER):
            chunk = names[start : start + TOGETHER]
            at = min(since[name] for name in chunk)
            for hour in range(max(last - 24 * (KEPT_DAYS + 1), at // HOUR_MS), last + 1):
                yield SINCE, (shard, hour, chunk, at)


def _shard(conversation_id: str) -> int:
    return crc32(conversation_id.encode()) % SHARDS
