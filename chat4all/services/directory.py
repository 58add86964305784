"""Users and conversations, made when they are first needed. It caches only values that never change once they are known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from chat4all.channels import CHANNELS, unknown_channel
from chat4all.model.clock import now_ms
from chat4all.model.conversations import Conversation, ConversationType, Identity, Membership, User, UserKind
from chat4all.model.display_names import cleaned
from chat4all.model.ids import CONTACT_PREFIX, contact_conversation_id, contact_id, inbox_id, private_conversation_id
from chat4all.model.workspaces import bare
from chat4all.ports import Channel, MessageStore
from chat4all.services.contacts.standing import Standing

Address = tuple[str, str]
# Where user ids are claimed in lower case, beside the channels where addresses are: no channel is called so.
ID_SPACE = "user_id"
KEPT_USERS = 50_000
SETTLED_MS = 60_000
# For how long a contact is new: whoever repeats what made it tells of it, should who made it have died before.
NEW_MS = 600_000


def described(same: Iterable[User], owned: Iterable[Identity]) -> tuple[str, tuple[str, ...]]:
    """What a person is found by: names and ids of all users that they are, and addresses."""
    addresses = tuple(each.address for each in owned if bare(each.channel) != ID_SPACE)
    return "\n".join(f"{each.display_name}\n{bare(each.user_id)}" for each in same), addresses


def _is_self_named(user: User) -> bool:
    """A contact whose name, if any, is what they call themselves."""
    if user.is_named:
        return False
    return user.kind is UserKind.CONTACT and (user.user_id.startswith(CONTACT_PREFIX) or not user.display_name)


def _renamed(name: str, user: User) -> User:
    return replace(user, display_name=name) if _is_self_named(user) else user


class People:
    """Looks up and founds, many at once. Thread-safe: of users only names change, all else is asked of the store.

    `clock`: ms UTC.
    """

    def __init__(self, store: MessageStore, channels: Mapping[str, Channel], clock: Callable[[], int] = now_ms) -> None:
        self.clock = clock
        self._store = store
        self.channels = channels
        self.standing = Standing(store)
        self._users: dict[str, User] = {}
        self._announced: set[str] = set()

    def parse_address(self, text: str) -> Address:
        """(channel, address) of a `channel:address`, in the channel's one way of writing. ValueError says what is wrong."""
        name, _, rest = text.partition(":")
        if name not in self.channels:
            raise ValueError(f"no account is connected on {name}" if name in CHANNELS else unknown_channel(name))
        return name, self.channels[name].address(rest)

    def users(self, user_ids: Iterable[str]) -> dict[str, User]:
        """Those that exist."""
        wanted = set(user_ids)
        known = {each: self._users[each] for each in wanted if each in self._users}
        if len(known) < len(wanted):
            known.update(self._keep(self._store.users(list(wanted - known.keys()))))
        return known

    def _keep(self, found: dict[str, User]) -> dict[str, User]:
        if len(self._users) > KEPT_USERS:
            self._users = {}
        self._users.update(found)
        return found

    def inbox(self, channel: str) -> str:
        """The channel's inbox user, registered."""
        name = inbox_id(channel)
        if name not in self._users:
            self._keep({name: self._store.add_users([User(name, UserKind.INBOX, self.clock(), f"{channel} inbox")])[0]})
        return name

    def owners(self, wanted: Mapping[Address, str]) -> dict[Address, str]:
        """Who owns each address (channel, address); for a free one a contact is made, called as the mapping says."""
        owned = {place: each.user_id for place, each in self._store.owners(list(wanted)).items()}
        free = {place: called for place, called in wanted.items() if place not in owned}
        return owned | self._make_contacts(free) if free else owned

    def _make_contacts(self, free: Mapping[Address, str]) -> dict[Address, str]:
        now = self.clock()
        ids = {place: self._unused(place, now) for place in free}
        made = [User(ids[place], UserKind.CONTACT, now, cleaned(called)) for place, called in free.items()]
        self._keep({each.user_id: each for each in self._store.add_users(made)})
        return self.claim([Identity(*place, ids[place], now) for place in free])

    def rename(self, called: Mapping[str, str]) -> list[str]:
        """Contacts call themselves so now; whose name that changed. A name that somebody gave one stays."""
        known, renamed = self.users(called), []
        for user_id, name in called.items():
            wanted, user = cleaned(name), known.get(user_id)
            if wanted and user and _is_self_named(user) and user.display_name != wanted:
                changed = self._store.change_user(user_id, partial(_renamed, wanted))
                self._keep({user_id: changed} if changed else {})
                renamed += [user_id] if user.display_name else []
        return renamed

    def introduce(self, called: Mapping[Address, str]) -> tuple[list[str], list[User]]:
        """These are known, and called so by who knows them: strangers become contacts, and who has no name gets this one.

        Who is called otherwise now, and who is new.
        """
        owners = self.owners(called) if called else {}
        known = self.users(owners.values())
        nameless = {user: called[place] for place, user in owners.items() if user in known and not known[user].display_name}
        return self.rename(nameless), self.newcomers(owners.values())

    def newcomers(self, user_ids: Iterable[str]) -> list[User]:
        """Those of these contacts of whom readers are to be told that they are new, as far as this process knows."""
        asked = set(user_ids) - self._announced
        since = self.clock() - NEW_MS
        found = self.users(asked) if asked else {}
        new = [each for each in found.values() if each.kind is UserKind.CONTACT and each.created_at > since]
        self.told_of(found.keys() - {each.user_id for each in new})
        return new

    def told_of(self, user_ids: Iterable[str]) -> None:
        """Readers know that these are there."""
        if len(self._announced) > KEPT_USERS:
            self._announced = set()
        self._announced = self._announced.union(user_ids)

    def look_again(self, user_ids: Iterable[str]) -> None:
        """These were changed: what is known of them is what the store has now."""
        self._keep(self._store.users(list(user_ids)))

    def _unused(self, place: Address, now: int) -> str:
        """A contact's id for a free address. Whoever had it before keeps what was theirs: it may be another person by now.

        One that was made just now is being made by somebody else for the same address at this moment.
        """
        stay = 0
        while True:
            user_id = contact_id(*place, stay)
            there = self.users([user_id]).get(user_id)
            if there is None or now - there.created_at < SETTLED_MS:
                return user_id
            stay += 1

    def claim(self, identities: Sequence[Identity]) -> dict[Address, str]:
        """Give addresses to users; whose each is now: first writer wins."""
        kept = self._store.claim_addresses(identities)
        return {(each.channel, each.address): each.user_id for each in kept}

    def pair_id(self, sender: str, other: str, address: Address | None) -> str:
        """The private conversation of two. With a channel's inbox, a contact's address decides."""
        if address and sender == inbox_id(address[0]) and other == contact_id(*address):
            return contact_conversation_id(address[0], self.channels[address[0]].account.account_id, address[1])
        return private_conversation_id(sender, other)

    def proposed_pairs(self, pairs: Mapping[str, tuple[str, str]]) -> list[Membership]:
        """Private conversations by id with (owner, other), as they would be founded."""
        now = self.clock()
        return [
            Membership.founded(Conversation(each, ConversationType.PRIVATE, owner, now), (owner, other))
            for each, (owner, other) in pairs.items()
        ]

    def found(self, proposed: Sequence[Membership]) -> list[Membership]:
        """Found these; as they are now: those that exist stay as they are."""
        return self._store.add_conversations([(each.conversation, each.now()) for each in proposed]) if proposed else []

    def found_pairs(self, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Membership]:
        """Private conversations by id with (owner, other); those that exist stay as they are."""
        return {each.conversation.conversation_id: each for each in self.found(self.proposed_pairs(pairs))}
