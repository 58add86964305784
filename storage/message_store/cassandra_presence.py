"""When users were last there, in Cassandra: written at the time that it says, so that the latest stays whoever writes last."""

from collections.abc import Collection, Mapping

from chat4all.ports.presence import Presences, Seen
from storage.message_store.cassandra_rows import Lookup
from storage.message_store.cassandra_session import Session

KNOWN = Lookup("last_seen, hidden", "presences", "user_id")
RAISE = "UPDATE presences USING TIMESTAMP ? SET last_seen = ? WHERE user_id = ?"
HIDE = "UPDATE presences SET hidden = ? WHERE user_id = ?"


class CassandraPresences(Presences):
    """The part of the store that knows when users were last there."""

    _db: Session

    def presences(self, user_ids: Collection[str]) -> dict[str, Seen]:
        rows = KNOWN(self._db, [(each,) for each in user_ids])
        return {user_id: Seen(last_seen or 0, bool(hidden)) for (user_id,), (last_seen, hidden) in rows}

    def raise_last_seen(self, seen: Mapping[str, int]) -> None:
        self._db.put((("presences", user_id), RAISE, (at, at, user_id)) for user_id, at in sorted(seen.items()))

    def hide_presence(self, user_id: str, hidden: bool) -> None:
        self._db.put([(("presences", user_id), HIDE, (hidden, user_id))])
