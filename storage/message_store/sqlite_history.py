"""Messages, the places of their ids, and how far members have come, in SQLite."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Membership
from chat4all.model.deliveries import Watermark
from chat4all.model.messages import Message
from chat4all.model.workspaces import everybody
from chat4all.ports.changes import moved
from chat4all.ports.history import History, Registration, Span
from chat4all.ports.listing import SLOT_MS
from storage.message_store import sqlite_changes
from storage.message_store.known import Known
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_handling import be_listed
from storage.message_store.sqlite_listing import BE_ACTIVE
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

REGISTER = Write(
    "INSERT INTO message_ids (conversation_id, message_id, seq, digest, at) VALUES {rows} "
    "ON CONFLICT DO UPDATE SET seq = excluded.seq, digest = excluded.digest WHERE excluded.seq < seq",
    5,
)
REGISTERED = Lookup(
    "seq, digest", "CROSS JOIN message_ids USING (conversation_id, message_id)", "conversation_id", "message_id"
)
PLACES = "SELECT conversation_id, seq, digest FROM message_ids WHERE message_id = ? ORDER BY conversation_id"

PUT = Write("INSERT INTO messages (conversation_id, seq, body) VALUES {rows} ON CONFLICT DO NOTHING", 3)
MESSAGE = Lookup("body", "CROSS JOIN messages USING (conversation_id, seq)", "conversation_id", "seq")
FIRST_AFTER = "SELECT body FROM messages WHERE conversation_id = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
LAST_BEFORE = "SELECT body FROM messages WHERE conversation_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
LAST_SEQ = Lookup("(SELECT max(seq) FROM messages AS m WHERE m.conversation_id = asked.conversation_id)", "", "conversation_id")
END = 2**63 - 1

# A position's time goes with it; of equal positions the earlier time that is known.
RAISE = Write(
    """
INSERT INTO watermarks VALUES {rows} ON CONFLICT DO UPDATE SET
    delivered_at = CASE
        WHEN excluded.delivered_up_to > delivered_up_to THEN excluded.delivered_at
        WHEN excluded.delivered_up_to < delivered_up_to THEN delivered_at
        ELSE coalesce(min(nullif(delivered_at, 0), nullif(excluded.delivered_at, 0)), max(delivered_at, excluded.delivered_at))
    END,
    delivered_up_to = max(delivered_up_to, excluded.delivered_up_to),
    read_at = CASE
        WHEN excluded.read_up_to > read_up_to THEN excluded.read_at
        WHEN excluded.read_up_to < read_up_to THEN read_at
        ELSE coalesce(min(nullif(read_at, 0), nullif(excluded.read_at, 0)), max(read_at, excluded.read_at))
    END,
    read_up_to = max(read_up_to, excluded.read_up_to)
""",
    6,
)
WATERMARKS = Lookup(
    "user_id, delivered_up_to, delivered_at, read_up_to, read_at",
    "CROSS JOIN watermarks USING (conversation_id)",
    "conversation_id",
)
READ_UP_TO = Lookup("read_up_to", "CROSS JOIN watermarks USING (conversation_id, user_id)", "conversation_id", "user_id")

_message = msgspec.json.Decoder(Message).decode


class SQLiteHistory(History):
    """The history's part of the store."""

    _db: Connections
    _active: Known

    @abstractmethod
    def memberships(self, conversation_ids: Sequence[str], of: str = "") -> dict[str, Membership]:
        """As the directory says it."""

    def register(self, registrations: Sequence[Registration]) -> None:
        now = now_ms()
        rows = [(each.conversation_id, each.message_id, each.seq, each.digest, now) for each in registrations]
        self._db.put((REGISTER, rows), syncs=False)

    def registered(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Registration]:
        with self._db.read() as db:
            return {key: Registration(*key, *row) for key, row in REGISTERED(db, ids)}

    def places_of(self, message_id: str) -> list[Registration]:
        with self._db.read() as db:
            rows = fetched(db, "conversation_id, seq, digest", PLACES, (message_id,))
        return [Registration(conversation_id, message_id, *row) for conversation_id, *row in rows]

    def put_messages(self, messages: Sequence[Message]) -> None:
        rows = [(each.conversation_id, each.seq, as_json(each)) for each in messages]
        slots = self._active.missing((each.conversation_id, each.accepted_at // SLOT_MS) for each in messages)
        readers = self.memberships(list({name for name, _ in slots})) if slots else {}
        active = [
            (user, name, slot) for name, slot in slots if name in readers for user in (*readers[name].now(), everybody(name))
        ]
        listed = [each for each in slots if each[0] in readers]
        self._db.put((PUT, rows), (BE_ACTIVE, active), (be_listed, listed), syncs=False)
        self._active.add(slots)

    def messages(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Message]:
        with self._db.read() as db:
            return {place: _message(body) for place, (body,) in MESSAGE(db, places)}

    def page(self, conversation_id: str, after: int | None, before: int | None, limit: int) -> list[Message]:
        end = END if before is None else before
        with self._db.read() as db:
            if after is not None:
                rows = fetched(db, "body", FIRST_AFTER, (conversation_id, after, end, limit))
            else:
                rows = fetched(db, "body", LAST_BEFORE, (conversation_id, end, limit))[::-1]
        return [_message(body) for (body,) in rows]

    def pages(self, spans: Sequence[Span]) -> list[list[Message]]:
        kinds: dict[tuple[int, bool], dict[tuple[str, int, int], list[Message]]] = {}
        for each in spans:
            kinds.setdefault((each.limit, each.after is None), {})[_bounds(each)] = []
        with self._db.read() as db:
            for kind, pages in kinds.items():
                for key, (body,) in _pages_of(*kind)(db, list(pages)):
                    pages[key].append(_message(body))
        found = [kinds[each.limit, each.after is None][_bounds(each)] for each in spans]
        return [sorted(page, key=lambda message: message.seq) for page in found]

    def last_seqs(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        with self._db.read() as db:
            kept = LAST_SEQ(db, [(conversation_id,) for conversation_id in conversation_ids])
        return {conversation_id: seq for (conversation_id,), (seq,) in kept if seq is not None}

    def raise_watermarks(self, watermarks: Sequence[Watermark]) -> None:
        noted = sqlite_changes.rows(moved(watermarks))
        self._db.put((RAISE, [msgspec.structs.astuple(each) for each in watermarks]), (sqlite_changes.NOTE, noted))

    def watermarks(self, conversation_ids: Sequence[str]) -> dict[str, list[Watermark]]:
        with self._db.read() as db:
            rows = WATERMARKS(db, [(conversation_id,) for conversation_id in conversation_ids])
        kept: dict[str, list[Watermark]] = {conversation_id: [] for conversation_id in conversation_ids}
        for (conversation_id,), row in sorted(rows):
            kept[conversation_id].append(Watermark(conversation_id, *row))
        return kept

    def read_up_to(self, user_id: str, conversation_ids: Sequence[str]) -> dict[str, int]:
        with self._db.read() as db:
            rows = READ_UP_TO(db, [(conversation_id, user_id) for conversation_id in conversation_ids])
        return {conversation_id: seq for (conversation_id, _), (seq,) in rows if seq}


def _bounds(span: Span) -> tuple[str, int, int]:
    return span.conversation_id, -1 if span.after is None else span.after, span.before


@lru_cache(maxsize=64)
def _pages_of(limit: int, newest: bool) -> Lookup:
    """SQLite knows no limit that differs from row to row."""
    of_span = "s.conversation_id = asked.conversation_id AND s.seq > asked.after AND s.seq < asked.before"
    order = f"ORDER BY s.seq {'DESC' if newest else 'ASC'} LIMIT {limit}"
    within = f"SELECT s.seq FROM messages AS s WHERE {of_span} {order}"  # noqa: S608
    joined = f"CROSS JOIN messages AS m ON m.conversation_id = asked.conversation_id AND m.seq IN ({within})"
    return Lookup("m.body", joined, "conversation_id", "after", "before")
