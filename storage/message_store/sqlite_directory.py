"""Users, addresses, conversations and links in SQLite. First writer wins: INSERT, and read what is kept."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from chat4all.conversations import Conversation, Identity, Member, Membership, User, Verification
from chat4all.ports.message_store import Directory
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, found

ADD_USER = "INSERT INTO users VALUES (?, ?) ON CONFLICT DO NOTHING"
USER = "SELECT body FROM users WHERE user_id = ?"

CLAIM = """
INSERT INTO identities VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET since = excluded.since, verified = 1, last_wrote_at = max(last_wrote_at, excluded.last_wrote_at)
WHERE excluded.verified AND NOT verified AND user_id = excluded.user_id
"""
IDENTITY = "SELECT channel, address, user_id, since, verified, last_wrote_at FROM identities "
OWNER = IDENTITY + "WHERE channel = ? AND address = ?"
IDENTITIES = IDENTITY + "WHERE user_id = ? ORDER BY channel, since, address"
RELEASE = "DELETE FROM identities WHERE channel = ? AND address = ? AND user_id = ?"
WROTE = "UPDATE identities SET last_wrote_at = max(last_wrote_at, ?) WHERE channel = ? AND address = ?"

PUT_VERIFICATION = "INSERT OR REPLACE INTO verifications VALUES (?, ?, ?, ?, ?, ?)"
VERIFICATION = "SELECT * FROM verifications WHERE user_id = ? AND channel = ? AND address = ?"

FOUND = "INSERT INTO conversations VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
CONVERSATION = "SELECT version, body, members FROM conversations WHERE conversation_id = ?"
CHANGE = "UPDATE conversations SET version = ?, members = ? WHERE conversation_id = ? AND version = ?"
TAKE_PART = "INSERT INTO conversations_of_user VALUES (?, ?) ON CONFLICT DO NOTHING"
CONVERSATIONS_OF = "SELECT conversation_id FROM conversations_of_user WHERE user_id = ? ORDER BY conversation_id"

LINK = "INSERT OR REPLACE INTO links VALUES (?, ?, ?)"
UNLINK = "DELETE FROM links WHERE channel = ? AND address = ?"
LINKED = "SELECT conversation_id FROM links WHERE channel = ? AND address = ?"

INBOUND = "INSERT INTO inbound VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
INBOUND_TO = "SELECT conversation_id FROM inbound WHERE channel = ? AND account = ? AND provider_id = ?"
LAST_CONVERSATION = "SELECT conversation_id FROM last_conversations WHERE channel = ? AND address = ?"

_user = msgspec.json.Decoder(User).decode
_conversation = msgspec.json.Decoder(Conversation).decode
_members = msgspec.json.Decoder(tuple[Member, ...]).decode


class SQLiteDirectory(Directory):
    """The directory's part of the store."""

    _db: Connections

    def add_users(self, users: Sequence[User]) -> list[User]:
        with self._db.write() as db:
            db.executemany(ADD_USER, [(user.user_id, as_json(user)) for user in users])
            kept = found(db, USER, [(user.user_id,) for user in users])
        return [_user(kept[user.user_id,][0]) for user in users]

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        with self._db.read() as db:
            kept = found(db, USER, [(user_id,) for user_id in user_ids])
        return {user_id: _user(row[0]) for (user_id,), row in kept.items()}

    def claim_addresses(self, identities: Sequence[Identity]) -> list[Identity]:
        keys = [(each.channel, each.address) for each in identities]
        with self._db.write() as db:
            db.executemany(CLAIM, [msgspec.structs.astuple(each) for each in identities])
            kept = found(db, OWNER, keys)
        return [_identity(kept[key]) for key in keys]

    def release_address(self, channel: str, address: str, user_id: str) -> bool:
        with self._db.write() as db:
            return db.execute(RELEASE, (channel, address, user_id)).rowcount == 1

    def owners(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        with self._db.read() as db:
            return {key: _identity(row) for key, row in found(db, OWNER, addresses).items()}

    def identities(self, user_ids: Sequence[str]) -> dict[str, list[Identity]]:
        with self._db.read() as db:
            rows = {user_id: db.execute(IDENTITIES, (user_id,)).fetchall() for user_id in user_ids}
        return {user_id: [_identity(row) for row in owned] for user_id, owned in rows.items()}

    def note_wrote(self, wrote: Mapping[tuple[str, str], int]) -> None:
        with self._db.write() as db:
            db.executemany(WROTE, [(at, *address) for address, at in wrote.items()])

    def put_verification(self, verification: Verification) -> None:
        with self._db.write() as db:
            db.execute(PUT_VERIFICATION, msgspec.structs.astuple(verification))

    def verification(self, user_id: str, channel: str, address: str) -> Verification | None:
        with self._db.read() as db:
            row = db.execute(VERIFICATION, (user_id, channel, address)).fetchone()
        return Verification(*row) if row else None

    def add_conversations(self, founded: Sequence[tuple[Conversation, Sequence[str]]]) -> list[Membership]:
        fresh = [Membership.founded(conversation, user_ids) for conversation, user_ids in founded]
        kept = []
        with self._db.write() as db:
            for each in fresh:
                key = each.conversation.conversation_id
                row = (key, each.version, as_json(each.conversation), as_json(each.members))
                if db.execute(FOUND, row).rowcount == 1:
                    db.executemany(TAKE_PART, [(user_id, key) for user_id in each.now()])
                kept.append(_membership(db.execute(CONVERSATION, (key,)).fetchone()))
        return kept

    def memberships(self, conversation_ids: Sequence[str]) -> dict[str, Membership]:
        with self._db.read() as db:
            kept = found(db, CONVERSATION, [(conversation_id,) for conversation_id in conversation_ids])
        return {conversation_id: _membership(row) for (conversation_id,), row in kept.items()}

    def change_members(
        self, conversation_id: str, version: int, joined: Sequence[str], left: Sequence[str]
    ) -> Membership | None:
        with self._db.write() as db:
            row = db.execute(CONVERSATION, (conversation_id,)).fetchone()
            if row is None or row[0] != version:
                return None
            changed = _membership(row).changed(joined, left)
            db.execute(CHANGE, (changed.version, as_json(changed.members), conversation_id, version))
            db.executemany(TAKE_PART, [(user_id, conversation_id) for user_id in joined])
        return changed

    def conversations_of(self, user_id: str) -> list[str]:
        with self._db.read() as db:
            return [row[0] for row in db.execute(CONVERSATIONS_OF, (user_id,))]

    def put_link(self, channel: str, address: str, conversation_id: str | None) -> None:
        with self._db.write() as db:
            if conversation_id is None:
                db.execute(UNLINK, (channel, address))
            else:
                db.execute(LINK, (channel, address, conversation_id))

    def links(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        with self._db.read() as db:
            return {key: row[0] for key, row in found(db, LINKED, addresses).items()}

    def register_inbound(self, inbound: Sequence[tuple[str, str, str, str]]) -> list[str]:
        now_ms = int(time.time() * 1000)
        keys = [each[:3] for each in inbound]
        with self._db.write() as db:
            db.executemany(INBOUND, [(*each, now_ms) for each in inbound])
            kept = found(db, INBOUND_TO, keys)
        return [kept[key][0] for key in keys]

    def last_conversations(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        with self._db.read() as db:
            return {key: row[0] for key, row in found(db, LAST_CONVERSATION, addresses).items()}


def _identity(row: tuple[str, str, str, int, int, int]) -> Identity:
    channel, address, user_id, since, verified, last_wrote_at = row
    return Identity(channel, address, user_id, since, bool(verified), last_wrote_at)


def _membership(row: tuple[int, str, str]) -> Membership:
    version, body, members = row
    return Membership(_conversation(body), version, _members(members))
