"""A picture and a voice note, made here: small, and real enough for every browser and player."""

import struct
import zlib

SIDE = 96
RATE = 48_000
# 20 ms of silence, as Opus writes it.
SILENCE = b"\xf8\xff\xfe"
FRAME_SAMPLES = 960


def picture(colour: tuple[int, int, int]) -> bytes:
    """A PNG in one colour."""
    rows = (b"\0" + bytes(colour) * SIDE) * SIDE
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def voice_note(seconds: int = 1) -> bytes:
    """Ogg with Opus in it: silence of so many seconds."""
    frames = [SILENCE] * (seconds * RATE // FRAME_SAMPLES)
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"demo" + struct.pack("<I", 0)
    first, last = 2, 4
    return _page([head], 0, 0, first) + _page([tags], 0, 1, 0) + _page(frames, len(frames) * FRAME_SAMPLES, 2, last)


def _page(packets: list[bytes], granule: int, number: int, flags: int) -> bytes:
    """One page of Ogg. Every packet is shorter than 255 bytes, and there are fewer than 256."""
    lengths = bytes(map(len, packets))
    head = b"OggS" + struct.pack("<BBqIII", 0, flags, granule, 1, number, 0) + bytes([len(packets)]) + lengths
    body = b"".join(packets)
    checksum = struct.pack("<I", _ogg_crc(head + body))
    return head[:22] + checksum + head[26:] + body


def _ogg_crc(data: bytes) -> int:
    """CRC-32 as Ogg has it: not reflected, beginning at 0."""
    crc = 0
    for each in data:
        crc ^= each << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
