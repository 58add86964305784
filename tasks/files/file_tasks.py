"""Checks uploads, fetches files that providers bring, and deletes files that nobody needs.

Threads of the process do the work, because a large file takes longer than a task may. The state is in the file's row: work
that is lost here is found again by `sweep_files`.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chat4all.model.clock import DAY_MS, day_of, now_ms
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.files import FileStatus, StoredFile
from chat4all.ports.waker import CONVERT
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.files.file_lifecycle import VERIFY_DUE_MS, FileLifecycle
from chat4all.telemetry import logs
from tasks.conversion.job import convert, overdue
from tasks.files.file_news import tell
from tasks.files.media import Fetcher
from tasks.resources import Parts

log = logs.logger(__name__)

# Fetches wait for others, checks for our own disk: neither may take the other's threads. Conversions take a processor.
THREADS = {"verify_file": 2, "fetch_media": 4, CONVERT: 1}
TRIES = 5
PAUSE_S = 2.0
AT_ONCE = 200
LOOK_BACK_DAYS = 30
# Rows that were written a moment ago by a process whose clock is behind ours must not be passed over.
LAG_MS = 2_000


def verify(opened: Parts, file_id: str) -> None:
    """Compare what the store holds of a file with what was promised. Repeating it, or doing it twice at once, does no harm."""
    lifecycle = FileLifecycle(opened.store, opened.objects, opened.settings)
    file = opened.store.files([file_id]).get(file_id)
    if file is None or file.status is not FileStatus.VERIFYING:
        return
    try:
        lifecycle.joined(file)
        size, checksum = measured(opened, file.own_key)
    except Permanent as failure:
        # Another run may have come to an end meanwhile; then the row is no longer as we saw it, and this changes nothing.
        tell(opened, lifecycle.refused(file, failure.reason))
        return
    if size != file.size:
        tell(opened, lifecycle.refused(file, "size_mismatch"))
    elif checksum != file.checksum:
        tell(opened, lifecycle.refused(file, "checksum_mismatch"))
    else:
        tell(opened, lifecycle.finished(file, checksum, size))


def measured(opened: Parts, key: str) -> tuple[int, str]:
    """Size and sha256 of what the store holds, read as a stream."""
    digest, size = hashlib.sha256(), 0
    for chunk in opened.objects.read(key):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def jobs(opened: Parts, live: LiveChannels | None = None) -> dict[str, Callable[[str], None]]:
    """What is done for a file, by the task that asks for it."""
    fetch = Fetcher(opened, live=live).fetch
    return {"verify_file": partial(verify, opened), "fetch_media": fetch, CONVERT: partial(convert, opened)}


class FileWorker:
    """This process's threads for files. A file that is being worked on is not taken up a second time."""

    def __init__(self, opened: Parts, pause_s: float = PAUSE_S, live: LiveChannels | None = None) -> None:
        self._jobs, self._pause_s = jobs(opened, live), pause_s
        self._pools = {task: ThreadPoolExecutor(most, thread_name_prefix=task) for task, most in THREADS.items()}
        self._at: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def wake(self, task: str, file_id: str) -> None:
        """Do this soon. Does not block."""
        with self._lock:
            if (task, file_id) in self._at:
                return
            self._at.add((task, file_id))
        self._pools[task].submit(self._work, task, file_id)

    def close(self) -> None:
        """Take up nothing more, and wait for what is under way."""
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def _work(self, task: str, file_id: str) -> None:
        try:
            for _ in range(TRIES):
                try:
                    self._jobs[task](file_id)
                    return
                except Temporary as outage:
                    log.warning("file_waits", task=task, file_id=file_id, reason=outage.reason)
                    time.sleep(self._pause_s)
        except Exception:
            log.exception("file_work_failed", task=task, file_id=file_id)
        finally:
            with self._lock:
                self._at.discard((task, file_id))


class FileSweeper:
    """Looks at files whose time has come. Remembers how far it has come, day by day; a new process looks back a month."""

    def __init__(self) -> None:
        self._after: dict[str, tuple[int, str]] = {}

    def sweep(self, opened: Parts) -> None:
        """Look at a few of those that are due."""
        now = now_ms()
        days = [day_of(now - back * DAY_MS) for back in range(LOOK_BACK_DAYS, -1, -1)]
        self._after = {day: place for day, place in self._after.items() if day in days}
        for day in days:
            after = self._after.get(day, (0, ""))
            if after[0] < 0:
                continue
            page = opened.store.due_files(day, now - LAG_MS, after, AT_ONCE)
            files = opened.store.files([file_id for _, file_id in page]) if page else {}
            for place in page:
                look(opened, files.get(place[1]), now)
                self._after[day] = place
            if len(page) == AT_ONCE:
                return
            if day < days[-2]:
                self._after[day] = (-1, "")


def look(opened: Parts, file: StoredFile | None, now: int) -> None:
    """What is to be done with a file that was due."""
    if file is None or file.due_at > now or not file.due_at:
        return
    if file.untold:
        tell(opened, file)
        return
    lifecycle = FileLifecycle(opened.store, opened.objects, opened.settings)
    task = "verify_file" if file.status is FileStatus.VERIFYING else ""
    if file.status is FileStatus.UPLOADING:
        task = CONVERT if file.form else "fetch_media" if file.media else ""
    if task and now < file.expires_at:
        lifecycle.changed(file, due_at=now + VERIFY_DUE_MS * 2 ** (file.tries // TRIES))
        opened.waker.wake_file(task, file.file_id)
    elif task == CONVERT:
        overdue(lifecycle, file)
    else:
        lifecycle.look(file)
