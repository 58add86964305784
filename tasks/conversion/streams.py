"""Opening films and sounds with FFmpeg's libraries, which must open nothing else for anybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer

from chat4all.model.failures import Permanent
from tasks.conversion.orders import SOURCE, TOO_LARGE, UNREADABLE

# By how the file begins, never by what it is called: a playlist that names other files is none of these.
DEMUXERS = (
    (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"wide", "mov"),
    (4, b"mdat", "mov"),
    (0, b"ID3", "mp3"),
    (0, b"#!AMR", "amr"),
    (0, b"fLaC", "flac"),
    (8, b"WAVE", "wav"),
    (8, b"AVI ", "avi"),
    (0, b"GIF8", "gif"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
)
# Sounds without a container begin with a frame: ADTS has no layer, MPEG audio has one.
SYNC, LAYER = 0xFFE0, 0x0006
HEAD = 16
# No name in a file leads anywhere: neither a protocol nor a second file is opened.
CLOSED = {"protocol_whitelist": "none", "format_whitelist": ",".join({name for _, _, name in DEMUXERS} | {"aac"})}


def demuxer(head: bytes) -> str:
    """Which of FFmpeg's readers is meant for a file that begins so. Permanent for all that is none of ours."""
    for at, mark, name in DEMUXERS:
        if head[at : at + len(mark)] == mark:
            return name
    first = int.from_bytes(head[:2], "big")
    if first & SYNC == SYNC:
        return "mp3" if first & LAYER else "aac"
    raise Permanent(UNREADABLE, "neither a film nor a sound that is known")


@contextmanager
def opened(seconds_most: float) -> Iterator[InputContainer]:
    """The source, to be decoded. Permanent where it cannot be, or says that it lasts too long."""
    with Path(SOURCE).open("rb") as file:
        name = demuxer(file.read(HEAD))
        file.seek(0)
        try:
            with av.open(file, "r", format=name, options=dict(CLOSED)) as container:
                if container.duration and container.duration / av.time_base > seconds_most:
                    raise Permanent(TOO_LARGE, f"longer than {seconds_most:.0f} s")
                yield container
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise Permanent(UNREADABLE, f"{type(error).__name__}: {error}"[:200]) from None
