"""How a file is sent: by what it was uploaded as, by a link, or, where the channel does not take it, as a text with a link."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Media, Text
from chat4all.model.deliveries import Delivery
from chat4all.model.files import FileStatus, name_of_link
from chat4all.ports import Limits, MessageStore, Outgoing
from chat4all.services.acceptance.attachments import caption, with_link
from tasks.lanes.pointing import outgoing
from tasks.resources import Parts

# What a channel may take beyond the limit that it keeps itself before it is cut off.
CALL_SLACK = 1.2
# With words beside them some channels show these as something else, so no quote is put there.
WORDLESS = frozenset({"sticker", "voice", "audio"})


class Pending(Struct, frozen=True):
    """The file is still being fetched, or converted."""


def arrived(store: MessageStore, payload: Media) -> Callable[[], Media | Text | Pending]:
    """Asks what has become of a file that a provider brought. One that did not come is told by the words beside it."""

    def ask() -> Media | Text | Pending:
        file = store.files([payload.file_id]).get(payload.file_id)
        if file is None or file.is_gone or file.status is FileStatus.FAILED:
            return Text(payload.text or f"[{payload.filename}]")
        if file.status is not FileStatus.READY:
            return Pending()
        return replace(payload, filename=file.filename, mime_type=file.mime_type, size=file.size, object_key=file.object_key)

    return ask


def beside(row: Delivery, payload: Media, limits: Limits) -> Outgoing:
    """The send of a file, with the words beside it: for what it goes as depends on whether there are any."""
    words = caption(payload, row.sender_name)
    may_have_words = words or payload.shown_as not in WORDLESS
    return outgoing(row, words, limits, limits.caption_length if may_have_words else 0)


def linked(parts: Parts, row: Delivery, payload: Media, limits: Limits) -> Outgoing:
    """The send of a text with a link to the file. URLs are signed anew at each attempt, for the store's public address."""
    words = caption(payload, row.sender_name)
    name = name_of_link(payload.filename)
    url = parts.objects.sign_get(payload.object_key, name, payload.mime_type, parts.settings.file_link_s)
    return outgoing(row, with_link(words, payload, url), limits)
