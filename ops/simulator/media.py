"""Files in the simulator: those that people send, kept in memory to be fetched, and those that are sent to them, fetched."""

import hashlib
from uuid import uuid4

import aiohttp
from msgspec import Struct

from ops.simulator.model import Answer, Attached, Refused

FETCH_S = 120.0
CHUNK = 256 << 10


class Fetched(Struct, frozen=True):
    """What was behind a link."""

    size: int
    sha256: str


class Shelf:
    """Files that people of one provider have sent, by id."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._kept: dict[str, tuple[Attached, bytes]] = {}

    def put(self, filename: str, mime_type: str, content: bytes) -> Attached:
        """Keep a file until the simulator ends."""
        attached = Attached(uuid4().hex, filename, mime_type, len(content), hashlib.sha256(content).hexdigest())
        self._kept[attached.media_id] = (attached, content)
        return attached

    def url(self, media_id: str) -> str:
        """Where it is fetched from."""
        return f"{self._base_url}/media/{media_id}"

    def known(self, media_id: str) -> Attached | None:
        """What is kept under this id."""
        found = self._kept.get(media_id)
        return found[0] if found else None

    def answer(self, media_id: str) -> Answer:
        """The file itself. Refused when there is none."""
        if media_id not in self._kept:
            raise Refused(100, 404)
        attached, content = self._kept[media_id]
        return Answer(content, headers={"Content-Type": attached.mime_type})


async def fetch(url: str) -> Fetched | None:
    """What a person's phone does with a link: all of it, as a stream. None when it cannot be had."""
    digest, size = hashlib.sha256(), 0
    try:
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status != 200:
                return None
            async for chunk in answer.content.iter_chunked(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return Fetched(size, digest.hexdigest())
