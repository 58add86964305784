"""What was said of messages later, in Cassandra.

Every row stays that was written, the newest of a slot first: so nothing is overwritten, and nothing is deleted.
"""

from collections.abc import Sequence

import msgspec

from chat4all.model.modifiers import Modification, Place, merged
from chat4all.model.retention import Retention
from chat4all.ports.modifications import Modifications
from storage.message_store.cassandra_rows import TOGETHER, as_json
from storage.message_store.cassandra_session import Call, Put, Session

# As messages: a million offsets of one partition.
BUCKET_BITS = 20
DAY_S = 86_400

PUT = (
    "INSERT INTO modifications (conversation_id, bucket, target_seq, kind, sender, provider_at, seq, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?"
)
# The first row of a group is its newest.
OF = (
    "SELECT body FROM modifications WHERE conversation_id = ? AND bucket = ? AND target_seq IN ? "
    "GROUP BY conversation_id, bucket, target_seq, kind, sender"
)

_modification = msgspec.json.Decoder(Modification).decode


class CassandraModifications(Modifications):
    """The part of the store that knows what was said of messages later."""

    _db: Session
    _kept: Retention

    def put_modifications(self, modifications: Sequence[Modification]) -> None:
        # For longer than the message: its words must not come back before they go.
        ttl_s = self._kept.messages and (self._kept.messages + 1) * DAY_S
        self._db.put(_put(each, ttl_s) for each in modifications)

    def modifications(self, places: Sequence[Place]) -> dict[Place, list[Modification]]:
        kept: dict[Place, list[Modification]] = {}
        calls = _calls(places)
        for rows in self._db.all(calls) if calls else ():
            for (body,) in rows:
                each = _modification(body)
                kept.setdefault(each.target, []).append(each)
        return {place: merged(each) for place, each in kept.items()}


def _put(each: Modification, ttl_s: int) -> Put:
    key = _bucket(each.target)
    return ("modifications", *key), PUT, (*key, each.target_seq, *each.slot, *each.order, as_json(each), ttl_s)


def _bucket(place: Place) -> Place:
    return place[0], place[1] >> BUCKET_BITS


def _calls(places: Sequence[Place]) -> list[Call]:
    groups: dict[Place, list[int]] = {}
    for place in dict.fromkeys(places):
        groups.setdefault(_bucket(place), []).append(place[1])
    return [
        (OF, (*bucket, seqs[start : start + TOGETHER]))
        for bucket, seqs in groups.items()
        for start in range(0, len(seqs), TOGETHER)
    ]
