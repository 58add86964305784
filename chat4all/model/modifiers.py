"""What was said of a message later: reactions, votes, edits, its deletion. Facts of their target; no I/O.

Everybody who asks sees the same, in whatever order these facts came in, and however often: `merged` is commutative,
associative and idempotent. Times are milliseconds since 1970 UTC.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TypeVar

import msgspec
from msgspec import Struct

from chat4all.model.content import Album, Content, Deletion, Edit, Media, Modifier, Reaction, Text, Vote, type_of
from chat4all.model.conversations import Membership
from chat4all.model.messages import Message

# A conversation and a seq in it.
Place = tuple[str, int]
# What a newer modification takes the place of: its kind, and of reactions and votes whose it is.
Slot = tuple[str, str]
T = TypeVar("T")


# Between a sender and who of those that share its address: no id has it.
BEHIND = "\x1f"


class Modification(Struct, frozen=True, omit_defaults=True):
    """What one record says of the message at (conversation_id, target_seq).

    `seq` is that of the modifier's own record, `at` when that was accepted. `provider_at`: when its provider says that it was
    written, or `at` where a client of ours wrote it; 0, in older facts: a client of ours did. `sender`: whose it is.
    `speaker_id`, `speaker`: who of those that share the sender's address, as the provider calls them and they themselves.
    `members_version`: by which it is known who may read it; 0: whoever may read the target.
    """

    conversation_id: str
    target_seq: int
    seq: int
    at: int
    content: Modifier
    sender: str = ""
    provider_at: int = 0
    members_version: int = 0
    speaker_id: str = ""
    speaker: str = ""

    @property
    def kind(self) -> str:
        """Reaction, vote, edit or deletion, as the API calls it."""
        return type_of(self.content)

    @property
    def target(self) -> Place:
        """Which message it is about."""
        return self.conversation_id, self.target_seq

    @property
    def slot(self) -> Slot:
        """One of a slot counts: everybody has one reaction to a message, and there is one edit and one deletion."""
        if not isinstance(self.content, Reaction | Vote):
            return self.kind, ""
        return self.kind, f"{self.sender}{BEHIND}{self.speaker_id}" if self.speaker_id else self.sender

    @property
    def order(self) -> tuple[int, int]:
        """The newest of a slot is the highest: webhooks overtake each other, so what the provider says of its time is first."""
        return self.provider_at, self.seq

    @property
    def said_at(self) -> int:
        """When it was said, as readers are told."""
        return self.provider_at or self.at


class Reacted(Struct, frozen=True):
    """A reaction that stands."""

    emoji: str
    sender: str
    at: int
    speaker: str = ""


class Voted(Struct, frozen=True):
    """A vote that stands."""

    vote: Vote
    sender: str
    at: int
    speaker: str = ""


class Current(Struct, frozen=True):
    """A message as it is now. `payload` is None once it was deleted: nobody is told its words. `*_at`: 0, it was not."""

    payload: Content | None
    reactions: tuple[Reacted, ...] = ()
    edited_at: int = 0
    deleted_at: int = 0
    votes: tuple[Voted, ...] = ()


def merged(modifications: Iterable[Modification]) -> list[Modification]:
    """What counts of these: the newest of each target and slot, by target and slot."""
    newest: dict[tuple[Place, Slot], Modification] = {}
    for each in modifications:
        key = (each.target, each.slot)
        if key not in newest or each.order > newest[key].order:
            newest[key] = each
    return [newest[key] for key in sorted(newest)]


def as_it_is_now(message: Message, modifications: Sequence[Modification] = ()) -> Current:
    """The message with what is known of it: a deletion hides whatever else was said, before it or after it."""
    if not modifications:
        return Current(message.payload)
    payload, edited_at = message.payload, 0
    reactions: list[tuple[tuple[int, int], Reacted]] = []
    votes: list[tuple[tuple[int, int], Voted]] = []
    for each in merged(modifications):
        match each.content:
            case Deletion():
                return Current(None, deleted_at=each.said_at)
            case Edit():
                payload, edited_at = _edited(payload, each.content.content), each.said_at
            case Reaction(emoji=emoji) if emoji:
                reactions.append((each.order, Reacted(emoji, each.sender, each.said_at, each.speaker)))
            case Vote() as vote if vote.options or vote.counts:
                votes.append((each.order, Voted(vote, each.sender, each.said_at, each.speaker)))
    return Current(payload, _in_order(reactions), edited_at, votes=_in_order(votes))


def readable(modifications: Iterable[Modification], membership: Membership, user_id: str) -> list[Modification]:
    """Those of these that a user may know of who may read the target: all deletions, else what they may read themselves."""
    return [
        each
        for each in modifications
        if isinstance(each.content, Deletion) or not each.members_version or membership.may_read(user_id, each.members_version)
    ]


def without_words(message: Message) -> Message:
    """A message that is deleted, as readers are told of it: that it is, and nothing that it said. So is an edit of one."""
    target = message.payload.target if isinstance(message.payload, Edit) else message.message_id
    return msgspec.structs.replace(message, payload=Deletion(target), metadata={}, referral={})


def _in_order(said: list[tuple[tuple[int, int], T]]) -> tuple[T, ...]:
    return tuple(each for _, each in sorted(said, key=itemgetter(0)))


def _edited(payload: Content, new: Text | Media) -> Content:
    """Words alone are the new caption of a file, or of several: the files stay."""
    if isinstance(payload, Media | Album) and isinstance(new, Text):
        return msgspec.structs.replace(payload, text=new.text)
    return new
