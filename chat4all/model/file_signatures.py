"""What a file is by its first bytes, where whoever brings it does not say, or says something else. Pure; no I/O."""

from collections.abc import Callable
from typing import NamedTuple

from chat4all.model.files import ANY_TYPE, canonical_type

# So much of a file is looked at: the names in an archive begin here, all other signatures are shorter.
HEAD_BYTES = 4096


class Signature(NamedTuple):
    """A file that looks so is of the type `means`; one that is called something in `fits` may well be that."""

    looks: Callable[[bytes], bool]
    means: str
    fits: tuple[str, ...] = ()


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _riff(kind: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"RIFF") and head[8:12] == kind


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[4:8] == b"ftyp" and head[8:12].startswith(brands)


def _archive(folder: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"PK\x03\x04") and folder in head


OFFICE = "application/vnd.openxmlformats-officedocument."
# The first that fits counts. Of containers the bytes do not say whether a film is in them or a sound alone.
SIGNATURES = (
    Signature(_begins(b"\xff\xd8\xff"), "image/jpeg"),
    Signature(_begins(b"\x89PNG\r\n\x1a\n"), "image/png", ("image/apng",)),
    Signature(_begins(b"GIF87a", b"GIF89a"), "image/gif"),
    Signature(_riff(b"WEBP"), "image/webp"),
    Signature(_riff(b"WAVE"), "audio/wav"),
    Signature(_riff(b"AVI "), "video/x-msvideo"),
    Signature(_begins(b"BM"), "image/bmp"),
    Signature(_begins(b"II*\x00", b"MM\x00*"), "image/tiff", ("image/",)),
    Signature(_brand(b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), "image/heic", ("image/heif", "image/avif")),
    Signature(_brand(b"avif", b"avis"), "image/avif"),
    Signature(_brand(b"M4A ", b"M4B "), "audio/mp4", ("video/mp4", "audio/")),
    Signature(_brand(b"qt  "), "video/quicktime", ("video/",)),
    Signature(_brand(b"3g"), "video/3gpp", ("video/", "audio/")),
    Signature(_brand(b""), "video/mp4", ("video/", "audio/", "image/")),
    Signature(_begins(b"OggS"), "audio/ogg", ("video/ogg", "application/ogg")),
    Signature(_begins(b"\x1aE\xdf\xa3"), "video/webm", ("video/", "audio/")),
    Signature(_begins(b"#!AMR"), "audio/amr", ("audio/",)),
    Signature(_begins(b"fLaC"), "audio/flac"),
    Signature(_begins(b"ID3"), "audio/mpeg", ("audio/aac",)),
    Signature(_begins(b"\xff\xf1", b"\xff\xf9"), "audio/aac", ("audio/mpeg",)),
    Signature(_begins(b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"), "audio/mpeg", ("audio/",)),
    Signature(_begins(b"%PDF-"), "application/pdf", ("application/",)),
    Signature(_archive(b"word/"), f"{OFFICE}wordprocessingml.document", ("application/",)),
    Signature(_archive(b"xl/"), f"{OFFICE}spreadsheetml.sheet", ("application/",)),
    Signature(_archive(b"ppt/"), f"{OFFICE}presentationml.presentation", ("application/",)),
    Signature(_begins(b"PK\x03\x04"), "application/zip", ("application/",)),
    Signature(_begins(b"Rar!\x1a\x07"), "application/vnd.rar", ("application/",)),
    Signature(_begins(b"7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed", ("application/",)),
    Signature(_begins(b"\x1f\x8b"), "application/gzip", ("application/",)),
)


def true_type(said: str, head: bytes) -> str:
    """The type of a file that is said to be of one and begins so: as it is said, unless that is nothing, or cannot be."""
    found = next((each for each in SIGNATURES if each.looks(head)), None)
    if found is None or said == canonical_type(found.means):
        return said
    fits = said != ANY_TYPE and any(said.startswith(each) for each in found.fits)
    return said if fits else canonical_type(found.means)
