"""The stream server's part of a trace: calls that come in, and events that leave."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest
from msgspec.structs import replace

from bridges.batches import Traces
from chat4all.model.records import INCOMING, Range, Record
from chat4all.telemetry import trace_context
from chat4all.v1 import chat_pb2 as pb
from chat4all.v1 import chat_pb2_grpc
from tests.bridges.road import TIMEOUT_S, Reader, Road, serving
from tests.spans import Recording, id_of, recording

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def recorded() -> Iterator[Recording]:
    """Tracing is on; only what a caller asks for is recorded."""
    with recording(0) as found:
        yield found


async def test_a_call_is_the_beginning_of_its_message(road: Road, recorded: Recording) -> None:
    """Send goes on with the caller's trace; without one, and not drawn, nothing is recorded. A stream is no call."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), grpc.aio.insecure_channel(f"127.0.0.1:{road.settings.stream_port}") as channel:
        stub = chat_pb2_grpc.ChatStub(channel)
        for number, traced in enumerate([(), (("traceparent", SAMPLED),)]):
            metadata = (("authorization", f"Bearer {road.token('alice')}"), *traced)
            request = pb.SendRequest(conversation_id=talk, text=f"hello {number}")
            await stub.Send(request, metadata=metadata, timeout=TIMEOUT_S)
    call, append = recorded.all()
    assert (call.name, append.name) == ("/chat4all.v1.Chat/Send", "append")
    assert append.parent
    assert append.parent.span_id == id_of(call)
    spans = [Range(each, first, end - 1) for each, (first, end) in road.log.ends(INCOMING).items() if end > first]
    headers = [each.headers[trace_context.HEADER] for each in road.log.read(INCOMING, spans, TIMEOUT_S)]
    assert [trace_context.trace_id(each) == TRACE for each in headers] == [False, True]
    assert "hello" not in "".join(each.to_json() for each in recorded.all())


async def test_an_event_that_leaves_is_the_last_step(road: Road, recorded: Recording) -> None:
    """A live event of a sampled message is recorded when it was written; history that is read again is not."""
    talk = road.conversation("talk", "alice", "bob")

    def say(text: str) -> None:
        (message,) = (replace(each, trace=SAMPLED) for each in road.accept(talk, text))
        road.persist([message])
        road.publish([message])
        road.advance([message])

    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
        await asyncio.to_thread(say, "one")
        await bob.events(1)
        # The span ends after the event is on its way.
        while not any(each.name == "stream" for each in recorded.of(TRACE)):
            await asyncio.sleep(0.01)
    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
    left = [each for each in recorded.of(TRACE) if each.name == "stream"]
    assert [(each.attributes or {})["kind"] for each in left] == ["message"]


def test_the_oldest_sampled_records_are_forgotten_first(recorded: Recording) -> None:
    """What waits to be handed out is bounded."""
    waiting = Traces(most=2)
    headers = {trace_context.HEADER: SAMPLED, trace_context.MESSAGE: "m"}
    waiting.add([Record(INCOMING, 0, offset, "k", b"", headers, 1) for offset in range(3)])
    assert len(waiting.take([Range(0, 0, 2)])) == 2
