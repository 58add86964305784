"""When users were last there, in SQLite."""

from collections.abc import Collection, Mapping

from chat4all.ports.presence import Presences, Seen
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write

KNOWN = Lookup("last_seen, hidden", "CROSS JOIN presences USING (user_id)", "user_id")
RAISE = Write(
    "INSERT INTO presences (user_id, last_seen) VALUES {rows}"
    " ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)",
    2,
)
HIDE = "INSERT INTO presences (user_id, hidden) VALUES (?, ?) ON CONFLICT DO UPDATE SET hidden = excluded.hidden"


class SQLitePresences(Presences):
    """The part of the store that knows when users were last there."""

    _db: Connections

    def presences(self, user_ids: Collection[str]) -> dict[str, Seen]:
        with self._db.read() as db:
            rows = KNOWN(db, [(each,) for each in user_ids])
        return {user_id: Seen(last_seen, bool(hidden)) for (user_id,), (last_seen, hidden) in rows}

    def raise_last_seen(self, seen: Mapping[str, int]) -> None:
        with self._db.write() as db:
            RAISE(db, sorted(seen.items()))

    def hide_presence(self, user_id: str, hidden: bool) -> None:
        with self._db.write() as db:
            db.execute(HIDE, (user_id, hidden))
