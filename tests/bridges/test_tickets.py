"""Stream tickets: a browser's EventSource opens a stream with a URL alone, and nothing else does."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import grpc
import jwt
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chat4all.services.access import tokens
from chat4all.services.access.logins import Logins
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import Reader, Road, serving
from tests.bridges.test_access import IN_FORCE_S, disable, log_in, log_out, reuse
from tests.bridges.test_grpc_service import calling
from tests.bridges.test_sse import opened


def ticket_of(road: Road, token: str) -> str:
    """What the gateway gives for this token."""
    secret = road.settings.secret("jwt")
    said = tokens.read(token, secret)
    return tokens.issue_ticket(said.caller, said.expires_at, secret)[0]


def aged(road: Road, ticket: str, **changed: Any) -> str:
    """The same ticket with other claims."""
    secret = road.settings.secret("jwt")
    said = jwt.decode(ticket, secret, algorithms=[tokens.ALGORITHM], options=tokens.OPTIONS)
    return jwt.encode(said | changed, secret, algorithm=tokens.ALGORITHM)


async def test_a_ticket_opens_the_stream_and_resumes_it(road: Road) -> None:
    """Without a header: its user's events and nobody else's. Last-Event-ID and `cursor` resume, with any ticket of theirs."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(road.conversation("private", "alice", "carol"), "not for bob")
    road.say(talk, "one", "two")
    ticket = ticket_of(road, road.token("bob"))
    async with serving(road):
        async with opened(road, "", query=f"?ticket={ticket}") as page:
            first, second = await page.block(), await page.block()
            assert (await page.block()).keys() == {"id"}
        assert [json.loads(each["data"])["payload"]["text"] for each in (first, second)] == ["one", "two"]
        another = ticket_of(road, road.token("bob"))
        for query, cursor in ((f"?ticket={ticket}", first["id"]), (f"?ticket={another}&cursor={quote(first['id'])}", "")):
            async with opened(road, "", cursor, query) as page:
                assert json.loads((await page.block())["data"])["payload"]["text"] == "two"


async def test_scopes_come_with_the_ticket(road: Road) -> None:
    """A stream of everything opens for a service client that may, and not for others."""
    async with serving(road):
        for token, status in ((road.client_token("crm", "manage"), 200), (road.token("bob"), 403)):
            async with opened(road, "", query=f"?all=true&ticket={ticket_of(road, token)}") as page:
                assert page.response.status == status


REFUSED: dict[str, tuple[Callable[[Road, str, str], tuple[str, str]], str]] = {
    "an access token in the URL": (lambda road, token, _: ("", f"?ticket={token}"), "token_invalid"),
    "a refresh token in the URL": (
        lambda road, token, _: ("", f"?ticket={aged(road, token, type=tokens.REFRESH)}"),
        "token_invalid",
    ),
    "a ticket as a token": (lambda _road, _token, ticket: (ticket, ""), "token_invalid"),
    "both": (lambda _, token, ticket: (token, f"?ticket={ticket}"), "token_invalid"),
    "two": (lambda _road, _token, ticket: ("", f"?ticket={ticket}&ticket={ticket}"), "token_invalid"),
    "an empty one": (lambda *_: ("", "?ticket="), "token_invalid"),
    "nonsense": (lambda *_: ("", "?ticket=nonsense"), "token_invalid"),
    "a changed one": (lambda _road, _token, ticket: ("", f"?ticket={ticket[:-6]}AAAAAA"), "token_invalid"),
    "another word for it": (lambda _road, _token, ticket: ("", f"?token={ticket}"), "token_missing"),
    "one too old": (lambda road, _, ticket: ("", f"?ticket={aged(road, ticket, exp=int(time.time()) - 1)}"), "token_expired"),
    "one without an end": (lambda road, _, ticket: ("", f"?ticket={aged(road, ticket, until=None)}"), "token_invalid"),
}


@pytest.mark.parametrize(("made", "code"), REFUSED.values(), ids=REFUSED)
async def test_nothing_else_opens_a_stream(
    road: Road, made: Callable[[Road, str, str], tuple[str, str]], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Tickets only as tickets and tokens only as tokens; what is refused is repeated neither in the answer nor in a log."""
    access = road.token("bob")
    token, query = made(road, access, ticket_of(road, access))
    with caplog.at_level(logging.DEBUG):
        async with serving(road), aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            url = f"http://127.0.0.1:{road.settings.events_port}/v1/events{query}"
            async with session.get(url, headers=headers) as answer:
                said = await answer.text()
                assert (answer.status, json.loads(said)["code"]) == (401, code)
    assert "eyJ" not in said
    assert "eyJ" not in caplog.text


async def test_grpc_refuses_tickets(road: Road) -> None:
    """Every call of the service, the stream, and reflection."""
    ticket = ticket_of(road, road.token("bob"))
    talk = road.conversation("talk", "alice", "bob")
    refused = (grpc.StatusCode.UNAUTHENTICATED, "token_invalid")
    async with calling(road, token=ticket) as bob, Reader(road, "bob", token=ticket) as reader:
        assert await bob.refusal("Send", pb.SendRequest(conversation_id=talk, text="hello")) == refused
        assert await bob.refusal("Acknowledge", pb.AcknowledgeRequest(conversation_id=talk, up_to=0, kind="read")) == refused
        assert await reader.end() is grpc.StatusCode.UNAUTHENTICATED
        async with grpc.aio.insecure_channel(f"127.0.0.1:{road.settings.stream_port}") as channel:
            asked = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(list_services="")]),
                metadata=[("authorization", f"Bearer {ticket}")],
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asked.read()
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("ending", [log_out, disable, reuse], ids=lambda each: each.__name__)
async def test_a_stream_of_a_ticket_ends_with_its_login(road: Road, ending: Callable[[Logins, Road], None]) -> None:
    """Within two seconds, and the ticket opens nothing more, though its minute is not over."""
    logins, pair = Logins(road.store, road.settings), log_in(road)
    ticket = ticket_of(road, pair.access)
    async with serving(road):
        async with opened(road, "", query=f"?ticket={ticket}") as page:
            assert (await page.block()).keys() == {"id"}
            since = time.monotonic()
            await asyncio.to_thread(ending, logins, road)
            assert await page.block() == {"": "this login has ended: log in again"}
            assert time.monotonic() - since < IN_FORCE_S
        async with opened(road, "", query=f"?ticket={ticket}") as page:
            assert (page.response.status, (await page.response.json(content_type=None))["code"]) == (401, "token_revoked")


async def test_a_stream_goes_on_after_the_tickets_minute_and_ends_with_the_token(road: Road) -> None:
    """A ticket that ran out a moment after it opened a stream does not end it: the token that it was made with does."""
    ticket = aged(road, ticket_of(road, road.token("bob", life_s=4)), exp=int(time.time()) + 2)
    async with serving(road), opened(road, "", query=f"?ticket={ticket}") as page:
        since = time.monotonic()
        assert (await page.block()).keys() == {"id"}
        assert await page.block() == {"": "the token has expired"}
        assert time.monotonic() - since > 2.2
        async with opened(road, "", query=f"?ticket={ticket}") as again:
            assert again.response.status == 401
