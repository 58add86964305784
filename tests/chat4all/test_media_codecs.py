"""What is inside a container is read from few bytes, and nothing that stands there does harm."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.media_codecs import INDEX_MOST, codecs


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def track(handler: bytes, codec: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8), handler, bytes(12))
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), box(codec, bytes(8)))
    return box(b"trak", box(b"tkhd", bytes(20)), box(b"mdia", hdlr, box(b"minf", box(b"stbl", stsd))))


FILM = box(b"moov", box(b"mvhd", bytes(20)), track(b"vide", b"hvc1"), track(b"soun", b"mp4a"), track(b"meta", b"mebx"))
SHAPES = {
    "index before": box(b"ftyp", b"isom") + FILM + box(b"mdat", bytes(5000)),
    "index behind": box(b"ftyp", b"isom") + box(b"free") + box(b"mdat", bytes(5000)) + FILM,
    "long box": box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"mdat", 16 + 5000) + bytes(5000) + FILM,
}


def read(file: bytes, mime_type: str = "video/mp4") -> tuple[frozenset[str], int]:
    """The codecs, and how many bytes were read."""
    count = [0]

    def some(first: int, end: int) -> bytes:
        count[0] += max(0, end - first)
        return file[first:end]

    return codecs(mime_type, len(file), some), count[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_and_sounds_of_a_film_are_told(shape: str) -> None:
    """Wherever the index stands, without the film itself being read; other tracks are nobody's business."""
    found, count = read(SHAPES[shape])
    assert found == {"hvc1", "mp4a"}
    assert count < 600


@pytest.mark.parametrize(("mark", "name"), [(b"OpusHead", "opus"), (b"\x01vorbis", "vorbis"), (b"\x7fFLAC", "flac")])
def test_a_sound_in_ogg_is_told(mark: bytes, name: str) -> None:
    """By its first page."""
    assert read(b"OggS" + bytes(24) + mark + bytes(5000), "audio/ogg") == (frozenset({name}), 96)


def test_what_is_too_large_or_cut_off_is_not_told() -> None:
    """An index that nobody wants to hold in memory, one that ends in the middle, and none."""
    large = box(b"ftyp", b"isom") + struct.pack(">I4s", INDEX_MOST + 100, b"moov") + bytes(INDEX_MOST + 92)
    for file in (large, FILM[:30], box(b"ftyp", b"isom"), b"", box(b"mdat", bytes(9)) * 100 + FILM):
        assert read(file)[0] == frozenset()


@given(st.binary(max_size=200), st.integers(0, len(FILM)))
def test_nothing_in_a_file_does_harm(noise: bytes, at: int) -> None:
    """Whatever stands anywhere in it: it is told what it is, or not."""
    read(FILM[:at] + noise + FILM[at:])
    read(noise)
    read(noise, "audio/ogg")
