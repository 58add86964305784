"""Part of the message store: users, their addresses, conversations and members."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.model.conversations import Conversation, Identity, Membership, User, Verification

# (channel, address, account): an address, as one account is written to by it.
Place = tuple[str, str, str]


class Arrived(Struct, frozen=True):
    """Where what a provider brought went, under which message_id, from whom: as it was decided first.

    Rows of older code say the conversation only: there message_id and sender are empty.
    """

    conversation_id: str
    message_id: str = ""
    sender: str = ""

    @property
    def text(self) -> str:
        """As stores keep it, in one value: none of the three has a blank."""
        return f"{self.conversation_id} {self.message_id} {self.sender}".rstrip()

    @classmethod
    def parse(cls, text: str) -> "Arrived":
        """The opposite of `text`."""
        return cls(*text.split(" ", 2))


class Spoken(Struct, frozen=True):
    """Which conversation spoke to an address last. `asked`: the seq of what it said, where that offered choices; else 0."""

    conversation_id: str
    asked: int = 0

    @property
    def text(self) -> str:
        """As stores keep it, in one value. Older rows hold the conversation only."""
        return f"{self.conversation_id} {self.asked}" if self.asked else self.conversation_id

    @classmethod
    def parse(cls, text: str) -> "Spoken":
        """The opposite of `text`."""
        conversation_id, _, asked = text.partition(" ")
        return cls(conversation_id, int(asked or 0))


class Directory(ABC):
    """Who is who: users, addresses, conversations, links. Registrations: first writer wins."""

    @abstractmethod
    def add_users(self, users: Sequence[User]) -> list[User]:
        """Register; for each, the user now kept under that id: the one given, or the one who was there first."""

    @abstractmethod
    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Those that exist."""

    @abstractmethod
    def claim_addresses(self, identities: Sequence[Identity]) -> list[Identity]:
        """Give addresses to users; for each (channel, address), the identity now kept: first writer wins.

        A verified claim replaces an unverified one of the same user; nothing replaces another user's.
        """

    @abstractmethod
    def release_address(self, channel: str, address: str, user_id: str) -> bool:
        """Take an address from this user; False when it was not theirs. It can then be claimed anew."""

    @abstractmethod
    def forward(self, channel: str, address: str, to: str) -> None:
        """Whoever had this address has another one from now on: what waits for the old one goes there."""

    @abstractmethod
    def forwards(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Where these (channel, address) went; those that went nowhere are absent. One step only."""

    @abstractmethod
    def owners(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Identity]:
        """Who owns these (channel, address) now; free ones are absent."""

    @abstractmethod
    def identities(self, user_ids: Sequence[str]) -> dict[str, list[Identity]]:
        """All addresses of each user, by channel, oldest claim first; users without any have an empty list."""

    @abstractmethod
    def note_wrote(self, wrote: Mapping[tuple[str, str], int], to: Mapping[Place, int] | None = None) -> None:
        """(channel, address) wrote to us at this time. `last_wrote_at` only grows; free addresses are passed over.

        `to`: the same by the account that was written to, whose window it opens.
        """

    @abstractmethod
    def last_wrote(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, int]]:
        """When each (channel, address) last wrote, by the account that it wrote to (ms UTC); none: an empty one.

        What was noted by older code is in `Identity.last_wrote_at` alone.
        """

    @abstractmethod
    def put_verification(self, verification: Verification) -> None:
        """Keep a code for (user, channel, address), replacing an older one."""

    @abstractmethod
    def verification(self, user_id: str, channel: str, address: str) -> Verification | None:
        """The code that waits, if any; also when it has expired."""

    @abstractmethod
    def add_conversations(self, founded: Sequence[tuple[Conversation, Sequence[str]]]) -> list[Membership]:
        """Found conversations with their first members (version 1); for each id the one now kept: first writer wins."""

    @abstractmethod
    def memberships(self, conversation_ids: Sequence[str], of: str = "") -> dict[str, Membership]:
        """Those that exist: who is there, and the newest stays that are over; of the user `of` all stays there ever were."""

    @abstractmethod
    def change_members(
        self, conversation_id: str, version: int, joined: Sequence[str], left: Sequence[str]
    ) -> Membership | None:
        """Compare-and-set: if the membership is still at `version`, make version + 1 with these changes; else None.

        Who joins again gets a second stay.
        """

    @abstractmethod
    def conversations_of(self, user_id: str) -> list[str]:
        """Every conversation this user is or ever was a member of."""

    @abstractmethod
    def put_link(self, channel: str, address: str, conversation_id: str | None) -> None:
        """What this address writes comes into this conversation from now on; None: no longer."""

    @abstractmethod
    def links(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Linked conversations of these (channel, address); those without one are absent."""

    @abstractmethod
    def register_inbound(self, inbound: Sequence[tuple[str, str, str, Arrived]]) -> list[Arrived]:
        """For each (channel, account, provider id, what we would make of it): what is now kept, first writer wins.

        Kept for at least 8 days, so that a provider's repetitions go where the first went.
        """

    @abstractmethod
    def arrived(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], Arrived]:
        """What was registered of these (channel, account, provider id); the others are absent."""

    @abstractmethod
    def last_conversations(self, addresses: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """What `Deliveries.record` was told last of each (channel, address): a `Spoken` as text."""
