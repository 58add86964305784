"""How conversations are handled, in SQLite. A change and the lists that follow from it are one transaction."""

import sqlite3
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from chat4all.model.handling import LOOK_AFTER_MS, Due, Handling, untouched
from chat4all.model.workspaces import everybody
from chat4all.ports.handling import Handlings
from chat4all.ports.listing import SLOT_MS
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_listing import BE_ACTIVE
from storage.message_store.sqlite_rows import Lookup, Write, as_json

HANDLING = Lookup("body", "CROSS JOIN handlings USING (conversation_id)", "conversation_id")
PUT = "INSERT OR REPLACE INTO handlings VALUES (?, ?, ?)"
ANY = "SELECT 1 FROM handlings LIMIT 1"
SLOT = "SELECT slot FROM activity WHERE reader = ? AND conversation_id = ?"
LEAVE = "DELETE FROM activity WHERE reader = ? AND conversation_id = ?"
NOTE = Write("INSERT INTO handling_due VALUES {rows} ON CONFLICT DO NOTHING", 4)
DUE = "SELECT * FROM handling_due WHERE at <= ? ORDER BY at, conversation_id, kind, version LIMIT ?"
SETTLE = "DELETE FROM handling_due WHERE at = ? AND conversation_id = ? AND kind = ? AND version = ?"

_handling = msgspec.json.Decoder(Handling).decode


class SQLiteHandlings(Handlings):
    """The part of the store that knows how conversations are handled."""

    _db: Connections
    # Whether any is, and until when (monotonic) it is believed that none is.
    _handles, _believed_until = False, 0.0

    def handlings(self, conversation_ids: Sequence[str]) -> dict[str, Handling]:
        if not conversation_ids:
            return {}
        with self._db.read() as db:
            return _of(db, conversation_ids)

    def change_handling(self, conversation_id: str, change: Callable[[Handling], Handling]) -> Handling:
        with self._db.write() as db:
            there = _of(db, [conversation_id])[conversation_id]
            wanted = change(there)
            if wanted == there:
                return there
            kept = replace(wanted, version=there.version + 1)
            db.execute(PUT, (conversation_id, kept.version, as_json(kept)))
            _move(db, there, kept)
            NOTE(db, [msgspec.structs.astuple(each) for each in kept.due])
        self._handles = True
        return kept

    def handles_any(self) -> bool:
        now = time.monotonic()
        if not self._handles and now >= self._believed_until:
            with self._db.read() as db:
                self._handles = db.execute(ANY).fetchone() is not None
            self._believed_until = now + LOOK_AFTER_MS / 2000
        return self._handles

    def due_handlings(self, now: int, limit: int) -> list[Due]:
        with self._db.read() as db:
            return [Due(*row) for row in db.execute(DUE, (now, limit)).fetchall()]

    def settle_due(self, done: Sequence[Due]) -> None:
        if done:
            with self._db.write() as db:
                db.executemany(SETTLE, [msgspec.structs.astuple(each) for each in done])


def be_listed(db: sqlite3.Connection, active: Sequence[tuple[str, int]]) -> None:
    """These (conversation, slot) were active: the lists that they are in show it."""
    kept = _of(db, [name for name, _ in active])
    BE_ACTIVE(db, [(each, name, slot) for name, slot in active for each in sorted(kept[name].lists)])


def _of(db: sqlite3.Connection, conversation_ids: Sequence[str]) -> dict[str, Handling]:
    rows = HANDLING(db, [(each,) for each in conversation_ids])
    return untouched(conversation_ids) | {name: _handling(body) for (name,), (body,) in rows}


def _move(db: sqlite3.Connection, there: Handling, kept: Handling) -> None:
    name = kept.conversation_id
    row = db.execute(SLOT, (everybody(name), name)).fetchone()
    slot = row[0] if row else kept.changed_at // SLOT_MS
    db.executemany(LEAVE, [(each, name) for each in sorted(there.lists - kept.lists)])
    BE_ACTIVE(db, [(each, name, slot) for each in sorted(kept.lists)])
