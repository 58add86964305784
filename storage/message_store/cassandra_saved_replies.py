"""Saved replies in Cassandra: few, and asked for all at once: one partition, changed by compare-and-set only."""

import msgspec

from chat4all.model.saved_replies import SavedReply
from chat4all.ports.saved_replies import SavedReplies
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Session

SCOPE = "all"

SWAP = "UPDATE saved_replies SET changed = ?, body = ? WHERE scope = ? AND reply_id = ? IF changed = ?"
CHANGED = "SELECT changed FROM saved_replies WHERE scope = ? LIMIT 1"
ALL = "SELECT body FROM saved_replies WHERE scope = ?"

_reply = msgspec.json.Decoder(SavedReply).decode


class CassandraSavedReplies(SavedReplies):
    """The part of the store that knows saved replies. A row without a body is one that was removed."""

    _db: Session

    def saved_replies(self) -> list[SavedReply]:
        return [_reply(body) for (body,) in self._db.rows(ALL, SCOPE) if body]

    def put_saved_reply(self, reply: SavedReply, seen: int) -> bool:
        return self._swap(reply.reply_id, as_json(reply), seen)

    def remove_saved_reply(self, reply_id: str, seen: int) -> bool:
        return self._swap(reply_id, None, seen)

    def saved_replies_changed(self) -> int:
        rows = self._db.rows(CHANGED, SCOPE)
        return int(rows[0][0] or 0) if rows else 0

    def _swap(self, reply_id: str, body: str | None, seen: int) -> bool:
        return bool(self._db.decide([(SWAP, (seen + 1, body, SCOPE, reply_id, seen or None))])[0][0])
