"""A reader's conversations page by page, in SQLite."""

import sqlite3
from collections.abc import Iterable

from chat4all.model.conversations import Membership
from chat4all.model.workspaces import everybody
from chat4all.ports.listing import EVERYBODY, SLOT_MS, Listing
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Write, fetched

OF_USER = """
SELECT conversation_id FROM conversations_of_user WHERE user_id = ? AND conversation_id > ? ORDER BY conversation_id LIMIT ?
"""
OF_ALL = "SELECT conversation_id FROM conversations WHERE conversation_id > ? ORDER BY conversation_id LIMIT ?"
BE_ACTIVE = Write(
    "INSERT INTO activity VALUES {rows} ON CONFLICT DO UPDATE SET slot = excluded.slot WHERE excluded.slot > slot", 3
)
ACTIVE = """
SELECT slot, conversation_id FROM activity WHERE reader = ?1 AND slot <= ?2 AND slot >= coalesce(
    (SELECT slot FROM activity WHERE reader = ?1 AND slot <= ?2 ORDER BY slot DESC LIMIT 1 OFFSET ?3), -1
) ORDER BY slot DESC, conversation_id
"""


class SQLiteListing(Listing):
    """The part of the store that lists conversations."""

    _db: Connections

    def conversation_page(self, reader: str, after: str, limit: int) -> list[str]:
        query, values = (OF_ALL, (after, limit)) if reader == EVERYBODY else (OF_USER, (reader, after, limit))
        with self._db.read() as db:
            return [row[0] for row in fetched(db, "conversation_id", query, values)]

    def active(self, reader: str, up_to: int, limit: int) -> list[tuple[int, str]]:
        with self._db.read() as db:
            rows = fetched(db, "slot, conversation_id", ACTIVE, (reader, up_to, limit - 1))
        return [(slot, conversation_id) for slot, conversation_id in rows]


def be_active(db: sqlite3.Connection, membership: Membership, readers: Iterable[str], at_ms: int) -> None:
    """The conversation was active at this time, for these readers and for who reads everything."""
    name = membership.conversation.conversation_id
    BE_ACTIVE(db, [(reader, name, at_ms // SLOT_MS) for reader in (*readers, everybody(name))])
