"""Users, addresses, conversations and links in SQLite. First writer wins: INSERT, and read what is kept."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.contacts import is_listed
from chat4all.model.conversations import Conversation, Identity, Member, Membership, User, Verification
from chat4all.model.workspaces import further_lists, tag_list
from chat4all.ports.changes import Change
from chat4all.ports.directory import Arrived, Directory, Place
from chat4all.ports.listing import SLOT_MS
from storage.message_store import sqlite_changes
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_contacts import TAG
from storage.message_store.sqlite_handling import be_listed
from storage.message_store.sqlite_listing import be_active
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

ADD_USER = Write("INSERT INTO users VALUES {rows} ON CONFLICT DO NOTHING", 2)
USER = Lookup("body", "CROSS JOIN users USING (user_id)", "user_id")

CLAIM = Write(
    "INSERT INTO identities VALUES {rows} ON CONFLICT DO UPDATE SET "
    "since = excluded.since, verified = 1, last_wrote_at = max(last_wrote_at, excluded.last_wrote_at) "
    "WHERE excluded.verified AND NOT verified AND user_id = excluded.user_id",
    6,
)
OWNER = Lookup(
    "user_id, since, verified, last_wrote_at", "CROSS JOIN identities USING (channel, address)", "channel", "address"
)
IDENTITIES = Lookup("channel, since, address, verified, last_wrote_at", "CROSS JOIN identities USING (user_id)", "user_id")
RELEASE = "DELETE FROM identities WHERE channel = ? AND address = ? AND user_id = ?"
WROTE = Write(
    "WITH new (channel, address, at) AS (VALUES {rows}) "
    "UPDATE identities AS i SET last_wrote_at = max(i.last_wrote_at, new.at) FROM new "
    "WHERE i.channel = new.channel AND i.address = new.address",
    3,
)
NOTE_WINDOWS = Write(
    "INSERT INTO windows VALUES {rows} ON CONFLICT DO UPDATE SET wrote_at = max(wrote_at, excluded.wrote_at)", 4
)
WINDOWS = Lookup("account, wrote_at", "CROSS JOIN windows USING (channel, address)", "channel", "address")

FORWARD = "INSERT OR REPLACE INTO forwards VALUES (?, ?, ?)"
FORWARDED = Lookup("moved_to", "CROSS JOIN forwards USING (channel, address)", "channel", "address")

PUT_VERIFICATION = "INSERT OR REPLACE INTO verifications VALUES (?, ?, ?, ?, ?, ?)"
VERIFICATION = "SELECT * FROM verifications WHERE user_id = ? AND channel = ? AND address = ?"

FOUND = "INSERT INTO conversations VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
CONVERSATION = "SELECT version, body, members FROM conversations WHERE conversation_id = ?"
CONVERSATIONS = Lookup("version, body, members", "CROSS JOIN conversations USING (conversation_id)", "conversation_id")
CHANGE = "UPDATE conversations SET version = ?, members = ? WHERE conversation_id = ? AND version = ?"
TAKE_PART = Write("INSERT INTO conversations_of_user VALUES {rows} ON CONFLICT DO NOTHING", 2)
FOLD = Write("INSERT INTO past_stays VALUES {rows} ON CONFLICT DO NOTHING", 4)
PAST_STAYS = Lookup("joined, until", "CROSS JOIN past_stays USING (user_id, conversation_id)", "user_id", "conversation_id")
CONVERSATIONS_OF = "SELECT conversation_id FROM conversations_of_user WHERE user_id = ? ORDER BY conversation_id"

LINK = "INSERT OR REPLACE INTO links VALUES (?, ?, ?)"
UNLINK = "DELETE FROM links WHERE channel = ? AND address = ?"
LINKED = Lookup("conversation_id", "CROSS JOIN links USING (channel, address)", "channel", "address")

INBOUND = Write("INSERT INTO inbound VALUES {rows} ON CONFLICT DO NOTHING", 5)
INBOUND_TO = Lookup(
    "conversation_id", "CROSS JOIN inbound USING (channel, account, provider_id)", "channel", "account", "provider_id"
)
LAST_CONVERSATION = Lookup("conversation_id", "CROSS JOIN last_conversations USING (channel, address)", "channel", "address")

_user = msgspec.json.Decoder(User).decode
_conversation = msgspec.json.Decoder(Conversation).decode
_members = msgspec.json.Decoder(tuple[Member, ...]).decode


class SQLiteDirectory(Directory):
    """The directory's part of the store."""

    _db: Connections

    def add_users(self, users: Sequence[User]) -> list[User]:
        with self._db.write() as db:
            ADD_USER(db, [(user.user_id, as_json(user)) for user in users])
            TAG(db, [(tag_list(each.user_id, ""), each.user_id) for each in users if is_listed(each)])
            kept = USER(db, [(user.user_id,) for user in users])
        return [_user(body) for _, (body,) in kept]

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        with self._db.read() as db:
            kept = USER(db, [(user_id,) for user_id in user_ids])
        return {user_id: _user(body) for (user_id,), (body,) in kept}

    def claim_addresses(self, identities: Sequence[Identity]) -> list[Identity]:
        keys = [(each.channel, each.address) for each in identities]
        with self._db.write() as db:
            CLAIM(db, [msgspec.structs.astuple(each) for each in identities])
            kept = OWNER(db, keys)
        return [_identity(*key, *row) for key, row in kept]

    def release_address(self, channel: str, address: str, user_id: str) -> bool:
        with self._db.write() as db:
            return db.execute(RELEASE, (channel, address, user_id)).rowcount == 1

    def forward(self, channel: str, address: str, to: str) -> None:
        with self._db.write() as db:
            db.execute(FORWARD, (channel, address, to))

    def forwards(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        with self._db.read() as db:
            return {key: to for key, (to,) in FORWARDED(db, addresses)}

    def owners(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        with self._db.read() as db:
            return {key: _identity(*key, *row) for key, row in OWNER(db, addresses)}

    def identities(self, user_ids: Sequence[str]) -> dict[str, list[Identity]]:
        with self._db.read() as db:
            rows = IDENTITIES(db, [(user_id,) for user_id in user_ids])
        owned: dict[str, list[Identity]] = {user_id: [] for user_id in user_ids}
        for (user_id,), (channel, since, address, *more) in sorted(rows):
            owned[user_id].append(_identity(channel, address, user_id, since, *more))
        return owned

    def note_wrote(self, wrote: Mapping[tuple[str, str], int], to: Mapping[Place, int] | None = None) -> None:
        windows = [(*place, at) for place, at in (to or {}).items()]
        self._db.put((WROTE, [(*address, at) for address, at in wrote.items()]), (NOTE_WINDOWS, windows))

    def last_wrote(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, int]]:
        found: dict[tuple[str, str], dict[str, int]] = {address: {} for address in addresses}
        with self._db.read() as db:
            for address, (account, at) in WINDOWS(db, list(found)):
                found[address][account] = at
        return found

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
                    TAKE_PART(db, [(user_id, key) for user_id in (*each.now(), *further_lists(key))])
                    _note(db, each)
                    be_active(db, each, each.now(), each.conversation.created_at)
                    be_listed(db, [(key, each.conversation.created_at // SLOT_MS)])
                kept.append(_membership(db.execute(CONVERSATION, (key,)).fetchone()))
        return kept

    def memberships(self, conversation_ids: Sequence[str], of: str = "") -> dict[str, Membership]:
        with self._db.read() as db:
            kept = CONVERSATIONS(db, [(conversation_id,) for conversation_id in conversation_ids])
            earlier = PAST_STAYS(db, [(of, conversation_id) for conversation_id in conversation_ids]) if of else []
        found = {conversation_id: _membership(row) for (conversation_id,), row in kept}
        for (user_id, conversation_id), stay in earlier:
            found[conversation_id] = found[conversation_id].with_stays([Member(user_id, *stay)])
        return found

    def change_members(
        self, conversation_id: str, version: int, joined: Sequence[str], left: Sequence[str]
    ) -> Membership | None:
        with self._db.write() as db:
            row = db.execute(CONVERSATION, (conversation_id,)).fetchone()
            if row is None or row[0] != version:
                return None
            changed, over = _membership(row).changed(joined, left).folded()
            FOLD(db, [(each.user_id, conversation_id, each.joined, each.left) for each in over])
            db.execute(CHANGE, (changed.version, as_json(changed.members), conversation_id, version))
            TAKE_PART(db, [(user_id, conversation_id) for user_id in joined])
            _note(db, changed)
            now = now_ms()
            be_active(db, changed, joined, now)
            be_listed(db, [(conversation_id, now // SLOT_MS)])
        return changed

    def conversations_of(self, user_id: str) -> list[str]:
        with self._db.read() as db:
            return [row[0] for row in fetched(db, "conversation_id", CONVERSATIONS_OF, (user_id,))]

    def put_link(self, channel: str, address: str, conversation_id: str | None) -> None:
        with self._db.write() as db:
            if conversation_id is None:
                db.execute(UNLINK, (channel, address))
            else:
                db.execute(LINK, (channel, address, conversation_id))

    def links(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        with self._db.read() as db:
            return {key: conversation_id for key, (conversation_id,) in LINKED(db, addresses)}

    def register_inbound(self, inbound: Sequence[tuple[str, str, str, Arrived]]) -> list[Arrived]:
        at = now_ms()
        keys = [each[:3] for each in inbound]
        with self._db.write() as db:
            INBOUND(db, [(*key, each[3].text, at) for key, each in zip(keys, inbound, strict=True)])
            kept = INBOUND_TO(db, keys)
        return [Arrived.parse(text) for _, (text,) in kept]

    def arrived(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Arrived]:
        with self._db.read() as db:
            return {key: Arrived.parse(text) for key, (text,) in INBOUND_TO(db, ids)}

    def last_conversations(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        with self._db.read() as db:
            return {key: conversation_id for key, (conversation_id,) in LAST_CONVERSATION(db, addresses)}


def _identity(channel: str, address: str, user_id: str, since: int, verified: int, last_wrote_at: int) -> Identity:
    return Identity(channel, address, user_id, since, bool(verified), last_wrote_at)


def _note(db: sqlite3.Connection, membership: Membership) -> None:
    """A reader who is away is told of it later."""
    now = now_ms()
    change = Change(membership.conversation.conversation_id, now, "conversation", str(membership.version))
    sqlite_changes.NOTE(db, sqlite_changes.rows([change]))


def _membership(row: Sequence[Any]) -> Membership:
    version, body, members = row
    return Membership(_conversation(body), version, _members(members))
