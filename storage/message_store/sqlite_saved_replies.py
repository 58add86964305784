"""Saved replies in SQLite."""

import sqlite3

import msgspec

from chat4all.model.saved_replies import SavedReply
from chat4all.ports.saved_replies import SavedReplies
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, fetched

PUT = "INSERT INTO saved_replies VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
REMOVE = "DELETE FROM saved_replies WHERE reply_id = ?"
FIRST = "INSERT INTO saved_reply_changes VALUES (1, 0) ON CONFLICT DO NOTHING"
CHANGED = "UPDATE saved_reply_changes SET number = number + 1 WHERE one = 1 AND number = ?"
CHANGES = "SELECT number FROM saved_reply_changes WHERE one = 1"
# By its key: there are few.
ALL = "SELECT body FROM saved_replies WHERE reply_id > ''"

_reply = msgspec.json.Decoder(SavedReply).decode


class SQLiteSavedReplies(SavedReplies):
    """The part of the store that knows saved replies."""

    _db: Connections

    def saved_replies(self) -> list[SavedReply]:
        with self._db.read() as db:
            return [_reply(body) for (body,) in fetched(db, "body", ALL)]

    def put_saved_reply(self, reply: SavedReply, seen: int) -> bool:
        with self._db.write() as db:
            if _raised(db, seen):
                db.execute(PUT, (reply.reply_id, as_json(reply)))
                return True
        return False

    def remove_saved_reply(self, reply_id: str, seen: int) -> bool:
        with self._db.write() as db:
            if _raised(db, seen):
                db.execute(REMOVE, (reply_id,))
                return True
        return False

    def saved_replies_changed(self) -> int:
        with self._db.read() as db:
            row = db.execute(CHANGES).fetchone()
        return int(row[0]) if row else 0


def _raised(db: sqlite3.Connection, seen: int) -> bool:
    db.execute(FIRST)
    return db.execute(CHANGED, (seen,)).rowcount == 1
