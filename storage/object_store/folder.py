"""The embedded object store: a folder. A process of its own serves its signed URLs (bridges/objects.py).

An upload is a folder of part files, and so is an object: joining the parts is one rename, however large the file is. Nothing is
ever written into an object: parts are written in `incoming`, and moved into an upload that is still where it was.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

from chat4all.model.failures import Permanent, Temporary
from chat4all.ports.object_store import NO_OBJECT, NO_UPLOAD, PARTS_CHANGED, ObjectStore, Part
from chat4all.settings import Settings
from storage.object_store.signing import Signer

KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PART = re.compile(r"[0-9]{5}")
CHUNK = 64 << 10
# Smaller: a reader who takes nothing holds one, three times over with what carries it.
READ_CHUNK = 16 << 10
ROUTE = "/objects"


class FolderStore(ObjectStore):
    """The folder that `settings.objects` names, in the data folder. Operating system errors come out as Temporary `objects`."""

    def __init__(self, settings: Settings) -> None:
        self.root = settings.data / settings.objects.partition(":")[2]
        self._base = settings.files_url.rstrip("/") + ROUTE
        self.signer = Signer(settings.secret("files"))

    # Uploads in parts.

    def begin(self, key: str) -> str:
        upload = uuid4().hex
        with _as_failures():
            self._upload(key, upload).mkdir(parents=True)
            _sync(self._uploads(key))
        return upload

    def sign_part(self, key: str, upload: str, number: int, size: int, life_s: int) -> str:
        fields = {"upload": upload, "part": str(number), "size": str(size)}
        return f"{self._base}/{key}?{self.signer.query('PUT', key, life_s, **fields)}"

    def write_part(self, key: str, fields: Mapping[str, str], stream: BinaryIO) -> Part:
        """Take a part's bytes from `stream`, as the fields of its checked URL allow. It is durable on return.

        Permanent `wrong_size` for more or fewer bytes, and then nothing of them is kept; `no_upload`.
        """
        with self.begin_part(key, fields) as draft:
            while chunk := stream.read(CHUNK):
                draft.write(chunk)
            return draft.finish()

    def begin_part(self, key: str, fields: Mapping[str, str]) -> "PartDraft":
        """The same, where the bytes come bit by bit: a context in which they are written. Permanent `no_upload`."""
        place = self._upload(key, fields["upload"]) / f"{int(fields['part']):05}"
        with _as_failures():
            if not place.parent.is_dir():
                raise Permanent(NO_UPLOAD)
            return PartDraft(self._incoming() / uuid4().hex, place, int(fields["size"]))

    def parts(self, key: str, upload: str) -> list[Part]:
        with _as_failures(), _no(NO_UPLOAD):
            return _parts(self._upload(key, upload))

    def join(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        folder, place = self._upload(key, upload), self._object(key)
        with _as_failures():
            if not folder.is_dir() and place.is_dir():
                return
            with _no(NO_UPLOAD):
                there = _parts(folder)
                wanted = {each.number for each in parts}
                for each in there:
                    if each.number not in wanted:
                        (folder / f"{each.number:05}").unlink()
                if [each for each in there if each.number in wanted] != list(parts):
                    raise Permanent(PARTS_CHANGED)
                place.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(place)
            _sync(folder.parent)
            _sync(place.parent)

    def reopen(self, key: str, sizes: Sequence[int]) -> str:
        upload = uuid4().hex
        with _as_failures(), _no(NO_OBJECT):
            self._uploads(key).mkdir(parents=True, exist_ok=True)
            self._object(key).rename(self._upload(key, upload))
            _sync(self._uploads(key))
        return upload

    def drop_uploads(self, key: str) -> None:
        with _as_failures():
            self._discard(self._uploads(key))

    # Objects.

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        place = self._object(key)
        with self._draft() as draft:
            with _as_failures():
                draft.mkdir()
            with (draft / "00001").open("xb") as file:
                size = _copied(chunks, file)
            with _as_failures():
                place.parent.mkdir(parents=True, exist_ok=True)
                self._discard(place)
                draft.rename(place)
                _sync(place.parent)
        return size

    def size(self, key: str) -> int | None:
        with _as_failures():
            with suppress(FileNotFoundError):
                return sum(each.size for each in _parts(self._object(key)))
            return None

    def read(self, key: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        folder, offset = self._object(key), 0
        with _as_failures(), _no(NO_OBJECT):
            for part in _parts(folder):
                begin, end = max(0, first - offset), part.size if last is None else min(part.size, last + 1 - offset)
                offset += part.size
                if begin < end:
                    yield from _chunks(folder / f"{part.number:05}", begin, end - begin)

    def sign_get(self, key: str, filename: str, mime_type: str, life_s: int) -> str:
        return f"{self._base}/{key}?{self.signer.query('GET', key, life_s, name=filename, type=mime_type)}"

    def remove(self, keys: Sequence[str]) -> None:
        with _as_failures():
            for key in keys:
                self._discard(self._object(key))

    def tidy(self, before_ms: int) -> None:
        with _as_failures():
            for each in self._incoming().iterdir():
                with suppress(FileNotFoundError):
                    if each.stat().st_mtime * 1000 < before_ms:
                        _erase(each)

    def check(self) -> str:
        with _as_failures():
            free = shutil.disk_usage(self._incoming()).free
        return f"folder {self.root}, {free // 10**9} GB free"

    def close(self) -> None:
        return

    # Places. A key is part of a path, so it is checked whoever it came from.

    def _uploads(self, key: str) -> Path:
        return self.root / "uploads" / _checked(key)

    def _upload(self, key: str, upload: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", upload):
            raise Permanent(NO_UPLOAD)
        return self._uploads(key) / upload

    def _object(self, key: str) -> Path:
        return self.root / "objects" / _checked(key)[:2] / key

    def _incoming(self) -> Path:
        folder = self.root / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """A name in `incoming`; whatever is still there afterwards is removed."""
        draft = self._incoming() / uuid4().hex
        try:
            yield draft
        finally:
            _erase(draft)

    def _discard(self, place: Path) -> None:
        """Away at once, whole: first out of reach, then from the disk."""
        with self._draft() as draft, suppress(FileNotFoundError):
            place.rename(draft)


class PartDraft:
    """A part on its way in. What is not finished is removed when its context ends."""

    def __init__(self, draft: Path, place: Path, size: int) -> None:
        self._draft, self._place, self._size = draft, place, size
        self._written = 0
        self._file = draft.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> None:
        """Add these bytes. Permanent `wrong_size` beyond the part's."""
        self._written += len(chunk)
        if self._written > self._size:
            raise Permanent("wrong_size", f"more than {self._size} bytes came")
        with _as_failures():
            self._file.write(chunk)

    def finish(self) -> Part:
        """The part, durable. Permanent `wrong_size` when bytes are missing, `no_upload`."""
        if self._written != self._size:
            raise Permanent("wrong_size", f"{self._written} bytes came, the part has {self._size}")
        with _as_failures(), _no(NO_UPLOAD):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._draft.replace(self._place)
            _sync(self._place.parent)
            return _part(self._place)

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._file.close()
        _erase(self._draft)


def _checked(key: str) -> str:
    if not KEY.fullmatch(key):
        raise Permanent(NO_OBJECT)
    return key


def _part(file: Path) -> Part:
    found = file.stat()
    return Part(int(file.name), found.st_size, f"{found.st_mtime_ns:x}-{found.st_ino:x}")


def _parts(folder: Path) -> list[Part]:
    return [_part(each) for each in sorted(folder.iterdir()) if PART.fullmatch(each.name)]


def _copied(chunks: Iterable[bytes], file: BinaryIO) -> int:
    """Write chunks and make them durable; how many bytes came."""
    written = 0
    for chunk in chunks:
        with _as_failures():
            file.write(chunk)
        written += len(chunk)
    with _as_failures():
        file.flush()
        os.fsync(file.fileno())
    return written


def _chunks(path: Path, begin: int, length: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(begin)
        while length > 0 and (chunk := file.read(min(READ_CHUNK, length))):
            length -= len(chunk)
            yield chunk


def _erase(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _no(reason: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise Permanent(reason) from None


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Temporary("objects", error.strerror or type(error).__name__) from error
