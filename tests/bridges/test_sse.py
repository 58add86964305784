"""Server-Sent Events: the same stream over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bridges.streaming import stream_metrics
from bridges.streaming.times import Times
from chat4all.model.event_json import event_json
from chat4all.model.ids import public_event_id
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import TIMEOUT_S, Road, serving


class Page:
    """An open GET /v1/events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> dict[str, str]:
        """The next block; a comment is under the name of nothing. Empty at the end."""
        fields: dict[str, str] = {}
        while line := (await asyncio.wait_for(self.response.content.readline(), TIMEOUT_S)).decode().removesuffix("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        return fields


@asynccontextmanager
async def opened(road: Road, token: str, cursor: str = "", query: str = "") -> AsyncIterator[Page]:
    given = {"Authorization": token and f"Bearer {token}", "Last-Event-ID": cursor}
    headers = {name: value for name, value in given.items() if value}
    url = f"http://127.0.0.1:{road.settings.events_port}/v1/events{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        yield Page(response)


async def test_events_arrive_as_json_and_resume(road: Road) -> None:
    """id, event and data; Last-Event-ID goes on after the event that had it."""
    talk = road.conversation("talk", "alice", "bob")
    one, two = road.say(talk, "one", "two")
    async with serving(road):
        async with opened(road, road.token("bob")) as page:
            assert page.response.content_type == "text/event-stream"
            first, second = await page.block(), await page.block()
            assert (await page.block()).keys() == {"id"}
            await asyncio.to_thread(road.say, talk, "three")
            third = await page.block()
        told = [json.loads(block["data"]) for block in (first, second, third)]
        assert [each["payload"] for each in told] == [{"type": "text", "text": word} for word in ("one", "two", "three")]
        assert (told[0]["seq"], told[0]["sender"], told[0]["conversation_id"]) == (one.seq, "alice", talk)
        assert first["event"] == "message"
        async with opened(road, road.token("bob"), first["id"]) as page:
            resumed = json.loads((await page.block())["data"])
    assert resumed["seq"] == two.seq


@pytest.mark.parametrize(
    ("token", "cursor", "status", "code"),
    [("forged", "", 401, "token_invalid"), ("", "", 401, "token_missing"), (None, "nonsense", 400, "bad_cursor")],
)
async def test_problems(road: Road, token: str | None, cursor: str, status: int, code: str) -> None:
    """Who proves nothing, or brings a cursor of somewhere else, gets a problem document."""
    async with serving(road), opened(road, road.token("bob") if token is None else token, cursor) as page:
        assert page.response.status == status
        assert page.response.content_type == "application/problem+json"
        assert (await page.response.json(content_type=None))["code"] == code


async def test_a_quiet_stream_beats(road: Road) -> None:
    """A comment now and then keeps the connection open."""
    async with serving(road, times=Times(heartbeat_s=0.05)), opened(road, road.token("bob")) as page:
        assert (await page.block()).keys() == {"id"}
        assert await page.block() == {"": "here"}
        assert await page.block() == {"": "here"}


async def test_readers_who_come_and_go_are_not_counted_for_long(road: Road) -> None:
    """Thirty streams that are closed, or cut without a word, are gone within a beat, though there is nothing to tell them."""
    request = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {road.token('bob')}\r\n\r\n".encode()
    async with serving(road, times=Times(heartbeat_s=0.2)) as server:
        for number in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", road.settings.events_port)
            writer.write(request)
            await asyncio.wait_for(reader.readuntil(b"id: "), TIMEOUT_S)
            if number % 2:
                writer.transport.abort()
            else:
                writer.close()
        async with asyncio.timeout(TIMEOUT_S):
            while server.subscribers or stream_metrics._open["sse",]:
                await asyncio.sleep(0.05)


async def test_half_a_request_ends_and_a_stream_does_not(road: Road) -> None:
    """Who says nothing, or half a head, is let go; a reader with a quiet stream stays."""
    async with serving(road, times=Times(heartbeat_s=0.4, idle_s=0.5)), opened(road, road.token("bob")) as page:
        for said in (b"", b"GET /v1/events HTTP/1.1\r\nX: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", road.settings.events_port)
            writer.write(said)
            assert await asyncio.wait_for(reader.read(), TIMEOUT_S) == b""
            writer.close()
        assert (await page.block()).keys() == {"id"}
        assert [await page.block() for _ in range(3)] == [{"": "here"}] * 3


async def test_a_token_that_runs_out_ends_the_stream(road: Road) -> None:
    """The last comment says why; then the connection is closed."""
    async with serving(road), opened(road, road.token("bob", life_s=2)) as page:
        blocks = [await page.block(), await page.block(), await page.block()]
    assert blocks[1:] == [{"": "the token has expired"}, {}]


async def test_a_server_that_stops_ends_streams(road: Road) -> None:
    """A stop does not wait for readers to leave."""
    async with serving(road) as server, opened(road, road.token("bob")) as page:
        await page.block()
        stopping = asyncio.create_task(server.stop())
        assert "not available" in (await page.block())[""]
        await stopping


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (
            pb.Event(
                event_id="e",
                at_ms=1_500,
                message=pb.MessageEvent(
                    message_id="m",
                    conversation_id="c",
                    seq=2**40,
                    sender="alice",
                    text="a photo",
                    file=pb.FilePayload(file_id="f", filename="a.png", mime_type="image/png", size=7),
                    metadata_json='{"tag":1}',
                    accepted_at_ms=1_000,
                    members_version=1,
                    channels=["whatsapp"],
                ),
            ),
            {
                "event_id": "e",
                "at": "1970-01-01T00:00:01.500Z",
                "message_id": "m",
                "conversation_id": "c",
                "seq": 2**40,
                "sender": "alice",
                "sender_name": "",
                "payload": {
                    "type": "media",
                    "kind": "image",
                    "file_id": "f",
                    "filename": "a.png",
                    "mime_type": "image/png",
                    "size": 7,
                    "caption": "a photo",
                },
                "metadata": {"tag": 1},
                "accepted_at": "1970-01-01T00:00:01.000Z",
                "members_version": 1,
                "channels": ["whatsapp"],
                "account_ids": [],
            },
        ),
        (
            pb.Event(
                event_id="e",
                message=pb.MessageEvent(
                    message_id="m",
                    text="👍",
                    content=pb.Content(reaction=pb.Reaction(target="n", emoji="👍")),
                    reply_to="o",
                    origin=pb.Origin(channel="telegram", account="bot", provider_id="17", provider_at_ms=500),
                    forwarded=True,
                    referral={"ref": "spring"},
                ),
            ),
            {
                "event_id": "e",
                "at": "1970-01-01T00:00:00.000Z",
                "message_id": "m",
                "conversation_id": "",
                "seq": 0,
                "sender": "",
                "sender_name": "",
                "payload": {"type": "reaction", "target": "n", "emoji": "👍"},
                "metadata": {},
                "accepted_at": "1970-01-01T00:00:00.000Z",
                "members_version": 0,
                "channels": [],
                "account_ids": [],
                "reply_to": "o",
                "origin": {
                    "channel": "telegram",
                    "account": "bot",
                    "provider_id": "17",
                    "provider_at": "1970-01-01T00:00:00.500Z",
                },
                "forwarded": True,
                "referral": {"ref": "spring"},
            },
        ),
        (
            pb.Event(event_id="e", position=pb.PositionEvent(conversation_id="c", user_id="bob", read_up_to=4)),
            {
                "event_id": "e",
                "at": "1970-01-01T00:00:00.000Z",
                "conversation_id": "c",
                "user_id": "bob",
                "delivered_up_to": 0,
                "read_up_to": 4,
            },
        ),
    ],
)
def test_events_as_json(event: pb.Event, shown: dict[str, object]) -> None:
    """The words of the REST API: payloads, metadata as an object, RFC 3339 times, numbers as numbers."""
    told = json.loads(event_json(event.SerializeToString()))
    assert told.pop("id") == public_event_id(str(shown.get("conversation_id", "")), "e")
    assert told.pop("type")
    assert told == shown


async def test_browsers_may_ask_and_read(road: Road) -> None:
    """OPTIONS without a token, and CORS headers for the origins named, on refusals too."""
    road.settings = road.settings.model_copy(update={"cors_origins": "https://app.example.com"})
    url = f"http://127.0.0.1:{road.settings.events_port}/v1/events"
    origin = {"Origin": "https://app.example.com"}
    async with serving(road), aiohttp.ClientSession() as session:
        async with session.options(url, headers=origin | {"Access-Control-Request-Method": "GET"}) as asked:
            assert asked.status == 204
            assert asked.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
            assert "Last-Event-ID" in asked.headers["Access-Control-Allow-Headers"]
        async with session.get(url, headers=origin) as refused:
            assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://app.example.com")
            assert refused.headers["X-Content-Type-Options"] == "nosniff"
        async with session.get(url, headers={"Origin": "https://evil.example.com"}) as refused:
            assert "Access-Control-Allow-Origin" not in refused.headers


async def test_the_console_of_this_deployment_may_read(road: Road) -> None:
    """It is a page of the gateway at another port of the same host, by whatever name that was asked; nobody else's page is."""
    gateway = road.settings.gateway_port
    async with serving(road), aiohttp.ClientSession() as session:
        for host, origin, may in [
            ("127.0.0.1", f"http://127.0.0.1:{gateway}", True),
            ("localhost", f"http://localhost:{gateway}", True),
            ("[::1]", f"http://[::1]:{gateway}", True),
            ("localhost", f"http://127.0.0.1:{gateway}", False),
            ("127.0.0.1", f"http://127.0.0.1:{gateway + 1}", False),
            ("127.0.0.1", f"https://127.0.0.1:{gateway}", False),
            ("127.0.0.1", f"http://127.0.0.1.evil.example:{gateway}", False),
            ("127.0.0.1", "null", False),
        ]:
            headers = {"Host": f"{host}:{road.settings.events_port}", "Origin": origin}
            async with session.get(f"http://127.0.0.1:{road.settings.events_port}/v1/events", headers=headers) as refused:
                assert (refused.status, "Access-Control-Allow-Origin" in refused.headers) == (401, may), (host, origin)
                assert "Access-Control-Allow-Credentials" not in refused.headers
