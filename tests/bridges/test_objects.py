"""The process that serves a folder's bytes, and clients that are slow: what it answers, and what it holds."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest

from bridges.objects import BOUNDS, Bounds, serving
from chat4all.settings import Settings
from ops.native.processes import free_port
from storage.object_store.folder import FolderStore

SIZE = 20 << 20


@pytest.fixture
async def store(tmp_path: Path, bounds: Bounds) -> AsyncIterator[FolderStore]:
    """A store whose URLs are served, within these bounds."""
    settings = Settings(data=tmp_path, objects_port=free_port())
    made = FolderStore(settings)
    async with serving(made, settings, bounds):
        yield made


@pytest.fixture
def bounds() -> Bounds:
    """Those of a process; a test asks for others."""
    return BOUNDS


def within(*values: Bounds) -> pytest.MarkDecorator:
    """Run a test within these bounds, one after the other."""
    return pytest.mark.parametrize("bounds", values)


def large(store: FolderStore) -> str:
    """The URL of a large object."""
    key = str(uuid4())
    store.put(key, (bytes(1 << 20) for _ in range(SIZE >> 20)))
    return store.sign_get(key, "a.bin", "image/png", 60)


def connected(url: str, said: bytes) -> socket.socket:
    """A connection that takes little at once, and has said this."""
    place = urlsplit(url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((place.hostname, place.port))
    made.sendall(said)
    return made


def get(url: str) -> bytes:
    place = urlsplit(url)
    return f"GET {place.path}?{place.query} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


async def test_downloads_that_nobody_reads_stand_in_nobodys_way(store: FolderStore) -> None:
    """Two hundred of them; another gets all of the file meanwhile, and the first two ends are cut when their time is over."""
    url = large(store)
    held = [connected(url, get(url)) for _ in range(200)]
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert len(await answer.read()) == SIZE
        assert (answer.headers["Content-Type"], answer.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")
    for each in held:
        each.close()


async def test_a_client_who_leaves_in_the_middle_is_no_error(store: FolderStore, caplog: pytest.LogCaptureFixture) -> None:
    """Twenty downloads are left unread and then reset; nothing is logged about them."""
    url = large(store)
    held = [connected(url, get(url)) for _ in range(20)]
    await asyncio.sleep(0.3)
    for each in held:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        each.close()
    await asyncio.sleep(0.3)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert len(await answer.read()) == SIZE
    assert [each.message for each in caplog.records] == []


@within(Bounds(patience_s=0.2))
async def test_a_download_that_stands_still_ends(store: FolderStore) -> None:
    """It is cut off: what was sent is not all, and says so by its length."""
    url = large(store)
    held = connected(url, get(url))
    await asyncio.sleep(1.5)
    held.settimeout(5)
    came = await asyncio.to_thread(_all, held)
    held.close()
    assert 0 < came < SIZE


def _all(held: socket.socket) -> int:
    came = 0
    try:
        while chunk := held.recv(1 << 16):
            came += len(chunk)
    except ConnectionError:
        return came
    return came


@within(Bounds(patience_s=0.2, slow_after_s=0.3, least_per_s=0), Bounds(patience_s=5.0, slow_after_s=0.3, least_per_s=1 << 20))
async def test_an_upload_that_stands_still_or_drips_ends_and_leaves_nothing(store: FolderStore, bounds: Bounds) -> None:
    """408, and no draft of it stays."""
    key = str(uuid4())
    url = store.sign_part(key, store.begin(key), 1, 1000, 60)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x"
            await asyncio.sleep(0.1 if bounds.least_per_s else 5)

    async with (
        aiohttp.ClientSession() as session,
        session.put(url, data=drip(), headers={"Content-Length": "1000"}) as answer,
    ):
        assert (answer.status, json.loads(await answer.read())["code"]) == (408, "request_too_slow")
    assert list((store.root / "incoming").iterdir()) == []


@within(Bounds(transfers=0))
async def test_beyond_its_transfers_it_asks_to_come_again(store: FolderStore) -> None:
    """503 with Retry-After, and nothing is begun."""
    url = large(store)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize("said", [b"", b"GET /obj", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
async def test_half_a_request_ends(tmp_path: Path, said: bytes) -> None:
    """Who says nothing, or half of it, is let go."""
    settings = Settings(data=tmp_path, objects_port=free_port())
    async with serving(FolderStore(settings), settings, Bounds(idle_s=0.5)):
        half = connected(settings.objects_address, said)
        half.settimeout(5)
        assert await asyncio.to_thread(half.recv, 10) == b""
        half.close()


ORIGIN = "https://app.example.com"


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[FolderStore]:
    """A store whose URLs pages of one other origin may use."""
    settings = Settings(data=tmp_path, objects_port=free_port(), cors_origins=f"{ORIGIN}, https://other.example.com")
    made = FolderStore(settings)
    async with serving(made, settings):
        yield made


async def test_a_page_of_an_origin_that_is_named_fetches_and_brings(pages: FolderStore) -> None:
    """Asked before: which methods and headers. Then a range, and a part whose ETag it may read; refusals can be read too."""
    key, part = str(uuid4()), b"part"
    pages.put(key, iter([b"0123456789"]))
    url = pages.sign_get(key, "a.txt", "text/plain", 60)
    draft = str(uuid4())
    bring = pages.sign_part(draft, pages.begin(draft), 1, len(part), 60)
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,range"}
    async with aiohttp.ClientSession() as session:
        for where in (url, bring):
            async with session.options(where, headers=asks) as told:
                assert told.status == 200
                assert told.headers["Access-Control-Allow-Origin"] == ORIGIN
                assert {"GET", "PUT"} <= set(told.headers["Access-Control-Allow-Methods"].split(", "))
                assert {"Range", "Content-Type"} <= set(told.headers["Access-Control-Allow-Headers"].split(", "))
        async with session.get(url, headers={"Origin": ORIGIN, "Range": "bytes=2-4"}) as range_:
            assert (range_.status, await range_.read()) == (206, b"234")
            readable(range_.headers, "Content-Range")
        async with session.put(bring, data=part, headers={"Origin": ORIGIN}) as brought:
            assert brought.status == 200
            readable(brought.headers, "ETag")
        for wrong in (f"{url}x", bring.replace(draft, str(uuid4()))):
            async with session.get(wrong, headers={"Origin": ORIGIN}) as refused:
                assert refused.status in (403, 404)
                readable(refused.headers, "Retry-After")


def readable(headers: Mapping[str, str], name: str) -> None:
    """A page may read the answer, and this header of it."""
    assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (ORIGIN, "Origin")
    assert name in headers["Access-Control-Expose-Headers"].split(", ")
    assert "Access-Control-Allow-Credentials" not in headers


async def test_pages_of_other_origins_may_not(pages: FolderStore, tmp_path: Path) -> None:
    """Nor any page where no origin is named; whoever is no browser is served all the same."""
    settings = Settings(data=tmp_path / "closed", objects_port=free_port())
    closed = FolderStore(settings)
    async with serving(closed, settings), aiohttp.ClientSession() as session:
        for store, origins in ((pages, ("https://evil.example.com", "null", "")), (closed, (ORIGIN,))):
            key = str(uuid4())
            store.put(key, iter([b"0123456789"]))
            url = store.sign_get(key, "a.txt", "text/plain", 60)
            for origin in origins:
                for method in ("GET", "OPTIONS"):
                    async with session.request(method, url, headers={"Origin": origin}) as told:
                        assert told.status == 200
                        assert "Access-Control-Allow-Origin" not in told.headers
