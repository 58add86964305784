"""How conversations are handled, in Cassandra.

Rows of lists are written at the version of the handling that they follow from, so that the newest one decides whoever writes
last. They are there before the change is, and those that it ends go after it: a list may hold one too many, never one too few.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS
from chat4all.model.handling import LOOK_AFTER_MS, SNOOZED_DAYS_MOST, Due, Handling, untouched
from chat4all.model.workspaces import everybody
from chat4all.ports.handling import Handlings
from chat4all.ports.listing import SLOT_MS
from storage.message_store.cassandra_listing import SLOTS, raised, sharded
from storage.message_store.cassandra_rows import Register
from storage.message_store.cassandra_session import Call, Put, Session

HANDLINGS = Register("handlings", "conversation_id")
# A row of no conversation, written before the first one is handled: whether any is can be asked without looking through all.
ANY = "SELECT conversation_id FROM handlings WHERE conversation_id = ?"
MARK = "INSERT INTO handlings (conversation_id) VALUES (?)"
MARKED = "*"
LEAVE = "DELETE FROM activity USING TIMESTAMP ? WHERE reader = ? AND slot = ? AND conversation_id = ?"
NOTE = "INSERT INTO handling_due (day, at, conversation_id, kind, version) VALUES (?, ?, ?, ?, ?)"
DUE = "SELECT at, conversation_id, kind, version FROM handling_due WHERE day = ? AND at >= ? AND at <= ? LIMIT ?"
SETTLE = "DELETE FROM handling_due WHERE day = ? AND at = ? AND conversation_id = ? AND kind = ? AND version = ?"
# What is settled leaves tombstones, so a process reads on from where nothing waits. Somebody may note something this late;
# what comes later still is found by a look at everything.
LATE_MS = 600_000
FULL_LOOK_MS = 3_600_000

_handling = msgspec.json.Decoder(Handling).decode
Key = tuple[str, ...]


class CassandraHandlings(Handlings):
    """The part of the store that knows how conversations are handled."""

    _db: Session
    _handles, _believed_until = False, 0.0
    # Nothing waits that is due before this; when all that may wait was looked at last (ms UTC).
    _since, _full_look_at = 0, 0

    def handlings(self, conversation_ids: Sequence[str]) -> dict[str, Handling]:
        kept = HANDLINGS.read(self._db, [(each,) for each in conversation_ids])
        return untouched(conversation_ids) | {name: _handling(body) for (name,), body in kept.items()}

    def change_handling(self, conversation_id: str, change: Callable[[Handling], Handling]) -> Handling:
        def read(body: str | None) -> Handling:
            return _handling(body) if body else Handling(conversation_id)

        def changed(before: Handling) -> Handling:
            wanted = change(before)
            if wanted == before:
                return before
            kept = replace(wanted, version=before.version + 1)
            mark: list[Put] = [] if self._handles else [(("handlings", MARKED), MARK, (MARKED,))]
            self._db.put([*mark, *map(_note, kept.due), *self._entered(kept)])
            return kept

        before, kept, ours = HANDLINGS.change(self._db, (conversation_id,), read, changed)
        if ours:
            self._handles = True
            self._leave(before, kept)
        return kept

    def handles_any(self) -> bool:
        now = time.monotonic()
        if not self._handles and now >= self._believed_until:
            self._handles = bool(self._db.rows(ANY, MARKED))
            self._believed_until = now + LOOK_AFTER_MS / 2000
        return self._handles

    def due_handlings(self, now: int, limit: int) -> list[Due]:
        if self._full_look_at <= now - FULL_LOOK_MS:
            self._full_look_at, self._since = now, now - (SNOOZED_DAYS_MOST + 1) * DAY_MS
        days = range(self._since // DAY_MS, now // DAY_MS + 1)
        calls: list[Call] = [(DUE, (day, self._since, now, limit)) for day in days]
        found = sorted(Due(*row) for rows in self._db.all(calls) for row in rows)
        self._since = min([now - LATE_MS, *(each.at for each in found)])
        return found[:limit]

    def settle_due(self, done: Sequence[Due]) -> None:
        self._db.put((("handling_due", each.day), SETTLE, (each.day, *msgspec.structs.astuple(each))) for each in done)

    def _entered(self, kept: Handling) -> list[Put]:
        name = kept.conversation_id
        lists = [sharded(each, name) for each in sorted(kept.lists)]
        known = SLOTS(self._db, [(each, name) for each in (sharded(everybody(name), name), *lists)])
        slot = max((slot for _, (slot,) in known), default=kept.changed_at // SLOT_MS)
        return [put for each in lists for put in raised(each, name, slot, kept.version)]

    def _leave(self, before: Handling, kept: Handling) -> None:
        name = kept.conversation_id
        known = SLOTS(self._db, [(sharded(each, name), name) for each in sorted(before.lists - kept.lists)])
        self._db.put((("activity", each), LEAVE, (kept.version + 1, each, slot, name)) for (each, _), (slot,) in known)


def _note(due: Due) -> Put:
    return ("handling_due", due.day), NOTE, (due.day, *msgspec.structs.astuple(due))
