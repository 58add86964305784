"""A stream server tells each workspace of its own, as it calls things, and takes nothing of it to another."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import Limits, stored
from chat4all.services.access import tokens
from chat4all.services.access.workspaces import WorkspaceRegistry
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import Reader, Road, serving
from tests.bridges.test_grpc_service import calling
from tests.bridges.test_sse import opened

WORKSPACES = (DEFAULT_WORKSPACE, "acme", "zeta")
TALK = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"


def token(road: Road, workspace: str, user: str = "bob", *scopes: str) -> str:
    who = User(user, UserKind.CLIENT if scopes else UserKind.PERSON, 1, scopes=scopes)
    return tokens.issue(who, tokens.ACCESS, 600, road.settings.secret("jwt"), workspace=workspace)


@pytest.fixture
def talks(road: Road) -> Road:
    """The same conversation, with members of the same names, in each workspace."""
    for workspace in WORKSPACES:
        members = [stored(workspace, each) for each in ("alice", "bob")]
        road.users(*members)
        founded = Conversation(stored(workspace, TALK), ConversationType.GROUP, members[0], 1)
        road.store.add_conversations([(founded, members)])
    return road


def say(road: Road, words: str) -> None:
    """Something in each workspace."""
    for workspace in WORKSPACES:
        road.say(stored(workspace, TALK), f"{words} of {workspace}", sender=stored(workspace, "alice"))


@pytest.mark.parametrize("everything", [False, True], ids=["own", "all"])
@pytest.mark.parametrize("workspace", WORKSPACES)
async def test_a_stream_has_what_is_of_its_workspace(talks: Road, workspace: str, everything: bool) -> None:
    """What was said before, what is said now, and what is read in the log; never the name under which it is stored."""
    say(talks, "before")
    reads = token(talks, workspace, "boss", "manage") if everything else token(talks, workspace)
    async with serving(talks):
        async with Reader(talks, "", token=reads, everything=everything) as reader:
            before = await reader.caught_up()
            await asyncio.to_thread(say, talks, "now")
            now = await reader.until(f"now of {workspace}")
        await asyncio.to_thread(say, talks, "later")
        async with Reader(talks, "", reader.cursor, token=reads, everything=everything) as again:
            later = await again.until(f"later of {workspace}")
    told = [each.message for each in (*before, *now, *later) if each.HasField("message")]
    words = ["now", "later"] if everything else ["before", "now", "later"]
    assert [each.text for each in told] == [f"{each} of {workspace}" for each in words]
    assert {(each.conversation_id, each.sender) for each in told} == {(TALK, "alice")}


async def test_server_sent_events_say_what_things_are_called(talks: Road) -> None:
    """The JSON too."""
    say(talks, "hello")
    async with serving(talks), opened(talks, token(talks, "acme")) as page:
        told = json.loads((await page.block())["data"])
    assert (told["payload"]["text"], told["conversation_id"], told["sender"]) == ("hello of acme", TALK, "alice")


def send(name: str, _seq: int) -> Any:
    return pb.SendRequest(conversation_id=name, text="x")


def acknowledge(name: str, seq: int) -> Any:
    return pb.AcknowledgeRequest(conversation_id=name, kind="read", up_to=seq)


@pytest.mark.parametrize(("method", "asked"), [("Send", send), ("Acknowledge", acknowledge)], ids=["Send", "Acknowledge"])
@pytest.mark.parametrize("workspace", ["zeta", DEFAULT_WORKSPACE])
async def test_calls_find_a_foreign_conversation_as_little_as_a_random_one(
    talks: Road, workspace: str, method: str, asked: Callable[[str, int], Any]
) -> None:
    """Each works for whose it is, and answers others as for an id that is nobody's."""
    foreign = str(uuid4())
    members = [stored("acme", each) for each in ("alice", "bob")]
    talks.store.add_conversations([(Conversation(stored("acme", foreign), ConversationType.GROUP, members[0], 1), members)])
    [said] = talks.say(stored("acme", foreign), "hello", sender=members[0])
    async with calling(talks, token=token(talks, "acme")) as own:
        await own.call(method, asked(foreign, said.seq))
    names = [foreign, str(uuid4()), stored("acme", foreign), stored("nowhere", foreign)]
    async with calling(talks, token=token(talks, workspace)) as other:
        answers = [await other.refusal(method, asked(name, said.seq)) for name in names]
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]


async def test_a_suspended_workspace_is_shut_out_within_two_seconds(talks: Road) -> None:
    """Open streams end, gRPC and SSE, and no door opens; the others go on."""
    registry = WorkspaceRegistry(talks.store, talks.settings)
    registry.create("acme", "", Limits(), "root")
    reads = token(talks, "acme")
    async with serving(talks), Reader(talks, "", token=reads) as reader, Reader(talks, "bob") as other:
        async with opened(talks, reads) as page:
            await reader.caught_up()
            await other.caught_up()
            while "id" not in await page.block():
                pass
            since = time.monotonic()
            await asyncio.to_thread(registry.to_state, "acme", "suspended")
            assert await reader.end() is grpc.StatusCode.PERMISSION_DENIED
            assert "suspended" in (await page.block())[""]
            assert time.monotonic() - since < 2.0
        async with Reader(talks, "", token=reads) as again:
            assert await again.end() is grpc.StatusCode.PERMISSION_DENIED
        async with opened(talks, reads) as page:
            assert (page.response.status, (await page.response.json())["code"]) == (403, "workspace_suspended")
        await asyncio.to_thread(say, talks, "still there")
        assert [each.message.text for each in await other.events(1)] == ["still there of default"]
