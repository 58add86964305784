"""One conversion, from the row that asks for it to the object that comes of it, or the reason why nothing does.

The state is in the row. A try is counted before it begins, so that what kills its process again and again comes to an end.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.file_signatures import HEAD_BYTES, true_type
from chat4all.model.files import FileStatus, StoredFile
from chat4all.model.media_forms import FORMS, READ_MOST, SUFFIXES, MediaForm
from chat4all.services.files.file_lifecycle import FileLifecycle
from chat4all.services.files.seen import Seen
from chat4all.telemetry import logs, metrics
from tasks.conversion.orders import KILLED, TIMEOUT, TOO_LARGE, UNREADABLE, Result
from tasks.conversion.sandbox import BOUNDS, Bounds, converted, files_of, folder
from tasks.resources import Parts

log = logs.logger(__name__)

TRIES = 3
# Beside the conversion itself: bringing the bytes here, and what came of them into the store.
CARRY_S = 60
# An outage is nobody's fault: it is looked at again so soon.
OUTAGE_MS = 30_000
# What is made on a day is used on that day; the next one makes its own. A link to it lives on for an hour.
KEPT_MS = 2 * DAY_MS
CHUNK = 1 << 20


# Makes a form of a file, as `sandbox.converted` does.
Maker = Callable[[Path, MediaForm, str, int, Bounds], Result]


def convert(
    opened: Parts, file_id: str, bounds: Bounds = BOUNDS, makes: Maker = converted, clock: Callable[[], int] = now_ms
) -> None:
    """Make what this row asks for. Repeating it, or doing it twice at once, does no harm. Temporary in an outage."""
    conversion = Conversion(opened, bounds, makes, clock)
    while begun := conversion.begun(file_id):
        if conversion.ended(begun):
            return


def give_up(lifecycle: FileLifecycle, file: StoredFile, reason: str, detail: str = "") -> None:
    """Nothing comes of it, for this reason: who waits for it sends the file as it is."""
    until = now_ms() + KEPT_MS
    if lifecycle.changed(file, status=FileStatus.FAILED, reason=reason, due_at=until, expires_at=until, busy_until=0):
        metrics.CONVERSIONS.of(file.form, reason).add()
        log.warning("not_converted", form=file.form, mime_type=file.mime_type, reason=reason, why=detail)


class Conversion:
    """The steps of one, on these stores."""

    def __init__(self, opened: Parts, bounds: Bounds, makes: Maker, clock: Callable[[], int]) -> None:
        self._opened, self._bounds, self._makes, self._clock = opened, bounds, makes, clock
        self._lifecycle = FileLifecycle(opened.store, opened.objects, opened.settings, clock)
        self._cpu_s = opened.settings.conversion_cpu_s

    def begun(self, file_id: str) -> StoredFile | None:
        """The row, with one more try, until when it is ours; None: there is nothing to do, or somebody is at it."""
        file, now = self._opened.store.files([file_id]).get(file_id), self._clock()
        if file is None or file.status is not FileStatus.UPLOADING or file.form not in FORMS or now < file.busy_until:
            return None
        if file.tries >= TRIES:
            give_up(self._lifecycle, file, KILLED, f"{TRIES} times")
            return None
        until = now + (self._bounds.most_s(self._cpu_s) + CARRY_S) * 1000
        return self._lifecycle.changed(file, tries=file.tries + 1, busy_until=until, due_at=until)

    def ended(self, file: StoredFile) -> bool:
        """Try it once. False: its process was killed, and it may be tried again."""
        begun, lifecycle = time.perf_counter(), self._lifecycle
        try:
            with folder() as place:
                result = self._made(place, file)
                if result.reason == KILLED:
                    lifecycle.changed(file, busy_until=0)
                    return False
                if result.reason:
                    give_up(lifecycle, file, result.reason, result.detail)
                else:
                    self._keep(replace(file, mime_type=result.mime_type, busy_until=0), files_of(place)[1])
                    metrics.CONVERSIONS.of(file.form, "made").add()
        except Permanent as failure:
            give_up(lifecycle, file, failure.reason, failure.detail)
        except Temporary:
            lifecycle.changed(file, tries=file.tries - 1, busy_until=0, due_at=self._clock() + OUTAGE_MS)
            raise
        metrics.CONVERSION_SECONDS.of(file.form)(time.perf_counter() - begun)
        return True

    def _made(self, place: Path, file: StoredFile) -> Result:
        """What came of it; where something did, it is in the folder, and is what it is said to be."""
        form, (source, made) = FORMS[file.form], files_of(place)
        mime_type = true_type(file.mime_type, self._fetched(file.source, source))
        if mime_type not in form.reads:
            return Result(reason=UNREADABLE, detail=f"it is {mime_type}")
        result = self._makes(place, form, mime_type, self._cpu_s, self._bounds)
        if result.reason:
            return result
        size = made.stat().st_size if made.is_file() else 0
        if not 0 < size <= form.bytes_most:
            return Result(reason=TOO_LARGE, detail=f"{size} bytes")
        with made.open("rb") as file_made:
            is_so = result.mime_type in SUFFIXES and true_type(result.mime_type, file_made.read(HEAD_BYTES)) == result.mime_type
        return result if is_so else Result(reason=UNREADABLE, detail="what was made of it is something else")

    def _fetched(self, object_key: str, source: Path) -> bytes:
        """Bring the bytes here; how they begin."""
        size, seen = 0, Seen()
        with source.open("xb") as file:
            for chunk in seen.all(self._opened.objects.read(object_key)):
                size += len(chunk)
                if size > READ_MOST:
                    raise Permanent(TOO_LARGE, f"more than {READ_MOST} bytes")
                file.write(chunk)
        return seen.head

    def _keep(self, file: StoredFile, made: Path) -> None:
        seen = Seen()
        size = self._opened.objects.put(file.own_key, seen.all(_chunks(made)))
        ready = self._lifecycle.finished(file, seen.digest.hexdigest(), size)
        if ready:
            self._lifecycle.changed(ready, due_at=self._clock() + KEPT_MS)


def _chunks(made: Path) -> Iterator[bytes]:
    with made.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def overdue(lifecycle: FileLifecycle, file: StoredFile) -> None:
    """Nobody converted it in time."""
    give_up(lifecycle, file, TIMEOUT, "nobody was free for it")
