"""Files on Telegram: how one is given to it, and what it calls one that was sent."""

from math import ceil
from typing import Any

from chat4all.channels.multipart import FilePayload
from chat4all.model.clock import DAY_MS
from chat4all.model.content import Media
from chat4all.ports import Body, FileLink, MediaSource, Uploaded

# Any type; a picture beyond what is shown as one goes as a document.
BY_UPLOAD = {"": 50 << 20}
# Telegram names no end; after this time a file is given to it again.
KEPT_MS = 90 * DAY_MS
REFUSED_MOST = 10_000


def given(file: Media, source: MediaSource) -> Any:
    """What the library is given in the file's place: a link, what it was uploaded as, or its name and bytes."""
    if isinstance(source, Body):
        return (file.filename or "file", FilePayload(source, file.mime_type))
    return source.url if isinstance(source, FileLink) else source.handle


def limit(*sources: MediaSource) -> dict[str, Any]:
    """The time limit of a call that carries files."""
    seconds = sum(each.seconds for each in sources if isinstance(each, Body))
    return {"timeout": ceil(seconds)} if seconds else {}


def uploaded(kind: str, sent: Any) -> Uploaded | None:
    """What Telegram calls the file of a message that it sent. It may have made something else of it than was asked for."""
    kept = getattr(sent, kind, None)
    largest = kept[-1] if isinstance(kept, list) and kept else kept
    handle = getattr(largest, "file_id", "")
    return Uploaded.now(handle, KEPT_MS) if isinstance(handle, str) and handle else None


class Refused:
    """The files that Telegram did not show as what they are: too wide, too narrow, or of a kind that it cannot read.

    They go as documents from then on. A process that does not know it yet tries once more.
    """

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def __contains__(self, file: Media) -> bool:
        return file.object_key in self._known

    def add(self, file: Media) -> None:
        """This one, and no more than so many; the oldest are forgotten."""
        self._known[file.object_key] = None
        if len(self._known) > REFUSED_MOST:
            del self._known[next(iter(self._known))]
