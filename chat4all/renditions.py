"""What is made of a text that is too long for a channel, at acceptance: parts, frozen in the record. Pure rules; no I/O."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from chat4all.messages import Payload, Recipient, Text
from chat4all.ports import Channel
from chat4all.splitting import split

Renditions = tuple[tuple[str, ...], ...]


def rendered(
    payload: Payload, name: str, recipients: Sequence[Recipient], channels: Mapping[str, Channel]
) -> tuple[tuple[Recipient, ...], Renditions]:
    """The recipients, each told which rendition is theirs, and the renditions: one per distinct list of parts.

    In groups the speaker's name stands in front of the first part.
    """
    if not isinstance(payload, Text):
        return tuple(recipients), ()
    spoken = f"{name}: {payload.text}" if name else payload.text
    made: dict[tuple[str, ...], int] = {}
    number = dict.fromkeys((each.channel for each in recipients if each.address), 0)
    for each in number:
        limits = channels[each].limits
        if limits.measure(spoken) > limits.text_length:
            number[each] = made.setdefault(split(spoken, limits.text_length, limits.measure), len(made) + 1)
    told = [replace(each, rendition=number[each.channel]) if each.address else each for each in recipients]
    return tuple(told), tuple(made)
