"""What messages of a batch point at: whom a reaction, an edit or a deletion goes to, and what a reply quotes.

A modifier goes to whom its target went, and to where that came from. A target has a lower seq in the same conversation, so it
is in the same partition, was stored before, and does not change: what follows from both records is the same at every run.
Costs nothing where no message of a batch points at another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import (
    MODIFIERS,
    Album,
    Choices,
    Content,
    Deletion,
    Edit,
    Media,
    Poll,
    Reaction,
    Text,
    Vote,
    words_of,
)
from chat4all.model.conversations import ConversationType, Membership
from chat4all.model.deliveries import REPLACED, TAKEN_BACK, DeliveryKey, Pointer, Withdrawn
from chat4all.model.messages import Message, Recipient
from chat4all.model.modifiers import Modification
from chat4all.model.records import partition_of
from chat4all.model.slots import delivery_key, keys_to, slots
from chat4all.ports import MessageStore

Place = tuple[str, str]
UNKNOWN_TARGET, NOT_ALLOWED, NO_SUCH_OPTION = "unknown_target", "not_allowed", "no_such_option"
WORDS_MOST = 1000


class Aimed(Struct, frozen=True):
    """The messages of a batch with the recipients of modifiers, less those that may not be, and what each points at.

    `refused`: (message, why). `targets`: by the place (conversation, message_id) of what points. `readers`: the memberships
    of conversations whose members changed in between. `deleted`: places of targets whose words nobody is to be told.
    """

    messages: list[Message]
    refused: list[tuple[Message, str]]
    targets: dict[Place, Message]
    readers: Mapping[str, Membership] = {}
    deleted: frozenset[tuple[str, int]] = frozenset()

    def pointer(self, message: Message, recipient: Recipient, partitions: int) -> Pointer | None:
        """What this message points at, as this recipient of it knows that; None: it points at nothing."""
        target = self.targets.get(_place(message))
        if target is None or (isinstance(message.payload, MODIFIERS) and recipient.rendition):
            return None
        found = _pointer(target, recipient, partitions)
        may_be_told = (target.conversation_id, target.seq) not in self.deleted and _may_read(
            self.readers, target, message, recipient.user_id
        )
        return found if may_be_told else replace(found, words="")

    def withdrawals(self, partitions: int) -> list[tuple[list[DeliveryKey], Withdrawn]]:
        """What is not to be sent any more, because it was taken back, or other words take its place, before it went out."""
        return [
            (keys, Withdrawn(message.accepted_at, why, message.message_id))
            for message, target in self._pointing()
            if (why := _withdraws(message.payload, target.payload)) and (keys := _withdrawn_keys(message, target, partitions))
        ]

    def deletions(self) -> list[tuple[Message, Message]]:
        """What takes something back, with that."""
        return [(each, target) for each, target in self._pointing() if isinstance(each.payload, Deletion)]

    def modifications(self) -> list[Modification]:
        """What these messages say of their targets, as facts of those."""
        return [
            Modification(
                conversation_id=each.conversation_id,
                target_seq=target.seq,
                seq=each.seq,
                at=each.accepted_at,
                content=each.payload,
                sender=each.sender,
                # Who says it in a client of ours says it now: else the older word of a provider would stand for ever.
                provider_at=each.origin.at if each.origin else each.accepted_at,
                members_version=each.members_version,
                **_speaker(each),
            )
            for each, target in self._pointing()
            if isinstance(each.payload, MODIFIERS)
        ]

    def _pointing(self) -> Iterator[tuple[Message, Message]]:
        """What points at something, with that. Resends were looked at when they were first sent."""
        for each in self.messages:
            target = None if each.resend_of else self.targets.get(_place(each))
            if target:
                yield each, target


def aimed(store: MessageStore, messages: Sequence[Message]) -> Aimed:
    """What messages, live and registered, point at. Resends have all that they need."""
    pointing = {_place(each): name for each in messages if (name := _points_at(each))}
    if not pointing:
        return Aimed(list(messages), [], {})
    targets = _targets(store, messages, pointing)
    readers = _readers(store, messages, targets)
    deleted = _deleted(store, targets.values())
    kept, refused = [], []
    for message in messages:
        target = targets.get(_place(message))
        if target and target.is_internal and not _follows(message):
            # Words of a note are in no quote.
            target = None
            targets.pop(_place(message))
        if target and not message.origin and not _may_read(readers, target, message, message.sender):
            target = None
            targets.pop(_place(message))
        is_gone = target is not None and deleted.get((target.conversation_id, target.seq), message.seq) < message.seq
        why = _fault(message, target, readers) or (UNKNOWN_TARGET if is_gone and _adds(message) else "")
        if why:
            refused.append((message, why))
        elif not isinstance(message.payload, MODIFIERS) or message.resend_of:
            kept.append(message)
        elif target is None:
            # Shown as it came: nobody here knows the message that it is about.
            kept.append(replace(message, payload=replace(message.payload, target="")))
        else:
            is_told = isinstance(message.payload, Deletion) or not (is_gone or _is_count(message.payload))
            reached = _recipients(message, target, readers) if is_told else ()
            said = _with_titles(message.payload, target.payload)
            kept.append(replace(message, payload=said, recipients=reached, visibility=target.visibility))
    return Aimed(kept, refused, targets, readers, frozenset(deleted))


def _with_titles(modifier: Content, target: Content) -> Content:
    """A vote with what stands at its numbers: who reads it alone sees no poll."""
    if not isinstance(modifier, Vote) or not isinstance(target, Poll):
        return modifier
    titles = target.options if modifier.counts else tuple(target.options[each - 1] for each in _there(modifier, target))
    return replace(modifier, titles=titles)


def _is_count(modifier: Content) -> bool:
    """How a poll stands is shown at the poll: nobody is written to at every vote."""
    return isinstance(modifier, Vote) and bool(modifier.counts)


def _there(vote: Vote, poll: Poll) -> list[int]:
    return [each for each in vote.options if each <= len(poll.options)]


def _speaker(message: Message) -> dict[str, str]:
    """Who of those that share an address says it: each has a reaction and a vote of their own."""
    number = message.origin.speaker_id if message.origin else ""
    return {"speaker_id": number, "speaker": message.sender_name} if number else {}


def _follows(message: Message) -> bool:
    """Whether it is internal itself, or becomes so with its target."""
    return message.is_internal or isinstance(message.payload, MODIFIERS)


def _deleted(store: MessageStore, targets: Iterable[Message]) -> dict[tuple[str, int], int]:
    """By the place of each target that was taken back, the seq of what did that. Partitions count on their own."""
    places = list({(each.conversation_id, each.seq) for each in targets})
    known = store.modifications(places) if places else {}
    return {place: each.seq for place, some in known.items() for each in some if isinstance(each.content, Deletion)}


def _adds(message: Message) -> bool:
    """Whether somebody here adds to what is no more. What a provider brought has happened."""
    return isinstance(message.payload, Edit | Reaction | Vote) and not message.origin and not message.resend_of


def _pointer(target: Message, recipient: Recipient, partitions: int) -> Pointer:
    """The target as this recipient of another message knows it, with its words."""
    said, origin = target.payload, target.origin
    words, is_file = _asked(said)[:WORDS_MOST], isinstance(said, Media | Album)
    # An account knows no other's messages.
    there = (recipient.channel, recipient.address, recipient.account)
    if origin and (origin.channel, origin.address, origin.account_id) == there:
        return Pointer(target.message_id, words, (origin.provider_id,), is_file=is_file)
    partition = partition_of(target.conversation_id, partitions)
    keys = keys_to(target, [there[:2]], partition, recipient.account)
    return Pointer(target.message_id, words, (), tuple(map(str, keys)), is_file)


def _asked(said: Content) -> str:
    """The words of a target, without the answers that it offers."""
    if isinstance(said, Choices | Poll):
        return said.text if isinstance(said, Choices) else said.question
    return words_of(said)


def _withdraws(modifier: Content, target: Content) -> str:
    """Why what still waits of the target is not to be sent; empty: it is. No words take the place of a file."""
    if isinstance(modifier, Deletion):
        return TAKEN_BACK
    is_words = isinstance(modifier, Edit) and isinstance(modifier.content, Text) and isinstance(target, Text)
    return REPLACED if is_words else ""


def _withdrawn_keys(message: Message, target: Message, partitions: int) -> list[DeliveryKey]:
    """The target's deliveries. Of an edit only those that go in one send, as the new words do: they take its place."""
    partition = partition_of(target.conversation_id, partitions)
    taken = isinstance(message.payload, Deletion)
    return [
        delivery_key(target, slot, partition)
        for slot in slots(target)
        if taken or (slot.parts == 1 and slot.recipient.channel not in message.by_channel)
    ]


def _place(message: Message) -> Place:
    return message.conversation_id, message.message_id


def _points_at(message: Message) -> str:
    return message.payload.target if isinstance(message.payload, MODIFIERS) else message.reply_to


def _targets(store: MessageStore, messages: Sequence[Message], pointing: Mapping[Place, str]) -> dict[Place, Message]:
    """Each target that is there, by the place of what points at it. What modifies something is no target itself."""
    kept = store.registered(list({(conversation_id, target) for (conversation_id, _), target in pointing.items()}))
    here = {(each.conversation_id, each.seq): each for each in messages}
    places = {(each.conversation_id, each.seq) for each in kept.values()}
    missing = [place for place in places if place not in here]
    there: dict[tuple[str, int], Message] = {**(store.messages(missing) if missing else {}), **here}
    found = {}
    for message in messages:
        place = _place(message)
        first = kept.get((message.conversation_id, pointing.get(place, "")))
        target = there.get((message.conversation_id, first.seq)) if first and first.seq < message.seq else None
        if target and not isinstance(target.payload, MODIFIERS) and not target.resend_of:
            found[place] = target
    return found


def _fault(message: Message, target: Message | None, readers: Mapping[str, Membership]) -> str:
    """Why a modifier may not be; empty: it may. What a provider brought has happened, whatever we know of it."""
    if not isinstance(message.payload, MODIFIERS) or message.resend_of or message.origin:
        return ""
    if target is None:
        return UNKNOWN_TARGET
    if isinstance(message.payload, Vote):
        return _fault_of_vote(message.payload, target.payload)
    is_theirs = _is_own(message, target)
    if isinstance(message.payload, Edit) and not is_theirs:
        return NOT_ALLOWED
    if isinstance(message.payload, Deletion) and not is_theirs:
        home = readers.get(message.conversation_id)
        is_owner = home is not None and home.conversation.owner == message.sender
        return "" if home and is_owner and home.conversation.type is ConversationType.GROUP else NOT_ALLOWED
    return ""


def _fault_of_vote(vote: Vote, target: Content) -> str:
    if not isinstance(target, Poll):
        return NO_SUCH_OPTION
    is_one_too_many = len(vote.options) > 1 and not target.multiple
    return NO_SUCH_OPTION if is_one_too_many or len(_there(vote, target)) < len(vote.options) else ""


def _readers(store: MessageStore, messages: Iterable[Message], targets: Mapping[Place, Message]) -> dict[str, Membership]:
    """The memberships that decide something: who is there now may not have been there then, and owners may delete."""
    names = {
        each.conversation_id
        for each in messages
        if (target := targets.get(_place(each)))
        and (
            target.members_version != each.members_version or (isinstance(each.payload, Deletion) and not _is_own(each, target))
        )
    }
    return store.memberships(list(names)) if names else {}


def _is_own(message: Message, target: Message) -> bool:
    return message.sender == target.sender


def _may_read(readers: Mapping[str, Membership], target: Message, message: Message, user_id: str) -> bool:
    """Whether this member may read the target. Where nobody came or went in between, whoever is there may."""
    if target.members_version == message.members_version:
        return True
    home = readers.get(message.conversation_id)
    return home is not None and home.may_read(user_id, target.members_version)


def _recipients(message: Message, target: Message, readers: Mapping[str, Membership]) -> tuple[Recipient, ...]:
    """Where the target went, and where it came from, but for who modifies it; nowhere, if that went out in another app.

    Who has left since hears of no new words; that something was taken back everybody hears who got it.
    """
    if message.origin and message.origin.app:
        return ()
    came = target.origin
    home = [Recipient(target.sender, came.channel, came.address, account=came.account_id)] if came and not came.app else []
    numbers = message.by_channel
    everybody = (*target.recipients, *home)
    left = readers.get(message.conversation_id) if not isinstance(message.payload, Deletion) else None
    there = [
        replace(each, rendition=numbers.get(each.channel, 0))
        for each in everybody
        if each.user_id != message.sender and (left is None or left.may_read(each.user_id, message.members_version))
    ]
    return tuple({(each.channel, each.address, each.account): each for each in there if each.address}.values())
