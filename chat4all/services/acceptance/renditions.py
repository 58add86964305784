"""Parts of texts that are too long for a channel, made at acceptance and frozen in the record. Pure rules; no I/O."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from chat4all.model.messages import File, Payload, Recipient
from chat4all.model.text_splitting import split
from chat4all.ports import Channel, Limits
from chat4all.services.acceptance.attachments import LINK_MOST, caption, with_link

Renditions = tuple[tuple[str, ...], ...]


def rendered(
    payload: Payload, name: str, recipients: Sequence[Recipient], channels: Mapping[str, Channel]
) -> tuple[tuple[Recipient, ...], Renditions]:
    """The recipients, each told which rendition is theirs, and the renditions: one per distinct list of parts."""
    made: dict[tuple[str, ...], int] = {}
    number = dict.fromkeys((each.channel for each in recipients if each.address), 0)
    for each in number:
        texts = _parts(payload, name, channels[each].limits)
        if texts:
            number[each] = made.setdefault(texts, len(made) + 1)
    if not made:
        return tuple(recipients), ()
    rendered_recipients = [replace(each, rendition=number[each.channel]) if each.address else each for each in recipients]
    return tuple(rendered_recipients), tuple(made)


def _parts(payload: Payload, name: str, limits: Limits) -> tuple[str, ...]:
    """The parts that these words need; none where they fit. In groups the speaker's name stands in front of them.

    Words that fit neither beside a file nor beside the link that stands for it follow the file.
    """
    spoken = f"{name}: {payload.text}" if name else payload.text
    if not isinstance(payload, File):
        return split(spoken, limits.text_length, limits.measure) if limits.measure(spoken) > limits.text_length else ()
    if not payload.text or _fit_beside(payload, name, limits):
        return ()
    return ("", *split(spoken, limits.text_length, limits.measure))


def _fit_beside(payload: File, name: str, limits: Limits) -> bool:
    words = caption(payload, name)
    if limits.measure(with_link(words, payload, "x" * LINK_MOST)) <= limits.text_length:
        return True
    # Of what a provider brought the size is not known yet: it may have to go as a link.
    return bool(payload.object_key) and limits.takes(payload.mime_type, payload.size, words)
