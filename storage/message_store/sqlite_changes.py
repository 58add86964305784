"""When something was learned, in SQLite. Ordered by day first: what is written now lies together, and old days go at once."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.ports.changes import KEPT_DAYS, Change, Changes
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write

NOTE = Write("INSERT INTO changes VALUES {rows} ON CONFLICT DO NOTHING", 5)
SINCE = Lookup(
    "c.at, c.kind, c.subject",
    "CROSS JOIN changes AS c ON c.day = asked.day AND c.conversation_id = asked.conversation_id AND c.at >= asked.since",
    "day",
    "conversation_id",
    "since",
)


def rows(changes: Sequence[Change]) -> list[tuple[int, str, int, str, str]]:
    """The rows of these changes."""
    return [(each.at // DAY_MS, *msgspec.structs.astuple(each)) for each in changes]


class SQLiteChanges(Changes):
    """The part of the store that knows what was learned when."""

    _db: Connections

    def note_changes(self, changes: Sequence[Change]) -> None:
        self._db.put((NOTE, rows(changes)))

    def changes(self, since: Mapping[str, int]) -> list[Change]:
        # Whose clock is ahead has noted under a day that has not begun here.
        today = now_ms() // DAY_MS + 1
        oldest = today - KEPT_DAYS - 1
        asked = [(day, name, at) for name, at in since.items() for day in range(max(oldest, at // DAY_MS), today + 1)]
        with self._db.read() as db:
            found = SINCE(db, asked)
        return sorted(Change(name, *row) for (_, name, _), row in found)
