"""The parts that a message goes in on each channel, made at acceptance and frozen in the record. Pure rules; no I/O."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from msgspec.structs import replace

from chat4all.model.content import Album, Content, Edit, Media, Text
from chat4all.model.media_forms import FORMS, MediaForm, as_formed, form_for
from chat4all.model.messages import Recipient
from chat4all.model.text_splitting import split
from chat4all.ports import Channel, Limits
from chat4all.services.acceptance.adaptation import Parts, adapted
from chat4all.services.acceptance.attachments import LINK_MOST, caption, with_link

Renditions = tuple[Parts, ...]
# A channel, perhaps with the sort of address there.
Way = TypeVar("Way")


def rendered(
    payload: Content, name: str, recipients: Sequence[Recipient], channels: Mapping[str, Channel]
) -> tuple[tuple[Recipient, ...], Renditions]:
    """The recipients, each told which rendition is theirs, and the renditions: one per distinct list of parts."""
    reached = [each for each in recipients if each.address]
    ways = {each: (each.channel, channels[each.channel].limits.kind_of(each.address)) for each in reached}
    limits = {(channel, kind): channels[channel].limits.at(kind) for channel, kind in dict.fromkeys(ways.values())}
    number, renditions = _numbered({way: _parts(payload, name, each, channels[way[0]]) for way, each in limits.items()})
    if not renditions:
        return tuple(recipients), ()
    return tuple(
        replace(each, rendition=number.get(ways[each], 0)) if each in ways else each for each in recipients
    ), renditions


def long_edits(edit: Edit, name: str, channels: Mapping[str, Channel]) -> tuple[dict[str, int], Renditions]:
    """Which rendition goes to each channel where the new words need several sends: there they are told as words."""
    spoken = Text(edit.as_text())
    return _numbered({channel: adapted(spoken, name, each.limits) for channel, each in channels.items()})


def _numbered(parts: Mapping[Way, Parts]) -> tuple[dict[Way, int], Renditions]:
    """The rendition of each way, counted from 1, and the distinct ones. Ways that need none are left out."""
    renditions: list[Parts] = []
    for each in parts.values():
        if each and each not in renditions:
            renditions.append(each)
    return {way: renditions.index(each) + 1 for way, each in parts.items() if each}, tuple(renditions)


def _parts(payload: Content, name: str, limits: Limits, channel: Channel) -> Parts:
    """The parts that it goes in; none: it goes as it is. In groups the speaker's name stands in front."""
    if isinstance(payload, Album):
        return _album(payload, name, limits, channel)
    return _file(payload, name, limits) if isinstance(payload, Media) else adapted(payload, name, limits)


def _file(payload: Media, name: str, limits: Limits) -> Parts:
    """Words that do not fit beside a file, or beside the link that stands for one that the channel does not take, follow it."""
    words = caption(payload, name)
    form = form_for(payload, limits.shown)
    if form:
        return _converted(replace(payload, form=form.name), form, words, limits)
    if limits.takes(payload.mime_type, payload.size, ""):
        alone, follow = replace(payload, text=""), split(words, limits.text_length, limits.measure)
        if _fits(payload, words, limits):
            return ()
        return (alone, *follow) if payload.text else (Text(words), alone)
    if not payload.text or _fits_with_link(payload, words, limits):
        return ()
    return ("", *split(words, limits.text_length, limits.measure))


def _converted(file: Media, form: MediaForm, words: str, limits: Limits) -> Parts:
    """A file that is converted before it goes. It may have to go as a link all the same, so words beside it fit there too."""
    alone, follow = replace(file, text=""), split(words, limits.text_length, limits.measure)
    if not words:
        return (alone,)
    is_beside = form.has_words and limits.measure(words) <= limits.caption_length and _fits_with_link(file, words, limits)
    if is_beside:
        return (replace(file, text=words),)
    return (alone, *follow) if file.text else (Text(words), alone)


def _album(album: Album, name: str, limits: Limits, channel: Channel) -> Parts:
    """One send for those that it may carry together, and one for each other, with the words beside the first."""
    parts: Parts = _sends(album, limits, channel)
    first, words = parts[0], caption(album, name)
    if isinstance(first, Media | Album) and _fits_beside(first, words, limits):
        parts = (replace(first, text=words), *parts[1:])
    elif words:
        parts = (*parts, *split(words, limits.text_length, limits.measure)) if album.text else (words, *parts)
    return () if parts == (album,) else parts


def _sends(album: Album, limits: Limits, channel: Channel) -> tuple[Media | Album, ...]:
    """Neighbours of one group go together, if the channel has albums and takes them all; without words as yet."""
    has_albums = limits.carries(album)

    def group(file: Media) -> str:
        shown = as_formed(file)
        return channel.album_group(shown) if has_albums and limits.takes(shown.mime_type, shown.size, "") else ""

    formed = [replace(each, form=form.name) if (form := form_for(each, limits.shown)) else each for each in album.items]
    sends: list[Media | Album] = []
    for name, some in groupby(formed, group):
        files = tuple(some)
        sends += [Album(files)] if name and len(files) > 1 else files
    return tuple(sends)


def _fits_beside(first: Media | Album, words: str, limits: Limits) -> bool:
    """Whether the words fit beside what goes first."""
    if isinstance(first, Media) and first.form and not FORMS[first.form].has_words:
        return False
    if isinstance(first, Album) or limits.takes(first.mime_type, first.size, ""):
        return limits.measure(words) <= limits.caption_length
    return _fits_with_link(first, words, limits)


def _fits(payload: Media, words: str, limits: Limits) -> bool:
    """Whether they fit beside it. Of what a provider brought the size is not known yet: it may have to go as a link."""
    fits = limits.measure(words) <= limits.caption_length
    return fits and (bool(payload.object_key) or _fits_with_link(payload, words, limits))


def _fits_with_link(payload: Media, words: str, limits: Limits) -> bool:
    return limits.measure(with_link(words, payload, "x" * LINK_MOST)) <= limits.text_length
