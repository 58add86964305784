"""Files in the simulator: those that people and callers hand over, kept in memory, and those behind links, fetched."""

import hashlib
import secrets

import aiohttp

from ops.simulator.model import Answer, Attached, Fetched, Refused

FETCH_S = 120.0
CHUNK = 256 << 10
# Pictures up to this size are kept, to be shown on the phones page; the newest so many.
SHOWN_BYTES = 8 << 20
SHOWN = 40
MEDIA_IDS = 10**15


class MediaStore:
    """Files that one provider was given, by id. Ids are digits, as Meta's are."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._kept: dict[str, tuple[Attached, bytes]] = {}

    def put(self, filename: str, mime_type: str, content: bytes, kind: str = "") -> Attached:
        """Keep a file until the simulator ends."""
        media_id = str(MEDIA_IDS + secrets.randbelow(9 * MEDIA_IDS))
        attached = Attached(media_id, filename, mime_type, len(content), hashlib.sha256(content).hexdigest(), kind)
        self._kept[media_id] = (attached, content)
        return attached

    def url(self, media_id: str) -> str:
        """Where it is fetched from."""
        return f"{self._base_url}/media/{media_id}"

    def known(self, media_id: str) -> Attached | None:
        """What is kept under this id."""
        found = self._kept.get(media_id)
        return found[0] if found else None

    def forget(self, media_id: str) -> bool:
        """Keep it no longer; whether it was kept."""
        return self._kept.pop(media_id, None) is not None

    def content(self, media_id: str) -> bytes | None:
        """The file itself."""
        found = self._kept.get(media_id)
        return found[1] if found else None

    def answer(self, media_id: str) -> Answer:
        """The file itself, as it is downloaded. Refused when there is none."""
        found = self._kept.get(media_id)
        if found is None:
            raise Refused(100, 404, words="Not Found")
        return Answer(found[1], headers={"Content-Type": found[0].mime_type})


class Gallery:
    """Pictures that were sent to people by a link: the newest ones, for the phones page. A link may not work for long."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, bytes]] = {}

    def keep(self, name: str, fetched: Fetched) -> None:
        """Keep it if the page shows it and it is small enough."""
        if fetched.content:
            self._kept[name] = (fetched.mime_type, fetched.content)
            if len(self._kept) > SHOWN:
                del self._kept[next(iter(self._kept))]

    def get(self, name: str) -> tuple[str, bytes] | None:
        """Its type and its content."""
        return self._kept.get(name)

    def clear(self) -> None:
        """Keep none."""
        self._kept.clear()


SHOWN_TYPES = frozenset({
    "image/jpeg", "image/png", "image/gif", "image/webp", "audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/wav",
})  # fmt: skip


def is_shown(mime_type: str) -> bool:
    """Whether browsers show or play it, and nothing else: an SVG may hold more than a picture."""
    return mime_type.partition(";")[0].strip() in SHOWN_TYPES


async def fetch(url: str) -> Fetched | None:
    """What a provider does with a link: all of it, as a stream. None when it cannot be had."""
    digest, size, kept = hashlib.sha256(), 0, bytearray()
    try:
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status != 200:
                return None
            shown = is_shown(answer.content_type)
            async for chunk in answer.content.iter_chunked(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if shown and size <= SHOWN_BYTES:
                    kept += chunk
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    whole = bytes(kept) if len(kept) == size else b""
    return Fetched(size, digest.hexdigest(), answer.content_type, whole)
