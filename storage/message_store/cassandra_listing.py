"""A reader's conversations page by page, in Cassandra.

Rows of lists that follow from a handling are written at its version, so that the newest one decides whoever writes last.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

from chat4all.model.handling import LISTS, Handling
from chat4all.model.workspaces import BETWEEN, everybody
from chat4all.ports.listing import EVERYBODY, Listing
from storage.message_store.cassandra_rows import Lookup
from storage.message_store.cassandra_session import Call, Put, Session

SHARDS = 8
OF_USER = "SELECT conversation_id FROM conversations_of_user WHERE user_id = ? AND conversation_id > ? LIMIT ?"
# The first page of the whole ring: a token is never less than this.
OF_ALL = "SELECT conversation_id FROM conversations WHERE token(conversation_id) >= -9223372036854775808 LIMIT ?"
OF_ALL_AFTER = "SELECT conversation_id FROM conversations WHERE token(conversation_id) > token(?) LIMIT ?"

SLOTS = Lookup("slot", "activity_slots", "reader", "conversation_id")
SET_SLOT = "INSERT INTO activity_slots (reader, conversation_id, slot) VALUES (?, ?, ?) USING TIMESTAMP ?"
BE_ACTIVE = "INSERT INTO activity (reader, slot, conversation_id) VALUES (?, ?, ?)"
ENTER = "INSERT INTO activity (reader, slot, conversation_id) VALUES (?, ?, ?) USING TIMESTAMP ?"
LEAVE = "DELETE FROM activity WHERE reader = ? AND slot = ? AND conversation_id = ?"
ACTIVE = "SELECT slot, conversation_id FROM activity WHERE reader = ? AND slot <= ? LIMIT ?"
OF_SLOT = "SELECT slot, conversation_id FROM activity WHERE reader = ? AND slot = ?"


class CassandraListing(Listing):
    """The part of the store that lists conversations. Those of everybody come by their hash."""

    _db: Session

    def conversation_page(self, reader: str, after: str, limit: int) -> list[str]:
        if reader != EVERYBODY:
            rows = self._db.rows(OF_USER, reader, after, limit)
        else:
            rows = self._db.rows(OF_ALL_AFTER, after, limit) if after else self._db.rows(OF_ALL, limit)
        return [conversation_id for (conversation_id,) in rows]

    def active(self, reader: str, up_to: int, limit: int) -> list[tuple[int, str]]:
        is_list = reader == EVERYBODY or reader.startswith(LISTS) or reader.endswith(BETWEEN)
        readers = [f"{reader}*{shard}" for shard in range(SHARDS)] if is_list else [reader]
        calls: list[Call] = [(ACTIVE, (each, up_to, limit)) for each in readers]
        found = {(each, *row) for each, rows in zip(readers, self._db.all(calls), strict=True) for row in rows}
        slots = sorted((slot for _, slot, _ in found), reverse=True)
        if len(slots) >= limit:
            # No shard was read less far down than the slot of the row that makes the page full: it is read whole.
            lowest = slots[limit - 1]
            whole = self._db.all([(OF_SLOT, (each, lowest)) for each in readers])
            found = {row for row in found if row[1] >= lowest}
            found |= {(each, *row) for each, rows in zip(readers, whole, strict=True) for row in rows}
        newest = {key: slot for key, (slot,) in SLOTS(self._db, [(each, name) for each, _, name in found])}
        kept = [(slot, name) for each, slot, name in found if newest.get((each, name)) == slot]
        return sorted(kept, key=lambda row: (-row[0], row[1]))

    @abstractmethod
    def handlings(self, conversation_ids: Sequence[str]) -> dict[str, Handling]:
        """As `Handlings` says it."""

    def be_active(self, active: Mapping[tuple[str, int], Iterable[str]]) -> None:
        """Conversations were active in these slots, for these readers, for who reads everything, and in their lists."""
        handled = self.handlings(list({name for name, _ in active}))
        wanted = {
            (reader, name, slot): None
            for (name, slot), users in active.items()
            for reader in (*users, sharded(everybody(name), name))
        } | {(sharded(each, name), name, slot): handled[name].version for name, slot in active for each in handled[name].lists}
        there = {key: slot for key, (slot,) in SLOTS(self._db, [(reader, name) for reader, name, _ in wanted])}
        risen = {row: version for row, version in wanted.items() if there.get(row[:2], -1) < row[2]}
        self._db.put(put for row, version in risen.items() for put in raised(*row, version))
        self._db.put(_left(reader, there[reader, name], name) for reader, name, _ in risen if (reader, name) in there)


def raised(reader: str, name: str, slot: int, version: int | None = None) -> Sequence[Put]:
    """A conversation is at this slot of a reader's; in a list, as its handling of this version says."""
    row = (reader, slot, name)
    enter = (BE_ACTIVE, row) if version is None else (ENTER, (*row, version + 1))
    return (("activity", reader), *enter), (("activity_slots", reader), SET_SLOT, (reader, name, slot, slot + 1))


def sharded(list_name: str, conversation_id: str) -> str:
    """In which part of a list, or of everybody's, a conversation is."""
    return f"{list_name}*{crc32(conversation_id.encode()) % SHARDS}"


def _left(reader: str, slot: int, name: str) -> Put:
    return ("activity", reader), LEAVE, (reader, slot, name)
