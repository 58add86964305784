"""The one way out: what is resolved, what is connected to, where redirects may lead, and when a transfer ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from chat4all.model.failures import Failure, Permanent, Temporary
from chat4all.model.url_guard import Allowed, Refused
from chat4all.services.files.http_fetch import PublicResolver, Transfer, session
from tests.channels.conftest import serving

PUBLIC = "157.240.1.1"
META = Allowed(("fbcdn.net",))


class Place:
    """A server on loopback that answers as `answers` says, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}

    async def handle(self, request: Any) -> Any:
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        found = self.answers[request.path](request)
        return await found if asyncio.iscoroutine(found) else found


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    async with serving(made.handle) as url:
        made.url = url
        yield made


def moved(where: str) -> Callable[[Any], web.Response]:
    return lambda _request: web.Response(status=302, headers={"Location": where})


async def fetched(
    allowed: Allowed, url: str, most: int = 1000, seconds: float = 5, slow_after_s: float = 10, **headers: str
) -> bytes:
    """All of the body, by a thread as the workers have."""

    def run() -> bytes:
        with Transfer(allowed, seconds, 2, slow_after_s=slow_after_s) as transfer:
            return b"".join(transfer.body(transfer.get(url, headers), most))

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["10.1.2.3"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], [PUBLIC, "127.0.0.1"], ["fe80::1%2"]],
)
async def test_a_name_that_leads_inside_is_refused(found: list[str]) -> None:
    """One inner address among public ones is enough; nothing is connected to."""

    async def lookup(_host: str, _port: int) -> list[str]:
        return found

    def run() -> None:
        with Transfer(META, 5, 2, lookup) as transfer:
            transfer.get("https://scontent.fbcdn.net/a", {})

    with pytest.raises(Refused, match="not_public"):
        await asyncio.to_thread(run)


async def test_what_was_checked_is_what_is_connected_to() -> None:
    """A name that changes between check and use is asked once: the connection goes to the address that was looked at."""
    answers = iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])
    connected: list[Any] = []

    async def lookup(_host: str, _port: int) -> list[str]:
        return next(answers)

    async def connect(addr_infos: Any, **_more: Any) -> Any:
        connected.extend(each[4][0] for each in addr_infos)
        raise OSError("as far as we go")

    async with session(META, 2, lookup) as made:
        with (
            patch("aiohttp.connector.aiohappyeyeballs.start_connection", connect),
            pytest.raises(aiohttp.ClientConnectorError),
        ):
            await made.get("https://scontent.fbcdn.net/a")
    assert connected == [PUBLIC]


async def test_the_operators_place_may_be_named_and_inside() -> None:
    """A container's name that resolves to a private address, where the setting says so, and at its port only."""

    async def lookup(_host: str, _port: int) -> list[str]:
        return ["172.18.0.5"]

    resolver = PublicResolver(Allowed(own="http://simulator:8090/whatsapp"), lookup)
    assert [each["host"] for each in await resolver.resolve("simulator", 8090)] == ["172.18.0.5"]
    with pytest.raises(Refused):
        await resolver.resolve("simulator", 443)


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:1/metrics", "http://localhost:5555/", "//127.0.0.1:1/", "https://evil.example/", "http://[::1]:1/",
        "file:///etc/passwd", "http://2130706433/", "https://fbcdn.net/", "http://[", "http://127.0.0.1:1@127.0.0.1:2/",
    ],
)  # fmt: skip
async def test_every_hop_is_checked(place: Place, where: str) -> None:
    """A redirect to /metrics, Flower, another scheme or another host leads nowhere."""
    place.answers["/a"] = moved(where)
    with pytest.raises(Refused):
        await fetched(Allowed(own=place.url), f"{place.url}/a")
    assert [path for path, _ in place.asked] == ["/a"]


async def test_hops_are_followed_at_the_same_place_and_not_for_ever(place: Place) -> None:
    """Three are enough; a circle ends."""
    place.answers |= {"/a": moved("/b"), "/b": moved(f"{place.url}/c"), "/c": lambda _: web.Response(body=b"tea")}
    assert await fetched(Allowed(own=place.url), f"{place.url}/a", Authorization="Bearer x") == b"tea"
    assert place.asked == [("/a", "Bearer x"), ("/b", "Bearer x"), ("/c", "Bearer x")]
    place.answers["/a"] = moved("/a")
    with pytest.raises(Refused, match="redirects"):
        await fetched(Allowed(own=place.url), f"{place.url}/a")


async def test_a_secret_goes_to_the_first_place_only(place: Place) -> None:
    """A hop to another host of the provider's gets no token."""
    told: list[Any] = []

    async def get(_self: Any, url: Any, *, headers: Any, **_more: Any) -> Any:
        told.append((url.host, dict(headers)))
        answer = type(
            "Answer", (), {"status": 302 if len(told) == 1 else 200, "headers": {"Location": "https://b.fbcdn.net/"}}
        )()
        answer.close = lambda: None
        return answer

    def run() -> None:
        with Transfer(META, 5, 2) as transfer:
            transfer.get("https://a.fbcdn.net/", {"Authorization": "Bearer x"})

    with patch.object(aiohttp.ClientSession, "get", get):
        await asyncio.to_thread(run)
    assert told == [("a.fbcdn.net", {"Authorization": "Bearer x"}), ("b.fbcdn.net", {})]


async def _drip(request: Any, first: bytes = b"") -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(first)
    with pytest.raises((ConnectionError, asyncio.CancelledError)):
        while True:
            await asyncio.sleep(0.05)
            await response.write(b"x")
    return response


async def test_a_drip_is_ended_by_the_deadline_over_all(place: Place) -> None:
    """Each byte is in time, the transfer is not: lookup and body share one limit."""
    place.answers["/a"] = _drip
    began = time.monotonic()
    with pytest.raises(Temporary, match="too_slow"):
        await fetched(Allowed(own=place.url), f"{place.url}/a", seconds=0.5)
    assert time.monotonic() - began < 5


async def test_a_drip_is_ended_long_before_where_it_is_slower_than_any_line(place: Place) -> None:
    """After the first seconds a least rate holds."""
    place.answers["/a"] = _drip
    with pytest.raises(Temporary, match="too_slow"):
        await fetched(Allowed(own=place.url), f"{place.url}/a", seconds=60, slow_after_s=0.2)


@pytest.mark.parametrize("length", [True, False])
async def test_what_is_too_large_is_left(place: Place, length: bool) -> None:
    """Said in the head, or noticed while it comes."""

    async def large(request: Any) -> web.StreamResponse:
        response = web.StreamResponse()
        if length:
            response.content_length = 2000
        await response.prepare(request)
        await response.write(bytes(2000))
        return response

    place.answers["/a"] = large
    with pytest.raises(Permanent, match="too_large"):
        await fetched(Allowed(own=place.url), f"{place.url}/a")


async def test_nobody_at_home_is_an_outage() -> None:
    """And says nothing of the URL, which may hold a secret."""
    with pytest.raises(Failure) as failure:
        await fetched(Allowed(own="http://127.0.0.1:9"), "http://127.0.0.1:9/bot123:secret/file")
    assert isinstance(failure.value, Temporary)
    assert "secret" not in str(failure.value)
