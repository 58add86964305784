"""What an endpoint was told: each planted fault is found under its name, and nothing in a good run."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ops.faults.hearing import judged, two_faced
from ops.faults.history import Accepted, Arrival, Ended, History, Kept
from ops.harness.endpoint import Heard, each_of, firsts

PHONE = "whatsapp:+5511999990000"
SENT = [Accepted(f"m{n}", "c", n, frozenset({"bob"}), frozenset({PHONE}), text=f"m{n}") for n in range(4)]
BASE = History(
    SENT,
    [Arrival(PHONE, "c", each.message_id, 0, each.text) for each in SENT],
    [Arrival("bob", "c", each.message_id) for each in SENT],
    ended=[Ended(each.message_id, "p", "whatsapp", "READ", "c", n + 1) for n, each in enumerate(SENT)]
    + [Ended(each.message_id, "bob", "chat4all", "READ", "c", n + 1) for n, each in enumerate(SENT)],
    kept={"c": [Kept(each.message_id, n + 1, each.text) for n, each in enumerate(SENT)]},
)


def heard(event_id: str, kind: str, data: dict[str, Any], seq: int = -1) -> Heard:
    """A call as the endpoint keeps it."""
    body: dict[str, Any] = {"id": event_id, "type": kind, "timestamp": "2026-11-30T08:00:00.000Z", "conversation_id": "c"}
    return Heard("/told", 1_796_025_601_000, event_id, body | {"data": data} | ({"seq": seq} if seq >= 0 else {}))


def said(number: int, event_id: str = "") -> Heard:
    """A message."""
    data = {"message_id": f"m{number}", "payload": {"type": "text", "text": f"m{number}"}}
    return heard(event_id or f"e{number}", "message.accepted", data, number + 1)


def state(number: int, status: str) -> Heard:
    """How far its delivery has come."""
    data = {"message_id": f"m{number}", "recipient": "p", "channel": "whatsapp", "state": status}
    return heard(f"s{number}-{status}", "delivery.updated", data)


def place(reached: int) -> Heard:
    """How far bob has read."""
    data = {"conversation_id": "c", "user_id": "bob", "delivered_up_to": reached, "read_up_to": reached}
    return heard(f"p{reached}", "position.updated", data)


GOOD = [*map(said, range(4)), *(state(n, each) for n in range(4) for each in ("SENT", "READ")), place(2), place(4)]


def wrong(calls: list[Heard], base: History = BASE) -> set[str]:
    """The names of what is wrong."""
    found = {name for name, each in judged(calls, base).items() if each}
    return found | ({"two_faced"} if two_faced(calls) else set())


def test_a_good_run_has_no_faults() -> None:
    """Also with repeats: whoever was killed before the answer is told again what came before."""
    assert wrong(GOOD) == set()
    assert wrong([*GOOD[:3], *GOOD]) == set()
    assert firsts([*GOOD[:3], *GOOD]) == GOOD
    assert GOOD[0].took_ms == 1000


def swapped(calls: list[Heard]) -> list[Heard]:
    return [calls[1], calls[0], *calls[2:]]


def other_words(calls: list[Heard]) -> list[Heard]:
    data = calls[0].event["data"] | {"payload": {"type": "text", "text": "other words"}}
    return [replace(calls[0], event=calls[0].event | {"data": data}), *calls[1:]]


def altered(calls: list[Heard]) -> list[Heard]:
    return [*calls, replace(calls[0], event=calls[0].event | {"data": {}})]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("lost", lambda calls: calls[1:]),
        ("inversions", swapped),
        ("doubled_in", lambda calls: [*calls, said(0, "another")]),
        ("stale", lambda calls: [each for each in calls if each.event_id != "s1-READ"]),
        ("stale", lambda calls: calls[:-1]),
        ("backwards", lambda calls: [*calls, heard("s9", "delivery.updated", state(0, "SENT").event["data"]), calls[5]]),
        ("receding", lambda calls: [*calls, heard("p9", "position.updated", place(1).event["data"])]),
        ("two_faced", altered),
        ("two_faced", lambda calls: [*calls[1:], replace(calls[0], event_id="other")]),
        ("altered", other_words),
    ],
)  # fmt: skip
def test_a_fault_is_found_under_its_name(name: str, fault: Callable[[list[Heard]], list[Heard]]) -> None:
    """One each, planted into a good run."""
    assert name in wrong(fault(list(GOOD)))


def test_what_nobody_asks_for_is_passed_over() -> None:
    """Messages that were said before there was an endpoint may be told or not."""
    asked = replace(BASE, accepted=SENT[1:])
    assert wrong(GOOD, asked) == wrong(GOOD[1:], asked) == set()


def test_what_came_together_is_heard_event_by_event() -> None:
    """Each under its own id, in order; an id that is not the body's is found in a batch too."""
    events = [{"id": f"e{number}", "type": "message.accepted", "data": {}} for number in range(3)]
    batch = {"id": "b", "type": "webhook.batch", "data": {"events": events}}
    found = each_of("/told", "b", batch)
    assert [(each.event_id, each.event, each.together) for each in found] == [(each["id"], each, 3) for each in events]
    assert two_faced([*found, *each_of("/told", "e1", events[1])]) == []
    assert two_faced(each_of("/told", "b", events[0])) == ["b"]
    [other] = each_of("/told", "e1", events[1] | {"type": "message.updated"})
    assert two_faced([*found, other]) == ["e1"]
