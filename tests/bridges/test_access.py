"""Who may stay on the stream server: what is revoked elsewhere ends streams and calls, and limits hold here too."""

import asyncio
import time
from collections.abc import Callable

import grpc
import jwt
import pytest
from msgspec.structs import replace

from bridges.streaming.times import Times
from chat4all.model.conversations import User, UserKind
from chat4all.model.failures import Temporary
from chat4all.services.access import tokens
from chat4all.services.access.logins import Logins, Pair
from chat4all.telemetry.instruments import REGISTRY
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import Reader, Road, serving
from tests.bridges.test_grpc_service import calling
from tests.bridges.test_sse import opened
from tests.webapp.test_sessions import ODD_CLAIMS

IN_FORCE_S = 2.0
BOB = User("bob", UserKind.PERSON, 1)


def log_in(road: Road) -> Pair:
    """Bob's login, as a gateway makes it."""
    road.store.add_users([BOB])
    return Logins(road.store, road.settings).begin(BOB, road.store.generation())


def log_out(logins: Logins, road: Road) -> None:
    [session] = road.store.sessions("bob")
    logins.log_out("bob", session.session_id)


def disable(logins: Logins, _road: Road) -> None:
    logins.end_all("bob", lambda user: replace(user, disabled_at=1))


def reuse(logins: Logins, road: Road) -> None:
    [session] = road.store.sessions("bob")
    logins.end(session)


@pytest.mark.parametrize("ending", [log_out, disable, reuse], ids=lambda each: each.__name__)
async def test_what_is_revoked_elsewhere_ends_streams(road: Road, ending: Callable[[Logins, Road], None]) -> None:
    """Two quiet streams of the login, gRPC and SSE, end within two seconds; another login's stream goes on."""
    logins, pair = Logins(road.store, road.settings), log_in(road)
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), Reader(road, "bob", token=pair.access) as reader, Reader(road, "alice") as other:
        async with opened(road, pair.access) as page:
            await reader.caught_up()
            await other.caught_up()
            while "id" not in await page.block():
                pass
            since = time.monotonic()
            await asyncio.to_thread(ending, logins, road)
            assert await reader.end() is grpc.StatusCode.UNAUTHENTICATED
            assert await page.block() == {"": "this login has ended: log in again"}
            assert time.monotonic() - since < IN_FORCE_S
        await asyncio.to_thread(road.say, talk, "still there")
        assert [event.message.text for event in await other.events(1)] == ["still there"]
        async with Reader(road, "bob", token=pair.access) as again:
            assert await again.end() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stream_whose_reader_does_not_read_ends_too(road: Road) -> None:
    """What is under way when the login ends is not waited for."""
    logins, pair = Logins(road.store, road.settings), log_in(road)
    talk = road.conversation("talk", "alice", "bob")
    await asyncio.to_thread(road.say, talk, *("x" * 4000 for _ in range(3)))
    async with serving(road) as server, Reader(road, "bob", token=pair.access):
        for number in range(400):
            await asyncio.to_thread(road.say, talk, *(f"{number} {each} " + "y" * 30_000 for each in range(2)))
            if number > 40:
                break
        assert server.subscribers == 1
        await asyncio.to_thread(disable, logins, road)
        since = time.monotonic()
        while server.subscribers:
            await asyncio.sleep(0.05)
            assert time.monotonic() - since < IN_FORCE_S


async def test_calls_of_an_ended_login_are_refused(road: Road) -> None:
    """Send with a token that was good a moment ago."""
    logins, pair = Logins(road.store, road.settings), log_in(road)
    talk = road.conversation("talk", "alice", "bob")
    request = pb.SendRequest(conversation_id=talk, text="hello")
    async with calling(road, token=pair.access) as bob:
        await bob.call("Send", request)
        await asyncio.to_thread(disable, logins, road)
        await asyncio.sleep(1.5)
        assert await bob.refusal("Send", request) == (grpc.StatusCode.UNAUTHENTICATED, "token_revoked")


def _unread() -> float:
    """How often somebody could not ask which logins have ended."""
    return REGISTRY.get_sample_value("chat4all_revocations_unread_total") or 0.0


async def test_who_cannot_read_revocations_trusts_nobody(road: Road) -> None:
    """When the store has not answered for too long, streams end and calls are UNAVAILABLE: not for a moment's outage."""
    quick = Times(revocations_s=0.05, blind_s=1.0)
    talk = road.conversation("talk", "alice", "bob")
    async with calling(road, times=quick) as alice, Reader(road, "alice") as reader:
        await reader.caught_up()
        road.faults.fail("generation", Temporary("store", "away"))
        unread = _unread()
        since = time.monotonic()
        assert await reader.end() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - since > 0.8
        assert _unread() - unread > 5
        request = pb.SendRequest(conversation_id=talk, text="hello")
        assert await alice.refusal("Send", request) == (grpc.StatusCode.UNAVAILABLE, "unavailable")
        road.faults.mend()
        await asyncio.sleep(1.2)
        await alice.call("Send", request)


async def test_one_limit_for_every_way_in(road: Road) -> None:
    """Send has the rate of the caller's requests; streams have one of their own, over gRPC and SSE together."""
    road.settings = road.settings.model_copy(update={"rate_limit": "3/minute", "stream_limit": "2/minute"})
    talk = road.conversation("talk", "alice", "bob")
    request = pb.SendRequest(conversation_id=talk, text="hello")
    async with calling(road) as alice:
        for _ in range(3):
            await alice.call("Send", request)
        assert await alice.refusal("Send", request) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
        async with Reader(road, "alice") as reader:
            await reader.caught_up()
        async with opened(road, road.token("alice")) as page:
            assert page.response.status == 200
        async with opened(road, road.token("alice")) as page:
            assert page.response.status == 429
            assert 1 <= int(page.response.headers["Retry-After"]) <= 60
        async with Reader(road, "alice") as reader:
            assert await reader.end() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with Reader(road, "bob") as reader:
            await reader.caught_up()


async def test_a_token_that_does_not_say_all_is_refused(road: Road) -> None:
    """The same tokens as at the gateway, by the same verifier: UNAUTHENTICATED, never UNKNOWN."""
    key = road.settings.secret("jwt")
    request = pb.SendRequest(text="hello", to=["bob"])
    async with calling(road) as alice:
        for odd in ODD_CLAIMS.values():
            claims = jwt.decode(tokens.issue(BOB, tokens.ACCESS, 60, key), options={"verify_signature": False})
            odd(claims)
            alice.use(jwt.encode(claims, key, algorithm="HS256"))
            assert (await alice.refusal("Send", request))[0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("depth", [100, 1000, 30_000])
async def test_deeply_nested_metadata_is_a_bad_request(road: Road, depth: int) -> None:
    """INVALID_ARGUMENT, never UNKNOWN or INTERNAL."""
    talk = road.conversation("talk", "alice", "bob")
    deep = '{"a":' * depth + "1" + "}" * depth
    async with calling(road) as alice:
        refused = await alice.refusal("Send", pb.SendRequest(conversation_id=talk, text="x", metadata_json=deep))
    assert refused[0] is grpc.StatusCode.INVALID_ARGUMENT
