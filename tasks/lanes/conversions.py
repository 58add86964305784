"""Files that are converted before they go: asked for, waited for, and sent as they are where nothing came of it.

The conversion itself is a task of its own (`tasks/conversion`); a lane only looks whether it is done.
"""

from collections.abc import Callable
from functools import lru_cache
from uuid import uuid4

from msgspec.structs import replace

from chat4all.model.clock import day_of, now_ms
from chat4all.model.content import Media
from chat4all.model.failures import Permanent
from chat4all.model.files import FileStatus, StoredFile
from chat4all.model.ids import conversion_file_id
from chat4all.model.media_codecs import codecs
from chat4all.model.media_forms import FORMS, MediaForm, as_converted, form_despite, form_for
from chat4all.ports import Limits, ObjectStore
from chat4all.ports.waker import CONVERT
from tasks.lanes.outgoing_files import Pending
from tasks.resources import Parts

# A worker is asked to convert at once; when it did not hear, the sweep asks.
DUE_MS = 5_000
# A conversion that nobody has done by then is given up: nobody does any, or there are too many before it.
LIFE_MS = 15 * 60_000
# Of so many files it is remembered what is inside.
LOOKED_AT = 1024


def in_its_form(parts: Parts, file: Media, limits: Limits, clock: Callable[[], int] = now_ms) -> Callable[[], Media | Pending]:
    """Asks for the file as what it was to be converted to; as it is, where that cannot be, or is not needed. Blocks.

    Of a file that a provider brought it turns out only now what it is.
    """

    def ask() -> Media | Pending:
        as_it_is = replace(file, form="")
        form = form_for(as_it_is, limits.shown)
        if form is None:
            form = _for_its_codecs(parts, as_it_is, limits)
        elif file.form not in FORMS:
            return as_it_is
        if form is None:
            return as_it_is
        now = clock()
        row = _known(parts, replace(file, form=form.name), now)
        if row.status is FileStatus.READY:
            return as_converted(file, row.mime_type, row.size, row.object_key)
        if row.status is FileStatus.UPLOADING and now < row.created_at + LIFE_MS:
            return Pending()
        return as_it_is

    return ask


def _for_its_codecs(parts: Parts, file: Media, limits: Limits) -> MediaForm | None:
    """What it must become, where the channel takes its container, and not what is inside."""
    taken = limits.codecs.get(file.mime_type)
    form = form_despite(file, limits.shown) if taken and file.object_key else None
    return form if taken and form and not _inside(parts.objects, file.object_key, file.mime_type, file.size) <= taken else None


@lru_cache(LOOKED_AT)
def _inside(objects: ObjectStore, object_key: str, mime_type: str, size: int) -> frozenset[str]:
    """Its codecs, as far as they can be told. Objects never change. Temporary in an outage."""

    def read(first: int, end: int) -> bytes:
        return b"".join(objects.read(object_key, first, end - 1)) if end > first else b""

    try:
        return codecs(mime_type, size, read)
    except Permanent:
        # It is gone: the send says so.
        return frozenset()


def _known(parts: Parts, file: Media, now: int) -> StoredFile:
    """The row of the conversion; who is the first to need it asks for it."""
    file_id = conversion_file_id(file.object_key, file.form, day_of(now))
    kept = parts.store.files([file_id]).get(file_id)
    if kept:
        return kept
    wanted = StoredFile(
        file_id=file_id,
        conversation_id="",
        owner="",
        filename=file.filename,
        mime_type=file.mime_type,
        size=0,
        part_size=0,
        created_at=now,
        due_at=now + DUE_MS,
        expires_at=now + LIFE_MS,
        key=str(uuid4()),
        source=file.object_key,
        form=file.form,
    )
    [kept] = parts.store.add_files([wanted])
    if kept == wanted:
        parts.waker.wake_file(CONVERT, file_id)
    return kept
