"""A message's trace along the stages, the lanes and the receipts."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from bridges.batches import Traces
from chat4all.model.deliveries import Lane
from chat4all.model.records import EVENTS, INCOMING, ProviderReceipt, incoming_record, status_record
from chat4all.telemetry import trace_context, tracing
from tasks.lanes.runner import LaneRunner
from tests.spans import Recording, id_of, recording
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, message, new_id, whatsapp, world

CONVERSATION = new_id("conversation", 1)
WORDS = "for your eyes only"


@pytest.fixture
def recorded() -> Iterator[Recording]:
    with recording() as found:
        yield found


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1, linger_ms=50) as made:
        made.know(whatsapp(1))
        yield made


def say(road: World, number: int, sampled: bool) -> str:
    """A message with a trace; its context."""
    trace = trace_context.new()[:-1] + ("1" if sampled else "0")
    made = message(CONVERSATION, number, WORDS, to=[whatsapp(1)])
    headers = {trace_context.HEADER: trace} | ({trace_context.MESSAGE: made.message_id} if sampled else {})
    road.log.append([incoming_record(made, 1, headers)], 5)
    return trace


def deliver(road: World, channel: Fake) -> None:
    runner = LaneRunner(road.parts, lambda *_: channel)
    runner.start()
    try:
        runner.wake(Lane("whatsapp", 0))
        until = time.monotonic() + 10
        while not all(row.facts.sent_at for row in road.rows()) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        runner.stop()


def test_a_trace_has_every_step(road: World, recorded: Recording) -> None:
    """Stages, attempt and receipts are spans under the record's; a message that is not sampled has none, only its id."""
    trace, quiet = say(road, 1, True), say(road, 2, False)
    road.run()
    deliver(road, Fake())
    row, other = road.rows()
    assert (row.trace, other.trace) == (trace, quiet)
    webhook = trace_context.new()[:-1] + "1"
    receipt = ProviderReceipt("whatsapp", "account", row.facts.provider_id, "read", 5, reference=str(row.key))
    road.log.append([status_record(receipt, 1, {trace_context.HEADER: webhook})], 5)
    road.receive()
    spans = recorded.of(trace_context.trace_id(trace))
    assert [each.name for each in spans] == ["persist", "fan_out", "attempt", "receipt"]
    assert {each.parent.span_id if each.parent else 0 for each in spans} == {int(trace[36:52], 16)}
    assert {(each.attributes or {})["message_id"] for each in spans} == {row.message_id}
    assert (spans[2].attributes or {})["outcome"] == "sent"
    assert [each.context.trace_id for each in spans[3].links] == [int(webhook[3:35], 16)]
    assert {each.name for each in recorded.of(trace_context.trace_id(webhook))} == {"receipts", "receipt"}
    assert recorded.of(trace_context.trace_id(quiet)) == []
    assert not any(private in each.to_json() for each in recorded.all() for private in (WORDS, row.address))


def test_a_batch_is_one_span_with_links(road: World, recorded: Recording) -> None:
    """A stage over several messages is one span, linked to each, and they to it."""
    traces = [say(road, number, True) for number in range(3)]
    road.run()
    batches = [each for each in recorded.all() if (each.attributes or {}).get("messages")]
    assert [each.name for each in batches] == ["persist", "fan_out"]
    for batch in batches:
        assert {f"{link.context.trace_id:032x}" for link in batch.links} == set(map(trace_context.trace_id, traces))
        parts = [each for trace in traces for each in recorded.of(trace_context.trace_id(trace)) if each.name == batch.name]
        assert {link.context.span_id for each in parts for link in each.links} == {id_of(batch)}


def test_events_carry_the_trace_to_the_stream(road: World, recorded: Recording) -> None:
    """Only sampled messages' events do."""
    trace, _ = say(road, 1, True), say(road, 2, False)
    road.run()
    events = road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)
    assert [each.headers.get(trace_context.HEADER, "") for each in events] == [trace, ""]


def test_the_bridge_hands_each_out_once(road: World, recorded: Recording) -> None:
    """What was handed out is forgotten: the same batch again makes no second step."""
    trace, _ = say(road, 1, True), say(road, 2, False)
    ranges = road.everything(INCOMING).ranges
    waiting = Traces()
    waiting.add(road.log.read(INCOMING, ranges, 5))
    assert [each for each, _ in waiting.take(ranges)] == [trace]
    assert waiting.take(ranges) == []


def test_nothing_is_recorded_where_tracing_is_off(road: World) -> None:
    """The same records, with tracing off: no recorder, no header on events, and the trace id is kept all the same."""
    trace = say(road, 1, True)
    with patch.dict(sys.modules, {"chat4all.telemetry.spans": None}):
        tracing.begin("test", road.parts.settings)
        road.run()
        deliver(road, Fake())
    assert tracing.spans() is None
    assert road.rows()[0].trace == trace
    assert all(trace_context.HEADER not in each.headers for each in road.log.read(EVENTS, road.everything(EVENTS).ranges, 5))
