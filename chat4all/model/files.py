"""Files: what is known of one, and the rules about names, types, parts and checksums. Frozen types; no I/O.

Times are milliseconds UTC, sizes are bytes.
"""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

ANY_TYPE = "application/octet-stream"
NAME_MOST = 255
NAME_OF_LINK_MOST = 40
MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
CHECKSUM = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
JOINERS = "\u200c\u200d"


# Names of types that people and old programs use, and what channels call them.
ALIASES = {
    "application/x-zip-compressed": "application/zip",
    "application/x-zip": "application/zip",
    "application/x-pdf": "application/pdf",
    "application/acrobat": "application/pdf",
    "application/x-rar": "application/vnd.rar",
    "application/x-rar-compressed": "application/vnd.rar",
    "application/x-gzip": "application/gzip",
    "application/mp4": "video/mp4",
    "application/ogg": "audio/ogg",
    "application/text": "text/plain",
    "audio/mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-mpeg-3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/x-pn-wav": "audio/wav",
    "audio/x-ogg": "audio/ogg",
    "audio/opus": "audio/ogg",
    "audio/x-amr": "audio/amr",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-jpeg": "image/jpeg",
    "image/jfif": "image/jpeg",
    "image/x-png": "image/png",
    "image/apng": "image/png",
    "image/x-gif": "image/gif",
    "image/x-webp": "image/webp",
    "image/x-bmp": "image/bmp",
    "image/x-ms-bmp": "image/bmp",
    "text/x-csv": "text/csv",
    "application/csv": "text/csv",
    "application/x-csv": "text/csv",
    "video/3gp": "video/3gpp",
    "video/x-3gpp": "video/3gpp",
    "video/x-mp4": "video/mp4",
    "video/m4v": "video/mp4",
    "video/x-m4v": "video/mp4",
    "video/mov": "video/quicktime",
    "video/avi": "video/x-msvideo",
}


class FileStatus(StrEnum):
    """UPLOADING, or being fetched. VERIFYING: a worker hashes it. FAILED: may be mended until it expires. EXPIRED: gone."""

    UPLOADING = "uploading"
    VERIFYING = "verifying"
    READY = "ready"
    FAILED = "failed"
    EXPIRING = "expiring"
    EXPIRED = "expired"


class StoredFile(Struct, frozen=True, omit_defaults=True):
    """A file of a conversation. What follows `status` changes, by compare-and-set on `version` only.

    `due_at`: when the sweep looks at it. `expires_at`: when an upload that is not complete goes; 0 once it is ready.
    `upload`: the object store's id of the open upload. `checksum`: sha256 in hex, claimed while verifying, true when ready.
    `object_key`: where the bytes are; of equal files it is that of the first. `media`, `channel`, `account`: what a provider
    calls a file that is to be fetched from it, and an account there (empty: the channel's default), `message_id` the message
    that brought it. `members_version`: of the conversation when it began; 0 in rows of older code. Of a rendition:
    `source`, the object that it is made of, `form`, what is made of it, and `busy_until`: who converts it has given up by
    then. It is of no conversation, and nobody's. `untold`: readers are to be told its status; it is due until they were, and
    `expires_at` has when it is due then.
    """

    file_id: str
    conversation_id: str
    owner: str
    filename: str
    mime_type: str
    size: int
    part_size: int
    created_at: int
    channel: str = ""
    media: str = ""
    message_id: str = ""
    status: FileStatus = FileStatus.UPLOADING
    version: int = 1
    due_at: int = 0
    expires_at: int = 0
    upload: str = ""
    checksum: str = ""
    object_key: str = ""
    reason: str = ""
    tries: int = 0
    key: str = ""
    members_version: int = 0
    source: str = ""
    form: str = ""
    busy_until: int = 0
    account: str = ""
    untold: bool = False

    @property
    def own_key(self) -> str:
        """Where its own upload's bytes are. It names no file: of equal files others are given the first one's."""
        return self.key or self.file_id

    @property
    def holder(self) -> str:
        """The file's own reference to its object."""
        return f"file:{self.file_id}"

    @property
    def is_gone(self) -> bool:
        """Whether it no longer exists for anybody."""
        return self.status in (FileStatus.EXPIRING, FileStatus.EXPIRED)


def message_holder(file_id: str, conversation_id: str, message_id: str) -> str:
    """A message's reference to the object of its file."""
    return f"{message_prefix(file_id)}{conversation_id}:{message_id}"


def message_prefix(file_id: str) -> str:
    """What the references of all messages with this file begin with."""
    return f"message:{file_id}:"


def message_of(holder: str, file_id: str) -> tuple[str, str] | None:
    """(conversation_id, message_id) of a message that refers to an object by this very file; None for other references."""
    kind, _, rest = holder.partition(":")
    named, _, place = rest.partition(":")
    conversation_id, _, message_id = place.partition(":")
    return (conversation_id, message_id) if kind == "message" and named == file_id else None


def checked_name(name: str) -> str:
    """A file's name in its one form, quotation marks made typographic. ValueError for what is none."""
    clean = _without_quotes(unicodedata.normalize("NFC", name))
    if not clean.strip(" .") or len(clean.encode(errors="replace")) > NAME_MOST:
        raise ValueError(f"1 to {NAME_MOST} bytes, not only dots")
    if any(each in "/\\" or not (each.isprintable() or each in JOINERS) for each in clean):
        raise ValueError("a name without slashes and control characters")
    return clean


def _without_quotes(name: str) -> str:
    """A mark that would end a quoted name in a header becomes the one that people write: opening, closing in turn."""
    first, *rest = name.split('"')
    return first + "".join(f"{'“”'[turn % 2]}{each}" for turn, each in enumerate(rest))


def mended_name(name: str, mime_type: str) -> str:
    """The name that a provider gave, or one that follows from the type."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(each for each in last if each.isprintable()).encode()[:NAME_MOST].decode(errors="ignore")
    try:
        return checked_name(kept)
    except ValueError:
        return f"file{mimetypes.guess_extension(mime_type) or ''}"


def name_in(url: str) -> str:
    """What a file is called by its address; empty where that is none, or does not look like a file's name."""
    if not url.startswith(("https://", "http://")):
        return ""
    try:
        name = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
    return name if PurePosixPath(name).suffix[1:].isalnum() else ""


def name_of_link(name: str) -> str:
    """A short plain form of a name, so that a link with it stays short."""
    path = PurePosixPath(re.sub(r"[^A-Za-z0-9._-]", "_", name))
    return f"{path.stem[: NAME_OF_LINK_MOST - len(path.suffix)]}{path.suffix}"[:NAME_OF_LINK_MOST]


def checked_type(mime_type: str, filename: str) -> str:
    """A media type without parameters, under its registered name; when none is given the one that the file's name suggests.

    ValueError for what is none.
    """
    if not mime_type.strip():
        return canonical_type(mimetypes.guess_type(filename)[0] or ANY_TYPE)
    bare = mime_type.partition(";")[0].strip().lower()
    if not MIME_TYPE.fullmatch(bare):
        raise ValueError("a media type such as application/pdf")
    return canonical_type(bare)


def canonical_type(mime_type: str) -> str:
    """The type by which channels know it, of the names that it has."""
    return ALIASES.get(mime_type, mime_type)


def checked_checksum(text: str) -> str:
    """sha256 as 64 lower-case hex digits. ValueError for what is none."""
    found = CHECKSUM.fullmatch(text.strip())
    if not found:
        raise ValueError("sha256 as 64 hex digits, or sha256:<hex>")
    return found[1].lower()


def disposition(filename: str) -> str:
    """The Content-Disposition of a download: an attachment under its right name, never shown in place."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def part_sizes(size: int, part_size: int) -> list[int]:
    """The sizes of a file's parts, first to last: all alike but the last."""
    whole, rest = divmod(size, part_size)
    return [part_size] * whole + ([rest] if rest else [])


def still_missing(file: StoredFile, there: Mapping[int, int]) -> list[int]:
    """The numbers of the parts that are not there (number -> size) in their right size."""
    sizes = part_sizes(file.size, file.part_size)
    return [number for number, size in enumerate(sizes, 1) if there.get(number) != size]


def readable_size(size: int) -> str:
    """A size for people."""
    amount, units = float(size), ["bytes", "KB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{size} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
