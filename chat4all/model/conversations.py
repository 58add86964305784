"""Users, addresses, conversations and membership. Frozen types and pure rules; no I/O. Times are milliseconds UTC."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace


class UserKind(StrEnum):
    """PERSON logs in. CONTACT is known by an address only. CLIENT is a service with scopes. INBOX receives for a channel."""

    PERSON = "person"
    CONTACT = "contact"
    CLIENT = "client"
    INBOX = "inbox"


class User(Struct, frozen=True, omit_defaults=True):
    """Who can be a member or a caller. `password_hash` is argon2; empty means: cannot log in. `scopes` are for clients.

    Tokens of an earlier generation than `valid_from` are void. `disabled_at`: since when nobody may come in as them, 0: may.
    `added_by`: who may bring them into groups: everybody, contacts, nobody. `is_named`: a team called this contact so, whatever
    they call themselves.
    """

    user_id: str
    kind: UserKind
    created_at: int
    display_name: str = ""
    password_hash: str = ""
    scopes: tuple[str, ...] = ()
    valid_from: int = 0
    disabled_at: int = 0
    added_by: str = "everybody"
    is_named: bool = False


class Identity(Struct, frozen=True, omit_defaults=True):
    """A user's address on a channel since a time. Unverified addresses receive nothing.

    `last_wrote_at` is the last time this address wrote to us, 0 for never.
    """

    channel: str
    address: str
    user_id: str
    since: int
    verified: bool = True
    last_wrote_at: int = 0


class Verification(Struct, frozen=True):
    """A one-time code on its way to an address that a user claims. Only the code's hash is kept."""

    user_id: str
    channel: str
    address: str
    code_hash: str
    expires_at: int
    tries_left: int


class ConversationType(StrEnum):
    """A private conversation has two members and one per pair; a group has an owner and members that come and go."""

    PRIVATE = "private"
    GROUP = "group"


class Conversation(Struct, frozen=True, omit_defaults=True):
    """`open_history`: who joins later may read what was said before. The creator owns the conversation."""

    conversation_id: str
    type: ConversationType
    owner: str
    created_at: int
    metadata: dict[str, Any] = {}
    open_history: bool = False


# How many stays that are over are read with a membership at least, where there are many.
ENDED_MOST = 64


class Member(Struct, frozen=True, omit_defaults=True):
    """A stay in a conversation: from membership version `joined` up to, not including, `left` (0: still there)."""

    user_id: str
    joined: int
    left: int = 0


class Membership(Struct, frozen=True):
    """The stays in a conversation and the version they amount to. Version 1 is the founding.

    Of stays that are over long ago the store tells a user's own only when it is asked for them (`Directory.memberships`).
    """

    conversation: Conversation
    version: int
    members: tuple[Member, ...]

    @classmethod
    def founded(cls, conversation: Conversation, user_ids: Iterable[str]) -> "Membership":
        """Version 1: each of these users once, in this order."""
        return cls(conversation, 1, tuple(Member(user_id, 1) for user_id in dict.fromkeys(user_ids)))

    def changed(self, joined: Iterable[str], left: Iterable[str]) -> "Membership":
        """The next version: these leave, then those join. Who is there already stays as they are; who is not cannot leave."""
        version, gone = self.version + 1, set(left)
        stays = [replace(stay, left=version) if stay.user_id in gone and not stay.left else stay for stay in self.members]
        present = {stay.user_id for stay in stays if not stay.left}
        new = [Member(user_id, version) for user_id in dict.fromkeys(joined) if user_id not in present]
        return Membership(self.conversation, version, (*stays, *new))

    def folded(self, most: int = ENDED_MOST) -> tuple["Membership", list[Member]]:
        """The same with the newest stays that are over only, where there are more than twice `most`; and the others.

        A group that people join and leave all day would else be read with all of them by every acceptance.
        """
        over = sorted((stay for stay in self.members if stay.left), key=lambda stay: stay.left)
        if len(over) <= 2 * most:
            return self, []
        gone = over[:-most]
        old = set(map(id, gone))
        return Membership(self.conversation, self.version, tuple(each for each in self.members if id(each) not in old)), gone

    def with_stays(self, stays: Iterable[Member]) -> "Membership":
        """The same with these stays that had been folded away."""
        older = [each for each in stays if each not in self.members]
        return Membership(self.conversation, self.version, (*older, *self.members)) if older else self

    def now(self) -> list[str]:
        """Who is a member at the newest version, founders first."""
        return [member.user_id for member in self.members if member.left == 0]

    def has(self, user_id: str) -> bool:
        """Whether `user_id` is a member now."""
        return any(member.user_id == user_id and member.left == 0 for member in self.members)

    def knows(self, user_id: str) -> bool:
        """Whether `user_id` is or was a member, as far as that is read with it."""
        return any(member.user_id == user_id for member in self.members)

    def may_read(self, user_id: str, members_version: int) -> bool:
        """Whether `user_id` may read a message that was accepted at `members_version`."""
        stays = [member for member in self.members if member.user_id == user_id]
        if self.conversation.open_history and any(not stay.left or members_version < stay.left for stay in stays):
            return True
        return any(stay.joined <= members_version and (not stay.left or members_version < stay.left) for stay in stays)

    def seen_by(self, user_id: str) -> "Membership":
        """What this user may see of it: for who has left, as it was when they left. To be shown, not to judge by."""
        stays = [member for member in self.members if member.user_id == user_id]
        if not stays or any(not stay.left for stay in stays):
            return self
        until = max(stay.left for stay in stays)
        there = [replace(each, left=0 if each.left >= until else each.left) for each in self.members if each.joined < until]
        return Membership(self.conversation, until - 1, tuple(there))
