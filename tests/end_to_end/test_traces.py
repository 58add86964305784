"""Traces of messages, as a real Jaeger shows them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chat4all.model.records import STATUS
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until
from ops.native.jaeger import Jaeger
from ops.native.processes import free_port
from tests.end_to_end.mixture import FURTHEST, Feed, Mixture, Outcome, Said, body_of, ended
from tests.ops.real import home_with, running

MESSAGES = 200
TALKS = 22
TOGETHER = 10
# The receipts that a channel's furthest state takes.
RECEIPTS = {"READ": {"read"}, "DELIVERED": {"delivered"}, "SENT": set[str]()}
PARTS = ("gateway", "bridge", "worker-pipeline", "worker-channels", "stream")


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A Jaeger that gets every trace of the systems that are started after it."""
    server = Jaeger(home_with(Jaeger), tmp_path_factory.mktemp("jaeger"), free_port())
    with running(server), pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.endpoint)
        environment.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
        yield server


def send(mixture: Mixture, number: int) -> Feed:
    """Everybody writes: users alone and several in a request, people on channels through their providers."""
    feed = Feed(mixture, 0)
    said = [mixture.message(each) for each in range(number)]
    for start in range(0, number, TOGETHER):
        some = said[start : start + TOGETHER]
        if start // TOGETHER % 2:
            feed._send(mixture.operator, some)
        else:
            for each in some:
                feed._send(mixture.operator, [each]) if each.provider_id else mixture.operator.send(body_of(each))
    feed.said += said
    return feed


class Trace:
    """A trace: its spans by time."""

    def __init__(self, spans: list[dict[str, Any]]) -> None:
        self.spans = sorted(spans, key=lambda each: int(each["startTime"]))

    def named(self, name: str) -> list[dict[str, Any]]:
        """The spans of this name, with their tags."""
        return [
            {**span, "tags": {tag["key"]: tag["value"] for tag in span["tags"]}}
            for span in self.spans
            if span["operationName"].split(" ")[0] == name
        ]

    def of(self, message_id: str) -> "Trace":
        """Without what the same webhook brought for others: receipts of their messages, on their own way."""
        of_others = [each for each in self.named("receipt") if _id(each) != message_id]
        of_others += [each for name in ("hand_out", "receipts") for each in self.named(name) if _topic(each) == STATUS]
        others = {each["spanID"] for each in of_others}
        return Trace([each for each in self.spans if each["spanID"] not in others])

    def began(self, name: str) -> int:
        """When the first of this name began, in microseconds; 0 where there is none."""
        return min((int(each["startTime"]) for each in self.named(name)), default=0)

    def orphans(self) -> list[str]:
        """Spans whose parent is not there."""
        known = {each["spanID"] for each in self.spans}
        parents = [(each, ref) for each in self.spans for ref in each["references"] if ref["refType"] == "CHILD_OF"]
        return [each["operationName"] for each, ref in parents if ref["spanID"] not in known]


def missing(trace: Trace, said: Said) -> list[str]:
    """What a message's trace lacks, or has in another order than it happened."""
    others = said.talk.addresses - {said.writer}
    sent = [each["tags"] for each in trace.named("attempt") if each["tags"]["outcome"] == "sent"]
    receipts = {(each["tags"]["channel"], each["tags"]["kind"]) for each in trace.named("receipt")}
    told = [each for each in trace.named("stream") if each["tags"]["kind"] == "message"]
    lacks = [f"{len(sent)} sent of {len(others)}"] if len(sent) < len(others) else []
    lacks += [f"{len(told)} told of {len(said.talk.users)}"] if len(told) < len(said.talk.users) else []
    for channel in {each.partition(":")[0] for each in others}:
        lacks += [f"{channel} {kind}" for kind in RECEIPTS[FURTHEST[channel]] if (channel, kind) not in receipts]
    names = ["append", "hand_out", "persist", "fan_out"]
    names = [*names, "attempt"] if others else [*names, "stream"]
    begins = [trace.began(each) for each in names]
    lacks += [f"order {begins}"] if 0 in begins or begins != sorted(begins) else []
    lacks += [f"no parent: {each}" for each in trace.orphans()]
    unnamed = [each["operationName"] for each in trace.spans if not _says(each, said.message_id)]
    lacks += [f"message_id of {each}" for each in unnamed]
    return lacks


def _id(span: dict[str, Any]) -> str:
    return str(span["tags"].get("message_id"))


def _topic(span: dict[str, Any]) -> str:
    return str(span["tags"].get("topic"))


def _says(span: dict[str, Any], message_id: str) -> bool:
    return any(each["key"] == "message_id" and each["value"] == message_id for each in span["tags"])


@pytest.mark.real
@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_a_trace_shows_every_step_of_a_message(jaeger: Jaeger, system: System) -> None:
    """200 messages between users and people on all channels: each one's trace is complete and in order from the request on,
    its batch's trace is linked, and none says what was written, to whom, or a secret.
    """
    with Mixture(system, TALKS) as mixture, Readers(mixture.tokens, system.stream_target) as readers:
        feed = send(mixture, MESSAGES)
        outcome = Outcome(feed, readers)
        wait_until("everything arrived", lambda: outcome.missing() == 0, 120, between_s=1)
        wait_until("every delivery came to its end", lambda: outcome.unfinished() == 0, 60, between_s=1)
        messages = {each["message_id"]: each for each in outcome.messages()}
        assert set(FURTHEST) >= {each.channel for each in ended(list(messages.values()))}
        found: dict[str, Trace] = {}

        def lacking() -> list[tuple[str, list[str]]]:
            for said in feed.said:
                if said.message_id not in found or missing(found[said.message_id], said):
                    trace = Trace(jaeger.trace(messages[said.message_id]["trace_id"]))
                    found[said.message_id] = trace.of(said.message_id)
            return [(said.message_id, lacks) for said in feed.said if (lacks := missing(found[said.message_id], said))]

        try:
            wait_until("every trace is complete", lambda: not lacking(), 60, between_s=2)
        except TimeoutError:
            pytest.fail(f"{len(lacking())} are incomplete: {lacking()[:5]}")
    alone = [found[each.message_id] for each in feed.said if len(found[each.message_id].named("POST")) == 1]
    assert len(alone) > MESSAGES // 4
    assert all(each.began("POST") <= each.began("append") for each in alone)
    _linked(jaeger, found[feed.said[0].message_id])
    _discreet(jaeger, system, feed.said)


def _linked(jaeger: Jaeger, trace: Trace) -> None:
    """The batch that a message went with has one trace, from the bridge through the tasks of the chain."""
    (persist, *_) = trace.named("persist")
    (link,) = [each for each in persist["references"] if each["refType"] == "FOLLOWS_FROM"]
    batch = Trace(jaeger.trace(link["traceID"]))
    assert {each["operationName"] for each in batch.spans} >= {"hand_out", "run/persist", "persist", "run/fan_out", "fan_out"}
    assert trace.spans[0]["traceID"] in {ref["traceID"] for each in batch.named("persist") for ref in each["references"]}


def _discreet(jaeger: Jaeger, system: System, said: Sequence[Said]) -> None:
    services = jaeger.ask("/api/services")["data"]
    assert {f"chat4all-{part}" for part in PARTS} <= set(services)
    everything = json.dumps([jaeger.ask(f"/api/traces?service={each}&limit=1500")["data"] for each in services])
    assert all(each.message_id in everything for each in said)
    addresses = {each.partition(":")[2].lstrip("+") for one in said for each in one.talk.addresses}
    private = {*addresses, *(each.text for each in said), *_secrets(system.settings.data / "secrets"), "horse battery"}
    assert sorted(each for each in private if each in everything) == []


def _secrets(folder: Path) -> list[str]:
    return [each.read_text() for each in folder.glob("*")] if folder.exists() else []
