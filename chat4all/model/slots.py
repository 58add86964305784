"""The sends of a message: one for each recipient, or for each part of what a recipient gets. Pure rules; no I/O.

Parts are made once, at acceptance, and frozen in the record; delivery rows read them. The index of a row is the running
number over recipients and their parts, in the frozen order. Without parts it is the number of the recipient.
"""

from collections.abc import Collection, Iterator

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Content, Media, Text
from chat4all.model.deliveries import DeliveryKey, Lane
from chat4all.model.messages import Message, Recipient


class Slot(Struct, frozen=True):
    """One call to one recipient: the row's `index`, and what it carries. `part` counts from 0, of `parts`."""

    index: int
    recipient: Recipient
    payload: Content
    sender_name: str
    part: int = 0
    parts: int = 1


def slots(message: Message) -> Iterator[Slot]:
    """All calls of a message, in order. Everything that looks for its rows finds them by these. Of a note there are none."""
    if message.is_internal:
        return
    index = 0
    for recipient in message.recipients:
        rendition = message.renditions[recipient.rendition - 1] if recipient.rendition else ()
        for part, said in enumerate(rendition):
            yield _part(message, recipient, index, part, len(rendition), said)
        if not rendition:
            yield Slot(index, recipient, message.payload, message.sender_name)
        index += max(1, len(rendition))


def delivery_key(message: Message, slot: Slot, partition: int) -> DeliveryKey:
    """Where the delivery of this slot is: in the lane of its channel and of its conversation's partition."""
    return DeliveryKey(Lane(slot.recipient.channel, partition), message.seq, slot.index)


def keys_to(
    message: Message, addresses: Collection[tuple[str, str]], partition: int, account: str | None = None
) -> list[DeliveryKey]:
    """The deliveries of a message to these addresses, each (channel, address); from this account, or from any."""
    return [
        delivery_key(message, slot, partition)
        for slot in slots(message)
        if (slot.recipient.channel, slot.recipient.address) in addresses and account in (None, slot.recipient.account)
    ]


def resent_key(message: Message, lane: Lane) -> DeliveryKey:
    """Which delivery a record in this lane sends again, if it is a resend, or takes over from, if it is a later leg."""
    first = Lane(message.first_channel, lane.partition) if message.first_channel else lane
    return DeliveryKey(first, message.resend_of, message.resend_index)


def _part(message: Message, recipient: Recipient, first: int, part: int, parts: int, said: str | Content) -> Slot:
    """Of a file the first part is the file itself, with the words beside it; all else is what stands there."""
    if not isinstance(said, str):
        return Slot(first + part, recipient, said, "", part, parts)
    if not part and isinstance(message.payload, Media):
        return Slot(first, recipient, replace(message.payload, text=said), message.sender_name, 0, parts)
    return Slot(first + part, recipient, Text(said), "", part, parts)


def rows(message: Message) -> int:
    """How many there are."""
    if message.is_internal:
        return 0
    return sum(len(message.renditions[each.rendition - 1]) if each.rendition else 1 for each in message.recipients)
