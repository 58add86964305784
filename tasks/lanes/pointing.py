"""How a send points at another message: by the provider's id of it, or, where there is none or the channel cannot, in words.

Adapting here never changes how many sends there are: that was decided at acceptance.
"""

from collections.abc import Callable

from msgspec.structs import replace

from chat4all.model.content import MODIFIERS, Edit, Reaction, first_words, words_of
from chat4all.model.deliveries import (
    NOTHING_TO_DO,
    REPLACED,
    WITHDRAWALS,
    Delivery,
    DeliveryKey,
    Pointer,
    State,
    reason,
    state,
)
from chat4all.ports import Limits, MessageStore, Outgoing

QUOTED = "> "


TARGET_NOT_SENT = "target_not_sent"


def resolved(store: MessageStore, row: Delivery) -> Callable[[], Delivery | str]:
    """Asks what the provider calls the message that this row points at; a reason: there is nothing to send. Blocks.

    An edit of what was withdrawn for it goes out as the message itself.
    """

    def ask() -> Delivery | str:
        about = row.about or Pointer("")
        keys = [DeliveryKey.parse(each) for each in about.deliveries]
        rows = store.deliveries(keys) if keys else {}
        again = {key: key.resend(each.facts.resent_as) for key, each in rows.items() if each.facts.resent_as}
        resent = store.deliveries(list(again.values())) if again else {}
        facts = [each.facts for key in keys if key in rows for each in (rows[key], resent.get(again.get(key, key))) if each]
        ids = tuple(dict.fromkeys(each.provider_id for each in facts if each.provider_id))
        if not ids and is_modifier(row) and facts and all(state(each) is State.FAILED for each in facts):
            return _of_what_was_not_sent(row, {reason(each) for each in facts})
        return replace(row, about=replace(about, provider_ids=ids))

    return ask


def _of_what_was_not_sent(row: Delivery, reasons: set[str]) -> Delivery | str:
    if isinstance(row.payload, Edit) and REPLACED in reasons:
        return replace(row, payload=row.payload.content, about=None)
    return NOTHING_TO_DO if reasons & WITHDRAWALS else TARGET_NOT_SENT


def is_open(row: Delivery) -> bool:
    """Whether it is not known yet what the provider calls the message that this points at."""
    return row.about is not None and not row.about.provider_ids and bool(row.about.deliveries)


def is_modifier(row: Delivery) -> bool:
    """Whether it changes another message, and says nothing without it."""
    return isinstance(row.payload, MODIFIERS)


def outgoing(row: Delivery, words: str, limits: Limits, room: int = 0) -> Outgoing:
    """The send of these words for a row. A quote that the channel cannot show stands before them, if it fits beside them.

    `room`: for how many words there is room; 0: as for a text.
    """
    about = row.about
    if about is None or is_modifier(row):
        ids = about.provider_ids if about else ()
        # Of what went in several sends all are taken back, and the last has the reaction: names stand before what they said.
        return Outgoing(row.address, words, str(row.key), targets=ids[-1:] if isinstance(row.payload, Reaction) else ids)
    if limits.quotes and about.provider_ids:
        return Outgoing(row.address, words, str(row.key), reply_to=about.provider_ids[0])
    quoted = f"{QUOTED}{first_words(about.words)}\n{words}"
    fits = about.words and limits.measure(quoted) <= (room or limits.text_length)
    return Outgoing(row.address, quoted if fits else words, str(row.key))


def goes_as_it_is(row: Delivery, limits: Limits) -> bool:
    """Whether the channel changes the other message itself; else people are told in words what is changed."""
    ids = row.about.provider_ids if row.about else ()
    if isinstance(row.payload, Edit) and len(ids) > 1:
        return False
    return bool(ids) and limits.carries(row.payload)


def in_words(row: Delivery, limits: Limits) -> str:
    """What people are told of a change that their channel cannot show."""
    words = words_of(row.payload, row.about.words if row.about else "")
    spoken = f"{row.sender_name}: {words}" if row.sender_name else words
    while limits.measure(spoken) > limits.text_length:
        spoken = f"{spoken[: len(spoken) * 9 // 10].rstrip('…')}…"
    return spoken
