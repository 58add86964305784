"""Answers that people write: where choices were offered, a number or an option's title chooses as a press of a button does.
A poll is voted on in the same way, and in one that takes several options by several numbers.

Only of choices that were the last thing sent to that very address, before the answer was written, with nothing in doubt about
them. The first to answer wins; what comes after it stays words (docs/decisions/content.md).
"""

import re
from collections.abc import Sequence
from typing import Protocol

from chat4all.model.content import Answer, Choices, Content, Option, Poll, Vote
from chat4all.model.deliveries import Delivery, DeliveryKey
from chat4all.model.messages import Message
from chat4all.model.records import partition_of
from chat4all.model.slots import keys_to
from chat4all.ports import Arrived, Inbound, MessageStore, Spoken

NUMBERS = re.compile(r"[0-9]{1,2}(?:(?:\s*[,;/&+]\s*|\s+)[0-9]{1,2})*")
NUMBER = re.compile(r"[#(]?([0-9]{1,2})[.)]?")
# Clocks of providers count whole seconds.
SECOND_MS = 1000


class Written(Protocol):
    """A message on its way in. `spoken`: what was said last to its address."""

    inbound: Inbound
    message_id: str
    owner: str
    spoken: Spoken | None

    @property
    def conversation_id(self) -> str:
        """Where it goes."""


def answers(store: MessageStore, partitions: int, written: Sequence[Written]) -> dict[str, Answer | Vote]:
    """By message_id, what these texts choose. Asks the store only where the last thing said offered choices."""
    choosing = [each for each in reversed(written) if _may_choose(each)]
    likely = {(each.conversation_id, each.spoken.asked): each for each in choosing if each.spoken}
    messages = store.messages(list(likely)) if likely else {}
    asked = []
    for place, message in messages.items():
        answer = read(likely[place].inbound.text, message.payload, message.message_id)
        if answer:
            asked.append((likely[place], message, answer))
    if not asked:
        return {}
    keys = {each.message_id: _keys(message, each.inbound, partitions) for each, message, _ in asked}
    rows = store.deliveries([key for some in keys.values() for key in some])
    return _first(store, [found for found in asked if _was_read(found[0].inbound, keys[found[0].message_id], rows)])


def _may_choose(written: Written) -> bool:
    inbound, spoken = written.inbound, written.spoken
    is_words = inbound.content is None and not (
        inbound.media or inbound.is_echo or inbound.speaker or inbound.edits or inbound.is_history
    )
    return is_words and spoken is not None and spoken.asked > 0 and spoken.conversation_id == written.conversation_id


def _keys(message: Message, inbound: Inbound, partitions: int) -> list[DeliveryKey]:
    """The deliveries that brought the choices to this address."""
    partition = partition_of(message.conversation_id, partitions)
    return keys_to(message, inbound.places, partition)


def read(text: str, asked: Content, message_id: str) -> Answer | Vote | None:
    """What these words say to what was asked; None: nothing."""
    if isinstance(asked, Choices):
        option = chosen(text, asked.options)
        return Answer(message_id, option.id, option.title) if option else None
    numbers = voted(text, asked) if isinstance(asked, Poll) else ()
    return Vote(message_id, numbers) if numbers else None


def voted(text: str, poll: Poll) -> tuple[int, ...]:
    """The numbers of the options that these words name; none: they are no vote."""
    options = [Option(str(number), title) for number, title in enumerate(poll.options, 1)]
    one = chosen(text, options)
    if one:
        return (int(one.id),)
    several = tuple(dict.fromkeys(map(int, re.findall("[0-9]+", text)))) if NUMBERS.fullmatch(text.strip()) else ()
    return several if poll.multiple and all(0 < each <= len(options) for each in several) else ()


def chosen(text: str, options: Sequence[Option]) -> Option | None:
    """The option that these words name: by its number, or by its title whatever the case."""
    number = NUMBER.fullmatch(text.strip())
    if number:
        place = int(number[1])
        return options[place - 1] if 0 < place <= len(options) else None
    titles = [each for each in options if each.title.strip().casefold() == text.strip().casefold()]
    return titles[0] if len(titles) == 1 else None


def _was_read(inbound: Inbound, keys: Sequence[DeliveryKey], rows: dict[DeliveryKey, Delivery]) -> bool:
    """Whether the person can have read the choices when they wrote: all of it was sent by then."""
    sent = [rows[key].facts.sent_at for key in keys if key in rows]
    return bool(keys) and len(sent) == len(keys) and all(0 < at < inbound.at + SECOND_MS for at in sent)


def _first(store: MessageStore, found: Sequence[tuple[Written, Message, Answer | Vote]]) -> dict[str, Answer | Vote]:
    """Of several answers to the same choices from the same address the first that was registered."""
    marks = [
        (
            each.inbound.channel,
            each.inbound.account,
            f"answer:{message.message_id}:{each.inbound.address}",
            Arrived(each.conversation_id, each.message_id, each.owner),
        )
        for each, message, _ in found
    ]
    kept = store.register_inbound(marks) if marks else []
    return {
        each.message_id: answer
        for (each, _, answer), first in zip(found, kept, strict=True)
        if first.message_id == each.message_id
    }
