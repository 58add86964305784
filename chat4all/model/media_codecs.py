"""Which codecs are inside a film or a sound, by a few reads of its container: MP4 and its like, and Ogg. Pure; no I/O.

A container says nothing of what is in it: a telephone may write HEVC into the same MP4 as H.264. Only headers are looked at,
and few bytes are read, whatever stands in the file.
"""

from collections.abc import Callable, Iterator

# Reads the bytes from here to there, the second not included.
Read = Callable[[int, int], bytes]

BOXES_MOST = 64
# What describes a film of hours; larger ones are not looked at.
INDEX_MOST = 4 << 20
HEADER = 16
PAGE = 96
OGG = {b"OpusHead": "opus", b"\x01vorbis": "vorbis", b"\x7fFLAC": "flac", b"Speex   ": "speex"}
SHOWN = (b"vide", b"soun")


def codecs(mime_type: str, size: int, read: Read) -> frozenset[str]:
    """The codecs of pictures and sounds, as MP4's four characters or an Ogg's name; none: it cannot be told."""
    if mime_type.endswith("/ogg"):
        page = read(0, min(size, PAGE))
        return frozenset(name for mark, name in OGG.items() if mark in page)
    index = _index(size, read)
    found = (_codec(track) for kind, track in _boxes(index) if kind == b"trak")
    return frozenset(each.decode("latin-1") for each in found if each)


def _index(size: int, read: Read) -> bytes:
    """The inside of the box that describes all others; empty: it is not found, or too large."""
    at = 0
    for _ in range(BOXES_MOST):
        head = read(at, min(size, at + HEADER))
        if len(head) < HEADER:
            break
        begin, length, kind = at, int.from_bytes(head[:4], "big"), head[4:8]
        at += HEADER if length == 1 else HEADER // 2
        length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - begin
        end = min(size, begin + length)
        if end < at:
            break
        if kind == b"moov":
            return read(at, end) if end - at <= INDEX_MOST else b""
        at = end
    return b""


def _boxes(inside: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a box, each as (kind, inside)."""
    at = 0
    while at + 8 <= len(inside):
        length = int.from_bytes(inside[at : at + 4], "big") or len(inside) - at
        if length < 8:
            return
        yield inside[at + 4 : at + 8], inside[at + 8 : at + length]
        at += length


def _box(inside: bytes, *path: bytes) -> bytes:
    """The first box that is found by going this way down; empty: there is none."""
    for kind in path:
        inside = next((each for name, each in _boxes(inside) if name == kind), b"")
    return inside


def _codec(track: bytes) -> bytes:
    """What a track of pictures or sounds is coded in; empty: it is another track."""
    if _box(track, b"mdia", b"hdlr")[8:12] not in SHOWN:
        return b""
    return _box(track, b"mdia", b"minf", b"stbl", b"stsd")[12:16]
