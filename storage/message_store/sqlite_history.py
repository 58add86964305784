"""Messages, where their ids are, and how far members have come, in SQLite."""

from collections.abc import Sequence

import msgspec

from chat4all.deliveries import Watermark
from chat4all.messages import Message
from chat4all.ports.message_store import History, Registration
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, found

REGISTER = """
INSERT INTO message_ids (conversation_id, message_id, seq, digest) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET seq = excluded.seq, digest = excluded.digest WHERE excluded.seq < seq
"""
REGISTERED = "SELECT seq, digest FROM message_ids WHERE conversation_id = ? AND message_id = ?"
PLACES = "SELECT conversation_id, message_id, seq, digest FROM message_ids WHERE message_id = ? ORDER BY conversation_id"

PUT = "INSERT INTO messages VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
MESSAGE = "SELECT body FROM messages WHERE conversation_id = ? AND seq = ?"
FIRST_AFTER = "SELECT body FROM messages WHERE conversation_id = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
LAST_BEFORE = "SELECT body FROM messages WHERE conversation_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
LAST_SEQ = "SELECT seq FROM messages WHERE conversation_id = ? ORDER BY seq DESC LIMIT 1"
END = 2**63 - 1

# A position's time goes with it; of equal positions the earlier time that is known.
RAISE = """
INSERT INTO watermarks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
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
"""
WATERMARKS = "SELECT * FROM watermarks WHERE conversation_id = ? ORDER BY user_id"

_message = msgspec.json.Decoder(Message).decode


class SQLiteHistory(History):
    """The history's part of the store."""

    _db: Connections

    def register(self, registrations: Sequence[Registration]) -> None:
        with self._db.write() as db:
            db.executemany(REGISTER, [(each.conversation_id, each.message_id, each.seq, each.digest) for each in registrations])

    def registered(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Registration]:
        with self._db.read() as db:
            return {key: Registration(*key, *row) for key, row in found(db, REGISTERED, ids).items()}

    def places_of(self, message_id: str) -> list[Registration]:
        with self._db.read() as db:
            return [Registration(*row) for row in db.execute(PLACES, (message_id,))]

    def put_messages(self, messages: Sequence[Message]) -> None:
        rows = [(each.conversation_id, each.seq, as_json(each)) for each in messages]
        with self._db.write() as db:
            db.executemany(PUT, rows)

    def messages(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Message]:
        with self._db.read() as db:
            return {place: _message(row[0]) for place, row in found(db, MESSAGE, places).items()}

    def page(self, conversation_id: str, after: int | None, before: int | None, limit: int) -> list[Message]:
        end = END if before is None else before
        with self._db.read() as db:
            if after is not None:
                rows = db.execute(FIRST_AFTER, (conversation_id, after, end, limit)).fetchall()
            else:
                rows = db.execute(LAST_BEFORE, (conversation_id, end, limit)).fetchall()[::-1]
        return [_message(body) for (body,) in rows]

    def last_seqs(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        with self._db.read() as db:
            kept = found(db, LAST_SEQ, [(conversation_id,) for conversation_id in conversation_ids])
        return {conversation_id: row[0] for (conversation_id,), row in kept.items()}

    def raise_watermarks(self, watermarks: Sequence[Watermark]) -> None:
        with self._db.write() as db:
            db.executemany(RAISE, [msgspec.structs.astuple(each) for each in watermarks])

    def watermarks(self, conversation_ids: Sequence[str]) -> dict[str, list[Watermark]]:
        with self._db.read() as db:
            rows = {each: db.execute(WATERMARKS, (each,)).fetchall() for each in conversation_ids}
        return {each: [Watermark(*row) for row in kept] for each, kept in rows.items()}
