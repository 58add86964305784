"""The other methods of the gRPC service, and what tools ask of a server."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, get_args

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.stream import StreamServer
from bridges.streaming.grpc_service import draft_of
from bridges.streaming.times import TIMES, Times
from chat4all.model.clock import now_ms
from chat4all.model.content import Content, Location
from chat4all.model.content_proto import as_shown, to_proto
from chat4all.model.drafts import Draft
from chat4all.model.records import INCOMING, STATUS, Position, Range, read_message, read_status
from chat4all.model.scheduled_messages import SCHEDULED
from chat4all.v1 import chat_pb2 as pb
from chat4all.v1 import chat_pb2_grpc
from ops.native.processes import free_port
from tests.bridges.road import TIMEOUT_S, Road, serving
from tests.contents import contents
from webapp.requests.validation import invalid
from webapp.schemas.message_models import MessageIn
from webapp.views.messages import draft_of as rest_draft

FOR_BOB = pb.SendRequest.FromString(b"\x42\x03bob" + pb.SendRequest(to=["carol"], text="hello").SerializeToString())
MESSAGE_ID = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"
PLACE = pb.Content(location=pb.Location(latitude=0, longitude=10))
OURS = "7f1c0f9a-58b7-5f2e-9a55-0d8f3f0f2f11"


class Caller:
    """Calls methods as one user."""

    def __init__(self, stub: Any, token: str) -> None:
        self._stub = stub
        self.use(token)

    def use(self, token: str) -> None:
        """From now on with this token."""
        self._metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),)

    async def call(self, name: str, request: Any) -> Any:
        return await getattr(self._stub, name)(request, metadata=self._metadata, timeout=TIMEOUT_S)

    async def refusal(self, name: str, request: Any) -> tuple[grpc.StatusCode, str]:
        """How a call is refused: its status and our stable code."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(name, request)
        trailing: Any = caught.value.trailing_metadata()
        return caught.value.code(), str(dict(trailing)["code"])


@asynccontextmanager
async def calling(road: Road, user: str = "alice", token: str = "", times: Times = TIMES) -> AsyncIterator[Caller]:
    async with serving(road, times=times), grpc.aio.insecure_channel(f"127.0.0.1:{road.settings.stream_port}") as channel:
        yield Caller(chat_pb2_grpc.ChatStub(channel), token or road.token(user))


async def test_send_makes_a_message_durable(road: Road) -> None:
    """OK means that the log has it: the sender is the token's, and what was chosen is kept."""
    talk = road.conversation("talk", "alice", "bob")
    request = pb.SendRequest(message_id=MESSAGE_ID, conversation_id=talk, text="hello", metadata_json='{"tag": [1]}')
    async with calling(road) as alice:
        answer = await alice.call("Send", request)
        again = await alice.call("Send", request)
    assert (answer.message_id, answer.conversation_id) == (MESSAGE_ID, talk)
    assert again == answer
    spans = road.log.ends(INCOMING)
    ranges = [Range(each, first, end - 1) for each, (first, end) in spans.items() if end > first]
    message = read_message(road.log.read(INCOMING, ranges, TIMEOUT_S)[0])
    assert (message.sender, message.payload.as_text(), message.metadata) == ("alice", "hello", {"tag": [1]})


async def test_send_takes_a_time_to_send_at(road: Road) -> None:
    """It waits till then, under its id; the same again is answered alike, and a time behind is refused."""
    talk = road.conversation("talk", "alice", "bob")
    request = pb.SendRequest(message_id=MESSAGE_ID, conversation_id=talk, text="hello", send_at_ms=now_ms() + 3_600_000)
    async with calling(road) as alice:
        answer = await alice.call("Send", request)
        again = await alice.call("Send", request)
        now = await alice.call("Send", pb.SendRequest(conversation_id=talk, text="now"))
        late = pb.SendRequest(conversation_id=talk, text="hello", send_at_ms=1)
        assert await alice.refusal("Send", late) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid")
    assert (answer.message_id, answer.conversation_id, answer.status, now.status) == (MESSAGE_ID, talk, "scheduled", "accepted")
    assert again == answer
    [waiting] = road.store.open_records(SCHEDULED, 9)
    assert (waiting.due_at, waiting.body["message_id"]) == (request.send_at_ms, MESSAGE_ID)


async def test_send_takes_every_kind_of_content(road: Road) -> None:
    """What is in place of a text is kept as what it is; a latitude of 0 is a latitude."""
    talk = road.conversation("talk", "alice", "bob")
    async with calling(road) as alice:
        await alice.call("Send", pb.SendRequest(conversation_id=talk, content=PLACE))
    spans = road.log.ends(INCOMING)
    ranges = [Range(each, first, end - 1) for each, (first, end) in spans.items() if end > first]
    assert read_message(road.log.read(INCOMING, ranges, TIMEOUT_S)[0]).payload == Location(0, 10)


def _as_read(read: Callable[[], Draft]) -> tuple[Any, str]:
    """The payload, or what is wrong."""
    try:
        return read().payload, ""
    except ValidationError as error:
        [wrong] = invalid(error).errors
        return None, f"{wrong['field']}: {wrong['detail']}"
    except ValueError as error:
        return None, str(error)


@given(contents(*get_args(Content)), st.sampled_from([None, True, False]))
def test_a_payload_is_read_as_over_rest(content: Content, adapt: bool | None) -> None:
    """The same draft, or the same words about the same field."""
    request = pb.SendRequest(to=["bob"], content=to_proto(content), adapt=adapt)
    body = {"to": ["bob"], "payload": as_shown(request.content), **({} if adapt is None else {"adapt": adapt})}
    assert _as_read(lambda: draft_of(request)) == _as_read(lambda: rest_draft(MessageIn.model_validate(body)))


@pytest.mark.parametrize(("adapt", "read"), [(None, True), (True, True), (False, False)])
def test_a_message_may_be_adapted_unless_its_sender_says_no(adapt: bool | None, read: bool) -> None:
    """What is left out is yes, as over REST; so it is for clients of before."""
    assert draft_of(pb.SendRequest(to=["bob"], text="x", adapt=adapt)).adapt is read


async def test_a_key_in_the_metadata_stands_for_the_message_id(road: Road) -> None:
    """As the header does over REST: the same call is the same message, another body is refused."""
    talk = road.conversation("talk", "alice", "bob")
    request = pb.SendRequest(conversation_id=talk, text="hello")
    async with calling(road) as alice:
        alice._metadata = (*alice._metadata, ("idempotency-key", "order-1"))
        first = await alice.call("Send", request)
        assert await alice.call("Send", request) == first
        alice._metadata = (alice._metadata[0], ("idempotency-key", "order-2"))
        assert (await alice.call("Send", request)).message_id != first.message_id


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (pb.SendRequest(conversation_id="x", text="hello"), grpc.StatusCode.INVALID_ARGUMENT, "malformed_uuid"),
        (pb.SendRequest(conversation_id=MESSAGE_ID, text="hello"), grpc.StatusCode.NOT_FOUND, "unknown_conversation"),
        (pb.SendRequest(to=["bob"], text="x", message_id=OURS), grpc.StatusCode.INVALID_ARGUMENT, "reserved_message_id"),
        (pb.SendRequest(to=["bob"], text=""), grpc.StatusCode.INVALID_ARGUMENT, "empty_text"),
        (pb.SendRequest(to=["bob"], text="hello", metadata_json="[]"), grpc.StatusCode.INVALID_ARGUMENT, "invalid"),
        (pb.SendRequest(to=["bob"], text="hello", reply_to="x"), grpc.StatusCode.INVALID_ARGUMENT, "malformed_uuid"),
        (pb.SendRequest(to=["bob"], text="hello", content=PLACE), grpc.StatusCode.INVALID_ARGUMENT, "invalid"),
        (pb.SendRequest(to=["bob"], content=pb.Content()), grpc.StatusCode.INVALID_ARGUMENT, "invalid"),
        (
            pb.SendRequest(to=["bob"], content=pb.Content(text=pb.Text(text=" "))),
            grpc.StatusCode.INVALID_ARGUMENT,
            "empty_text",
        ),
        (FOR_BOB, grpc.StatusCode.PERMISSION_DENIED, "scope_needed"),
    ],
)
async def test_refusals_of_send(road: Road, request_: pb.SendRequest, status: grpc.StatusCode, code: str) -> None:
    """The same rules and codes as the REST API."""
    async with calling(road) as alice:
        assert await alice.refusal("Send", request_) == (status, code)


async def test_acknowledge_is_noted(road: Road) -> None:
    """A position goes to chat-status under the caller's own name."""
    talk = road.conversation("talk", "alice", "bob")
    [message] = road.say(talk, "hello")
    async with calling(road, "bob") as bob:
        await bob.call("Acknowledge", pb.AcknowledgeRequest(conversation_id=talk, up_to=message.seq, kind="read"))
    ranges = [Range(each, first, end - 1) for each, (first, end) in road.log.ends(STATUS).items() if end > first]
    [status] = map(read_status, road.log.read(STATUS, ranges, TIMEOUT_S))
    assert isinstance(status, Position)
    assert (status.conversation_id, status.user_id, status.kind, status.up_to) == (talk, "bob", "read", message.seq)


async def test_refusals_of_acknowledge(road: Road) -> None:
    """A foreign conversation, an unknown kind, and a message that does not exist yet."""
    talk = road.conversation("talk", "alice", "bob")
    [message] = road.say(talk, "hello")
    known: dict[str, Any] = {"conversation_id": talk, "up_to": message.seq, "kind": "read"}
    async with calling(road, "carol") as carol:
        refusal = await carol.refusal("Acknowledge", pb.AcknowledgeRequest(**known))
        assert refusal == (grpc.StatusCode.NOT_FOUND, "unknown_conversation")
    async with calling(road, "bob") as bob:
        for wrong in ({"kind": "seen"}, {"up_to": message.seq + 1}):
            status, _ = await bob.refusal("Acknowledge", pb.AcknowledgeRequest(**known | wrong))
            assert status is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["Send", "Acknowledge"])
async def test_every_method_needs_a_token(road: Road, name: str) -> None:
    """A forged token is UNAUTHENTICATED everywhere."""
    request = pb.SendRequest() if name == "Send" else pb.AcknowledgeRequest()
    async with calling(road, token="forged") as nobody:
        assert await nobody.refusal(name, request) == (grpc.StatusCode.UNAUTHENTICATED, "token_invalid")


async def test_health_and_reflection(road: Road) -> None:
    """Probes find out that it serves; what it serves is told to whoever is known, not to strangers."""
    async with serving(road), grpc.aio.insecure_channel(f"127.0.0.1:{road.settings.stream_port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service="chat4all.v1.Chat"), timeout=TIMEOUT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(iter([question]), timeout=TIMEOUT_S).read()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        metadata = (("authorization", f"Bearer {road.token('alice')}"),)
        listed = await ask(iter([question]), timeout=TIMEOUT_S, metadata=metadata).read()
        assert "chat4all.v1.Chat" in {service.name for service in listed.list_services_response.service}


@pytest.mark.parametrize("which", ["stream", "events"])
async def test_a_taken_port_is_an_error(road: Road, which: str) -> None:
    """Two servers never share a port: each would get some of the callers. What was begun is let go, so the process ends."""
    ports = {"stream_port": free_port(), "events_port": free_port()}
    taken = getattr(road.settings, f"{which}_port")
    second = road.settings.model_copy(update=ports | {f"{which}_port": taken})
    async with serving(road):
        with pytest.raises(OSError, match=f"CHAT4ALL_{which.upper()}_PORT: port {taken}"):
            await StreamServer(second, road.log, road.store).start()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("feed")]
