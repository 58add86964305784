"""A call to an endpoint goes where it may, says what it should to nobody else, and ends, whatever the other side does."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chat4all.model.event_envelope import Envelope, envelope
from chat4all.model.event_examples import EXAMPLES, as_read
from chat4all.ports.webhooks import Webhook
from chat4all.services.seal import Seal
from chat4all.services.webhooks.secrets import Secrets, new_secret
from chat4all.services.webhooks.signing import Signer
from chat4all.settings import Settings
from tasks.webhooks.caller import ANSWER_MOST, Answer, Caller

SAID: Envelope = envelope(as_read(EXAMPLES["message.accepted"][0]))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Peer:
    """A server that says bytes. `asked`: the head of each request that came."""

    port: int = 0
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def peer(answer: Callable[[str], bytes] | bytes, hang_s: float = 0.0) -> AsyncIterator[Peer]:
    """It answers with these bytes, then waits before it closes."""
    made = Peer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        made.asked.append(head)
        length = int(head.lower().partition("content-length: ")[2].partition("\r")[0] or 0)
        await reader.readexactly(length)
        writer.write(answer if isinstance(answer, bytes) else answer(head))
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.drain()
            await asyncio.sleep(hang_s)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def settings(tmp_path: Path, **more: Any) -> Settings:
    """Of a machine without a public address."""
    return Settings(data=tmp_path, webhook_timeout_s=1, **more)


def endpoint(url: str, opened: Settings, headers: dict[str, str] | None = None) -> tuple[Webhook, Secrets]:
    """One with a secret."""
    secrets = Secrets(new_secret(), headers=headers or {})
    return Webhook("w", url, sealed=Seal(opened).seal(secrets)), secrets


async def called(url: str, opened: Settings, headers: dict[str, str] | None = None) -> Answer:
    """One call."""
    webhook, _ = endpoint(url, opened, headers)
    caller = Caller(opened, Signer(Seal(opened)).headers)
    try:
        return await caller.call(webhook, SAID)
    finally:
        await caller.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(tmp_path: Path, status: int) -> None:
    """Whatever it points at, this machine too: the one call is all that is made."""
    async with peer(OK) as inside:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inside.port}/admin\r\nContent-Length: 0\r\n\r\n"
        async with peer(moved.encode()) as outside:
            answer = await called(f"http://127.0.0.1:{outside.port}/", settings(tmp_path))
    assert (answer.status, answer.is_told, inside.asked) == (status, False, [])


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.5"],
        ["169.254.169.254"],
        ["127.0.0.1"],
        ["0.0.0.0"],
        ["::1"],
        ["fd00::1"],
        ["fe80::1"],
        ["::ffff:10.0.0.5"],
        ["64:ff9b::a00:5"],
        ["2002:a00:5::1"],
        ["93.184.216.34", "10.0.0.5"],
    ],
)
async def test_a_name_that_leads_inside_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """However it was when the endpoint was made: it is looked up at each call, and all that is found must be public."""
    asked: list[str] = []

    def lookup(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(str(host))
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    answer = await called("https://shop.example/hook", settings(tmp_path))
    assert (answer.error, answer.body) == ("fetch_refused", "not_public")
    assert asked == ["shop.example"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/"],
)
async def test_this_machine_is_not_called_where_it_is_in_public(tmp_path: Path, url: str) -> None:
    """An endpoint that was made before a public URL was set, too."""
    answer = await called(url, settings(tmp_path, public_url="https://chat.example"))
    assert answer.error == "fetch_refused"


async def test_no_proxy_of_the_environment_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told everything, and would resolve names for us."""
    async with peer(OK) as proxy, peer(OK) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        answer = await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path))
    assert answer.is_told
    assert proxy.asked == []


async def test_an_endpoint_cannot_say_what_we_say(tmp_path: Path) -> None:
    """Its own headers are sent beside ours, and none of ours is there twice."""
    async with peer(OK) as receiver:
        await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path), {"x-key": "hidden-value"})
    lines = receiver.asked[0].split("\r\n")
    names = [line.partition(":")[0].lower() for line in lines[1:] if line]
    assert len(names) == len(set(names))
    assert "x-key: hidden-value" in lines
    assert {"webhook-id", "webhook-timestamp", "webhook-signature", "content-type"} <= set(names)


async def test_an_answer_that_says_our_headers_again_is_kept_without_their_values(tmp_path: Path) -> None:
    """The log of calls shows answers; who reads it is told no header's value, and no signature."""

    def echo(head: str) -> bytes:
        return f"HTTP/1.1 500 Oops\r\nContent-Length: {len(head)}\r\n\r\n{head}".encode()

    async with peer(echo) as receiver:
        answer = await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path), {"Authorization": "Bearer hidden"})
    assert "Authorization: [hidden]" in answer.body
    assert "Bearer hidden" not in answer.body
    assert "v1," not in answer.body
    assert SAID.event_id in answer.body


async def test_a_status_counts_though_its_body_never_ends(tmp_path: Path) -> None:
    """It was taken in time: it is not told again for the rest of its answer."""
    began = time.monotonic()
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nbegin", hang_s=10) as receiver:
        answer = await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path))
    assert (answer.is_told, answer.body) == (True, "begin")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" * 500,
    ],
)
async def test_an_answer_without_a_status_is_a_failure_in_time(tmp_path: Path, answer: bytes) -> None:
    """Nothing, half a head, a head without an end, none at all."""
    began = time.monotonic()
    async with peer(answer, hang_s=3) as receiver:
        found = await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path))
    assert found.error in {"timeout", "unreachable"}
    assert time.monotonic() - began < 2.5


async def test_of_an_answer_the_beginning_is_kept_and_nothing_is_unpacked(tmp_path: Path) -> None:
    """A large one, and one that says it is compressed."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5000000\r\n\r\n"
    async with peer(head + b"x" * 5_000_000) as receiver:
        answer = await called(f"http://127.0.0.1:{receiver.port}/", settings(tmp_path))
    assert answer.is_told
    assert answer.body == "x" * ANSWER_MOST


def test_secrets_say_nothing_of_themselves() -> None:
    """Whoever puts one into a message or a log line by mistake."""
    secrets = Secrets("whsec_c2VjcmV0", "whsec_b2xk", 5, {"x-key": "hidden"})
    for text in (repr(secrets), str(secrets), f"{[secrets]}", f"{secrets.rotated(0, 1)!r}"):
        assert not any(each in text for each in ("whsec", "hidden", "c2VjcmV0"))
