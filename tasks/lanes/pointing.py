"""How a send points at another message: by the provider's id of it, or, where there is none or the channel cannot, in words.

Adapting here never changes how many sends there are: that was decided at acceptance.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import (
    MODIFIERS,
    Content,
    Deletion,
    Edit,
    Media,
    Reaction,
    Text,
    Vote,
    first_words,
    said_by,
    words_of,
)
from chat4all.model.deliveries import (
    ENDS,
    NOTHING_TO_DO,
    REPLACED,
    WITHDRAWALS,
    Delivery,
    DeliveryKey,
    Facts,
    Pointer,
    each_id,
    reason,
    state,
)
from chat4all.model.modifiers import Modification
from chat4all.model.slots import keys_to
from chat4all.ports import Limits, MessageStore, Outgoing
from chat4all.services.acceptance.attachments import caption

QUOTED = "> "


TARGET_NOT_SENT = "target_not_sent"


class First(Struct, frozen=True):
    """This row of the same key, behind the one that asks, is to be sent before it: or it was, and is done with."""

    row: Delivery


def resolved(store: MessageStore, row: Delivery) -> Callable[[], Delivery | First | str]:
    """Asks what the provider calls the message that this row points at; a reason: there is nothing to send. Blocks.

    An edit of what was withdrawn for it goes out as the message itself, before what was said of that since.
    """

    def ask() -> Delivery | First | str:
        about = row.about or Pointer("")
        if isinstance(row.payload, Edit) and (own := store.deliveries([row.key]).get(row.key)) and own.facts.ended:
            return First(own)
        keys = [DeliveryKey.parse(each) for each in about.deliveries]
        facts = _facts(store, keys)
        known = _modifications(store, row, keys) if is_modifier(row) else ()
        if isinstance(row.payload, Edit) and any(isinstance(each.content, Deletion) for each in known):
            return NOTHING_TO_DO
        if not is_modifier(row) or not _never_came(facts):
            return replace(row, about=replace(about, provider_ids=_ids(facts)))
        reasons = {reason(each) for each in facts}
        if reasons & WITHDRAWALS and any(each.attempts > each.refusals + 1 for each in facts):
            # The last attempt was stopped, one before it may have come: the person is told in words.
            return row
        if REPLACED in reasons:
            return _of_what_was_replaced(store, row, about, known)
        return NOTHING_TO_DO if reasons & WITHDRAWALS else TARGET_NOT_SENT

    return ask


def _modifications(store: MessageStore, row: Delivery, keys: Sequence[DeliveryKey]) -> Sequence[Modification]:
    """What was said of the message whose deliveries these are."""
    place = (row.conversation_id, keys[0].seq)
    return store.modifications([place]).get(place, ())


def _of_what_was_replaced(
    store: MessageStore, row: Delivery, about: Pointer, known: Sequence[Modification]
) -> Delivery | First | str:
    """The target goes out as its newest edit: that stands for it, and what is about it comes after that."""
    newest = next((each for each in known if isinstance(each.content, Edit)), None)
    if isinstance(row.payload, Edit):
        is_newest = newest is None or newest.seq == (row.first_seq or row.key.seq)
        return replace(row, payload=row.payload.content, about=None) if is_newest else REPLACED
    if newest is None or not isinstance(newest.content, Edit):
        return NOTHING_TO_DO
    keys = _deliveries_to(store, row, newest.seq)
    behind = [each for each in store.deliveries(keys).values() if not each.facts.ended and each.account == row.account]
    if behind:
        return First(behind[0])
    facts = _facts(store, keys)
    # Who was told none of the old words is told none of the new ones.
    words = about.words and words_of(newest.content.content)
    return (
        NOTHING_TO_DO
        if _never_came(facts) or not facts
        else replace(row, about=replace(about, words=words, provider_ids=_ids(facts)))
    )


def _deliveries_to(store: MessageStore, row: Delivery, seq: int) -> list[DeliveryKey]:
    """Those of another message of this conversation to the same address."""
    found, lane = store.messages([(row.conversation_id, seq)]), row.key.lane
    return [key for message in found.values() for key in keys_to(message, [(lane.channel, row.address)], lane.partition)]


def _facts(store: MessageStore, keys: Sequence[DeliveryKey]) -> list[Facts]:
    """What is known of these deliveries and of their newest resends."""
    rows = store.deliveries(keys) if keys else {}
    again = {key: key.resend(each.facts.resent_as) for key, each in rows.items() if each.facts.resent_as}
    resent = store.deliveries(list(again.values())) if again else {}
    return [each.facts for key in keys if key in rows for each in (rows[key], resent.get(again.get(key, key))) if each]


def _ids(facts: Sequence[Facts]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.provider_id for each in facts if each.provider_id))


def _never_came(facts: Sequence[Facts]) -> bool:
    """Whether all of these ended without the provider having taken them."""
    return bool(facts) and not _ids(facts) and all(state(each) in ENDS for each in facts)


def is_open(row: Delivery) -> bool:
    """Whether it is not known yet what the provider calls the message that this points at."""
    return row.about is not None and not row.about.provider_ids and bool(row.about.deliveries)


def is_modifier(row: Delivery) -> bool:
    """Whether it changes another message, and says nothing without it."""
    return isinstance(row.payload, MODIFIERS)


def outgoing(row: Delivery, words: str, limits: Limits, room: int | None = None) -> Outgoing:
    """The send of these words for a row. A quote that the channel cannot show stands before them, if it fits beside them.

    `room`: for how many words there is room; None: as for a text.
    """
    about = row.about
    if about is None or is_modifier(row):
        targets = _targets(row.payload, about.provider_ids if about else ())
        return Outgoing(row.address, words, str(row.key), targets=targets, as_human=row.as_human)
    if limits.quotes and about.provider_ids:
        return Outgoing(row.address, words, str(row.key), reply_to=each_id(about.provider_ids[0])[0], as_human=row.as_human)
    quoted = f"{QUOTED}{first_words(about.words)}\n{words}"
    fits = about.words and limits.measure(quoted) <= (limits.text_length if room is None else room)
    return Outgoing(row.address, quoted if fits else words, str(row.key), as_human=row.as_human)


def _targets(payload: Content, ids: Sequence[str]) -> tuple[str, ...]:
    """The messages that a change is about, of all that was sent of its target.

    All are taken back. The last send has the reaction: names stand before what they said. Of a send that became several
    messages, such as an album, the first has the words and the reactions.
    """
    if isinstance(payload, Deletion):
        return tuple(one for each in ids for one in each_id(each))
    firsts = tuple(each_id(each)[0] for each in ids)
    return firsts[-1:] if isinstance(payload, Reaction | Vote) else firsts


def goes_as_it_is(row: Delivery, limits: Limits) -> bool:
    """Whether the channel changes the other message itself; else people are told in words what is changed."""
    ids = row.about.provider_ids if row.about else ()
    if isinstance(row.payload, Edit) and len(ids) > 1:
        return False
    return bool(ids) and limits.carries(row.payload) and _fits(row, limits)


def _fits(row: Delivery, limits: Limits) -> bool:
    """Whether new words fit where the old ones are: beside a file there is less room than in a text."""
    content = as_spoken(row)
    if not isinstance(content, Edit):
        return True
    most = limits.caption_length if isinstance(content.content, Media) else limits.text_length
    return limits.measure(content.content.text) <= most


def as_spoken(row: Delivery) -> Content:
    """What is sent: new words with the speaker's name before them, where the words that they replace have it too.

    Those of a file are its caption. Were they put in place of a text that stands for it, its link would be gone.
    """
    content = row.payload
    if not isinstance(content, Edit):
        return content
    new = content.content
    if isinstance(new, Text) and row.about and row.about.is_file:
        new = Media("", new.text)
    if isinstance(new, Media):
        return replace(content, content=replace(new, text=caption(new, row.sender_name)))
    return replace(content, content=Text(said_by(row.sender_name, new.text)))


def in_words(row: Delivery, limits: Limits) -> str:
    """What people are told of a change that their channel cannot show."""
    spoken = said_by(row.sender_name, words_of(row.payload, row.about.words if row.about else ""))
    while limits.measure(spoken) > limits.text_length:
        spoken = f"{spoken[: len(spoken) * 9 // 10].rstrip('…')}…"
    return spoken
