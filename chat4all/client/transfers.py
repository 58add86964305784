"""Files in the Python client: uploads in parallel parts that can be interrupted and continued; downloads likewise.

An upload keeps a note beside the login until it is complete. When it is started again for the same file and conversation,
it asks the server which parts are there and sends the rest.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import msgspec
import requests
from msgspec import Struct

from chat4all.client.connection import UNREACHABLE, ApiError, Connection, wait_s

PARALLEL = 4
CHUNK = 256 << 10
TIMEOUT_S = 60.0
VERIFY_LIMIT_S = 900.0
POLL_S = 0.5
AGAIN = frozenset({403, 408, 429, 500, 502, 503, 504})

Progress = Callable[[int], None]
Then = Callable[[dict[str, Any], bool], None]


class UploadNote(Struct, frozen=True):
    """An upload that has begun: which file, as it was then, under which id."""

    file_id: str
    size: int
    changed_ns: int


class UploadNotes:
    """Uploads that are not complete, in a folder of this machine; None keeps no notes."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def _place(self, server: str, path: Path, conversation_id: str) -> Path | None:
        if self._folder is None:
            return None
        named = hashlib.sha256(f"{server}\n{path.resolve()}\n{conversation_id}".encode()).hexdigest()
        return self._folder / f"{named[:32]}.json"

    def read(self, server: str, path: Path, conversation_id: str) -> UploadNote | None:
        """The note on this file, if the file is still as it was then."""
        place = self._place(server, path, conversation_id)
        try:
            note = msgspec.json.decode(place.read_bytes(), type=UploadNote) if place else None
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        now = path.stat()
        return note if note and (note.size, note.changed_ns) == (now.st_size, now.st_mtime_ns) else None

    def write(self, server: str, path: Path, conversation_id: str, file_id: str) -> None:
        """Remember an upload."""
        place, now = self._place(server, path, conversation_id), path.stat()
        if place:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = place.with_suffix(".new")
            draft.write_bytes(msgspec.json.encode(UploadNote(file_id, now.st_size, now.st_mtime_ns)))
            draft.replace(place)

    def forget(self, server: str, path: Path, conversation_id: str) -> None:
        """It is complete."""
        place = self._place(server, path, conversation_id)
        if place:
            place.unlink(missing_ok=True)


class Upload:
    """One file on its way up. `progress` is told how many more bytes are there; negative when a part has to be sent again."""

    def __init__(self, http: Connection, path: Path, conversation_id: str, notes: UploadNotes, progress: Progress) -> None:
        self._http, self._path, self._conversation, self._notes = http, path, conversation_id, notes
        self._progress = progress
        self._stopped, self._ended = threading.Event(), threading.Event()

    def run(self, mime_type: str = "", parallel: int = PARALLEL, then: Then | None = None) -> dict[str, Any]:
        """Bring what is missing and complete; the file as the API gives it. ApiError when that is refused or does not pass.

        `then` is told the finished file, and whether an earlier run had finished it, before the note of it goes: cut in
        between, the next run comes to `then` at once.
        """
        known = self._known()
        was_there = known.get("status") == "ready"
        if was_there:
            self._progress(self._path.stat().st_size)
        else:
            known = self._finish(known.get("file_id") or self._begin(mime_type), parallel)
        if then:
            then(known, was_there)
        self._notes.forget(self._http.base_url, self._path, self._conversation)
        return known

    def _finish(self, file_id: str, parallel: int) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as hashing:
            checksum = hashing.submit(_checksum, self._path, self._ended)
            try:
                self._bring_all(file_id, parallel)
                return self._complete(file_id, checksum.result())
            finally:
                self._ended.set()

    def _known(self) -> dict[str, Any]:
        """The file that the note names, as the API gives it; nothing without a note, or when the file has expired."""
        note = self._notes.read(self._http.base_url, self._path, self._conversation)
        if note is None:
            return {}
        try:
            return self._http.call("GET", f"/v1/files/{note.file_id}")
        except ApiError as error:
            if error.status != 404:
                raise
            return {}

    def _begin(self, mime_type: str) -> str:
        """A new upload, and a note of it."""
        body = {"conversation_id": self._conversation, "filename": self._path.name, "size": self._path.stat().st_size}
        body |= {"mime_type": mime_type} if mime_type else {}
        begun = self._http.call("POST", "/v1/files/initiate", body, key=str(uuid4()))
        self._notes.write(self._http.base_url, self._path, self._conversation, begun["file_id"])
        return str(begun["file_id"])

    def _bring_all(self, file_id: str, parallel: int) -> None:
        """Rounds, each with freshly signed URLs, until no part is missing."""
        first, failures = True, 0
        while True:
            try:
                there = self._http.call("GET", f"/v1/files/{file_id}/parts")
            except ApiError as error:
                if error.code == "upload_over":
                    self._progress(self._path.stat().st_size if first else 0)
                    return
                raise
            if first:
                self._progress(sum(each["size"] for each in there["uploaded"]))
            if not there["parts"]:
                return
            first = False
            arrived = self._round(there, parallel)
            failures = 0 if arrived else failures + 1
            if failures == self._http.tries:
                raise ApiError(UNREACHABLE, "store_unreachable", "the object store does not take the parts")
            if not arrived:
                time.sleep(wait_s(failures))

    def _round(self, there: dict[str, Any], parallel: int) -> int:
        """Bring the missing parts side by side; how many came through."""
        with ThreadPoolExecutor(parallel) as pool:
            tasks = [pool.submit(self._bring, part, there["part_size"]) for part in there["parts"]]
            try:
                wait(tasks, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()
                for task in tasks:
                    task.cancel()
        self._stopped.clear()
        return sum(task.result() for task in tasks if not task.cancelled())

    def _bring(self, part: dict[str, Any], part_size: int) -> bool:
        """One part; False when it may be tried again. ApiError when it may not."""
        start = (part["number"] - 1) * part_size
        with self._path.open("rb") as file:
            file.seek(start)
            body = _Part(file, min(part_size, self._path.stat().st_size - start), self._progress, self._stopped)
            try:
                answer = requests.put(part["url"], data=body, timeout=TIMEOUT_S)
            except requests.RequestException:
                answer = None
        if answer is not None and answer.ok:
            return True
        self._progress(-body.read_so_far)
        if answer is not None and answer.status_code not in AGAIN:
            raise ApiError(answer.status_code, "part_refused", f"the object store refuses part {part['number']}")
        return False

    def _complete(self, file_id: str, checksum: str) -> dict[str, Any]:
        body = {"file_id": file_id, "checksum": checksum}
        try:
            done = self._http.call("POST", "/v1/files/complete", body)
        except ApiError as error:
            if error.code in ("checksum_mismatch", "size_mismatch"):
                # Which part is wrong is not known: the next run begins anew.
                self._notes.forget(self._http.base_url, self._path, self._conversation)
            if error.status != UNREACHABLE:
                raise
            # The answer was long in coming; the worker is at it all the same.
            done = self._http.call("GET", f"/v1/files/{file_id}")
        limit = time.monotonic() + VERIFY_LIMIT_S
        while done["status"] == "verifying" and time.monotonic() < limit:
            time.sleep(POLL_S)
            done = self._http.call("GET", f"/v1/files/{file_id}")
        if done["status"] != "ready":
            raise ApiError(422, done.get("reason", "not_ready"), f"the file is {done['status']}")
        return done


class _Part:
    """A part as requests reads it: by chunks, with its length known, so that it is never held whole."""

    def __init__(self, file: IO[bytes], size: int, progress: Progress, stopped: threading.Event) -> None:
        self._file, self._left, self._progress, self._stopped = file, size, progress, stopped
        self._size = size
        self.read_so_far = 0

    def __len__(self) -> int:
        return self._size

    def read(self, amount: int = -1) -> bytes:
        """At most a chunk. Raises when the upload is being stopped."""
        if self._stopped.is_set():
            raise requests.ConnectionError("stopped")
        wanted = CHUNK if amount < 0 else min(amount, CHUNK)
        chunk = self._file.read(min(wanted, self._left))
        self._left -= len(chunk)
        self.read_so_far += len(chunk)
        self._progress(len(chunk))
        return chunk


def _checksum(path: Path, ended: threading.Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if ended.is_set():
                break
            digest.update(chunk)
    return digest.hexdigest()


def download(http: Connection, file_id: str, target: Path, progress: Progress) -> Path:
    """Fetch a file into `target` (a folder: under its own name); goes on with a part that is there. Where it is now.

    ApiError when it is not to be had, or is not what its checksum says.
    """
    known = http.call("GET", f"/v1/files/{file_id}")
    place = target / Path(known["filename"]).name if target.is_dir() else target
    draft = place.with_name(f".{place.name}.{file_id[:8]}.part")
    for number in range(http.tries):
        there = draft.stat().st_size if draft.exists() else 0
        if number == 0:
            progress(there)
        if there < known["size"]:
            url = http.call("GET", f"/v1/files/{file_id}/presigned")["url"]
            if not _fetch(url, draft, there, progress):
                time.sleep(wait_s(number))
                continue
        if draft.stat().st_size == known["size"]:
            return _checked(draft, place, known)
    raise ApiError(UNREACHABLE, "store_unreachable", "the object store does not answer; run it again to go on")


def _fetch(url: str, draft: Path, there: int, progress: Progress) -> bool:
    headers = {"Range": f"bytes={there}-"} if there else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer, draft.open("ab") as file:
            if answer.status_code not in (200, 206) or (there and answer.status_code == 200):
                return False
            for chunk in _chunks(answer):
                file.write(chunk)
                progress(len(chunk))
    except requests.RequestException:
        return False
    return True


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    yield from answer.iter_content(CHUNK)


def _checked(draft: Path, place: Path, known: dict[str, Any]) -> Path:
    digest = hashlib.sha256()
    with draft.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != known["checksum"]:
        draft.unlink()
        raise ApiError(UNREACHABLE, "checksum_mismatch", "what arrived is not what was sent; run it again")
    draft.replace(place)
    return place
