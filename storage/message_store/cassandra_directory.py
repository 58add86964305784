"""Users, addresses, conversations and links in Cassandra. First writer wins by compare-and-set."""

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
from storage.message_store import cassandra_changes
from storage.message_store.cassandra_contacts import TAG
from storage.message_store.cassandra_listing import CassandraListing
from storage.message_store.cassandra_rows import Lookup, Register, as_json
from storage.message_store.cassandra_session import Put, Session

DAY_S = 86_400
Key = tuple[Any, ...]

USERS = Register("users", "user_id")
ADDRESSES = Register("addresses", "channel", "address")
VERIFICATIONS = Register("verifications", "user_id", "channel", "address")
CONVERSATIONS = Register("conversations", "conversation_id")
LINKS = Register("links", "channel", "address", value="conversation_id")
FORWARDS = Register("forwards", "channel", "address", value="moved_to")
INBOUND = Register("inbound", "channel", "account", "provider_id", value="conversation_id")
# Longer than providers repeat a webhook: they do so for a week.
INBOUND_S = 9 * DAY_S

OWNED = Lookup("body, last_wrote_at", "addresses", "channel", "address")
OF_USER = Lookup("channel, address", "addresses_of_user", "user_id")
CLAIM_OF_USER = "INSERT INTO addresses_of_user (user_id, channel, address) VALUES (?, ?, ?)"
WROTE = "UPDATE addresses USING TIMESTAMP ? SET last_wrote_at = ? WHERE channel = ? AND address = ?"
NOTE_WINDOW = "INSERT INTO windows (channel, address, account, wrote_at) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
WINDOWS = Lookup("account, wrote_at", "windows", "channel", "address")

TAKE_PART = "INSERT INTO conversations_of_user (user_id, conversation_id) VALUES (?, ?)"
CERTAINLY = "INSERT INTO conversations_of_user (user_id, conversation_id, certain) VALUES (?, ?, true)"
FOLD = "INSERT INTO past_stays (user_id, conversation_id, joined, until) VALUES (?, ?, ?, ?)"
PAST_STAYS = Lookup("joined, until", "past_stays", "user_id", "conversation_id")
CONVERSATIONS_OF = "SELECT conversation_id, certain FROM conversations_of_user WHERE user_id = ?"
LAST_CONVERSATION = Lookup("conversation_id", "last_conversations", "channel", "address")

_user = msgspec.json.Decoder(User).decode
_identity = msgspec.json.Decoder(Identity).decode
_membership = msgspec.json.Decoder(Membership).decode
_verification = msgspec.json.Decoder(Verification).decode


class CassandraDirectory(Directory, CassandraListing):
    """The directory's part of the store."""

    _db: Session

    def add_users(self, users: Sequence[User]) -> list[User]:
        first = {(user.user_id,): as_json(user) for user in reversed(users)}
        listed = [(tag_list(each.user_id, ""), each.user_id) for each in users if is_listed(each)]
        self._db.put((("contact_tags", name), TAG, (name, user_id, 1)) for name, user_id in listed)
        kept = USERS.settle(self._db, first, lambda key, there: there or first[key])
        return [_user(kept[user.user_id,][0] or "") for user in users]

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        kept = USERS.read(self._db, [(user_id,) for user_id in user_ids])
        return {user_id: _user(body) for (user_id,), body in kept.items()}

    def claim_addresses(self, identities: Sequence[Identity]) -> list[Identity]:
        self._db.put(
            [
                (("addresses_of_user", each.user_id), CLAIM_OF_USER, (each.user_id, each.channel, each.address))
                for each in identities
            ]
        )
        claims: dict[Key, list[Identity]] = {}
        for each in identities:
            claims.setdefault((each.channel, each.address), []).append(each)
        ADDRESSES.settle(self._db, claims, lambda key, there: _claimed(there, claims[key]))
        self.note_wrote({(each.channel, each.address): each.last_wrote_at for each in identities if each.last_wrote_at})
        kept = self.owners(list(claims))
        return [kept[each.channel, each.address] for each in identities]

    def release_address(self, channel: str, address: str, user_id: str) -> bool:
        def freed(_key: Key, there: str | None) -> str | None:
            return None if there and _identity(there).user_id == user_id else there

        return ADDRESSES.settle(self._db, [(channel, address)], freed)[channel, address][1]

    def forward(self, channel: str, address: str, to: str) -> None:
        FORWARDS.settle(self._db, [(channel, address)], lambda _key, _there: to)

    def forwards(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return {(channel, address): to for (channel, address), to in FORWARDS.read(self._db, addresses).items()}

    def owners(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        found = {key: row for key, row in OWNED(self._db, addresses) if row[0] is not None}
        # In the order asked for: an answer must not depend on which node was faster.
        return {key: _identity_of(*found[key]) for key in dict.fromkeys(addresses) if key in found}

    def identities(self, user_ids: Sequence[str]) -> dict[str, list[Identity]]:
        claimed = [(user_id, row) for (user_id,), row in OF_USER(self._db, [(each,) for each in user_ids])]
        owners = self.owners([(channel, address) for _, (channel, address) in claimed])
        owned: dict[str, list[Identity]] = {user_id: [] for user_id in user_ids}
        for user_id, (channel, address) in claimed:
            owner = owners.get((channel, address))
            if owner and owner.user_id == user_id:
                owned[user_id].append(owner)
        for each in owned.values():
            each.sort(key=lambda identity: (identity.channel, identity.since, identity.address))
        return owned

    def note_wrote(self, wrote: Mapping[tuple[str, str], int], to: Mapping[Place, int] | None = None) -> None:
        puts: list[Put] = [(("windows", *place), NOTE_WINDOW, (*place, at, at + 1)) for place, at in (to or {}).items()]
        if wrote:
            owned = self.owners(list(wrote))
            puts += [(("addresses", *key), WROTE, (wrote[key] + 1, wrote[key], *key)) for key in owned]
        self._db.put(puts)

    def last_wrote(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, int]]:
        found: dict[tuple[str, str], dict[str, int]] = {address: {} for address in addresses}
        for address, (account, at) in WINDOWS(self._db, addresses):
            found[address[0], address[1]][account] = at
        return found

    def put_verification(self, verification: Verification) -> None:
        key = (verification.user_id, verification.channel, verification.address)
        left_s = (verification.expires_at - now_ms()) // 1000
        VERIFICATIONS.settle(self._db, [key], lambda _key, _there: as_json(verification), max(0, left_s) + DAY_S)

    def verification(self, user_id: str, channel: str, address: str) -> Verification | None:
        key = (user_id, channel, address)
        body = VERIFICATIONS.read(self._db, [key]).get(key)
        return _verification(body) if body else None

    def add_conversations(self, founded: Sequence[tuple[Conversation, Sequence[str]]]) -> list[Membership]:
        fresh: dict[Key, Membership] = {}
        for conversation, user_ids in founded:
            fresh.setdefault((conversation.conversation_id,), Membership.founded(conversation, user_ids))
        there = CONVERSATIONS.read(self._db, fresh)
        new = {key: each for key, each in fresh.items() if key not in there}
        changes = [_noted(key, each.version) for (key,), each in new.items()]
        parts = [put for (key,), each in new.items() for put in _parts(TAKE_PART, key, [*each.now(), *further_lists(key)])]
        self._db.put([*parts, *cassandra_changes.puts(changes)])
        kept = CONVERSATIONS.settle(self._db, fresh, lambda key, body: body or as_json(fresh[key]))
        ours = [key for key in new if kept[key][1]]
        self._db.put([put for (key,) in ours for put in _parts(CERTAINLY, key, fresh[key,].now())])
        founded_in = {key: fresh[key,].conversation.created_at // SLOT_MS for (key,) in ours}
        self.be_active({(key, slot): fresh[key,].now() for key, slot in founded_in.items()})
        return [_membership(kept[conversation.conversation_id,][0] or "") for conversation, _ in founded]

    def memberships(self, conversation_ids: Sequence[str], of: str = "") -> dict[str, Membership]:
        kept = CONVERSATIONS.read(self._db, [(conversation_id,) for conversation_id in conversation_ids])
        found = {conversation_id: _membership(body) for (conversation_id,), body in kept.items()}
        for (user_id, conversation_id), stay in PAST_STAYS(self._db, [(of, name) for name in found]) if of else ():
            found[conversation_id] = found[conversation_id].with_stays([Member(user_id, *stay)])
        return found

    def change_members(
        self, conversation_id: str, version: int, joined: Sequence[str], left: Sequence[str]
    ) -> Membership | None:
        def changed(_key: Key, there: str | None) -> str | None:
            now = _membership(there) if there else None
            if now is None or now.version != version:
                return there
            # Only stays that were over before: what this change ends is not certain yet.
            kept, over = now.folded()
            self._db.put(_folded(conversation_id, each) for each in over)
            return as_json(kept.changed(joined, left))

        noted = cassandra_changes.puts([_noted(conversation_id, version + 1)])
        self._db.put([*_parts(TAKE_PART, conversation_id, joined), *noted])
        body, ours = CONVERSATIONS.settle(self._db, [(conversation_id,)], changed)[conversation_id,]
        if not (ours and body):
            return None
        self._db.put(_parts(CERTAINLY, conversation_id, joined))
        self.be_active({(conversation_id, now_ms() // SLOT_MS): joined})
        return _membership(body)

    def conversations_of(self, user_id: str) -> list[str]:
        rows = self._db.rows(CONVERSATIONS_OF, user_id)
        doubtful = self.memberships([key for key, certain in rows if not certain], user_id)
        certain = [key for key, certain in rows if certain]
        return sorted(
            certain + [key for key, each in doubtful.items() if any(stay.user_id == user_id for stay in each.members)]
        )

    def put_link(self, channel: str, address: str, conversation_id: str | None) -> None:
        LINKS.settle(self._db, [(channel, address)], lambda _key, _there: conversation_id)

    def links(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        return {(channel, address): kept for (channel, address), kept in LINKS.read(self._db, addresses).items()}

    def register_inbound(self, inbound: Sequence[tuple[str, str, str, Arrived]]) -> list[Arrived]:
        first = {each[:3]: each[3].text for each in reversed(inbound)}
        kept = INBOUND.settle(self._db, first, lambda key, there: there or first[key[0], key[1], key[2]], INBOUND_S)
        return [Arrived.parse(kept[each[:3]][0] or "") for each in inbound]

    def arrived(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Arrived]:
        found = INBOUND.read(self._db, ids)
        return {(channel, account, provider_id): Arrived.parse(text) for (channel, account, provider_id), text in found.items()}

    def last_conversations(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        found = LAST_CONVERSATION(self._db, addresses)
        return {(channel, address): kept for (channel, address), (kept,) in found}


def _noted(conversation_id: str, version: int) -> Change:
    """A reader who is away is told of it later. Noted before it is so; if it does not become so, what is told is what is."""
    return Change(conversation_id, now_ms(), "conversation", str(version))


def _folded(conversation_id: str, stay: Member) -> Put:
    return ("past_stays", stay.user_id), FOLD, (stay.user_id, conversation_id, stay.joined, stay.left)


def _parts(cql: str, conversation_id: str, user_ids: Sequence[str]) -> list[Put]:
    return [(("conversations_of_user", user_id), cql, (user_id, conversation_id)) for user_id in user_ids]


def _claimed(there: str | None, claims: Sequence[Identity]) -> str:
    """What is kept of an address after these claims, in their order. When it last wrote is kept apart."""
    kept = _identity(there) if there else None
    for each in claims:
        bare = msgspec.structs.replace(each, last_wrote_at=0)
        if kept is None or (each.verified and not kept.verified and each.user_id == kept.user_id):
            kept = bare
    return as_json(kept)


def _identity_of(body: str, last_wrote_at: int | None) -> Identity:
    return msgspec.structs.replace(_identity(body), last_wrote_at=last_wrote_at or 0)
