"""Endpoints that ask for it by name are told who types and who is there: at once or never, and nobody waits for it."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.events import encode
from chat4all.model.passing import LATE_MS, typing_event
from chat4all.model.presence import Present, Report
from chat4all.model.records import SIGNALS, Record
from chat4all.ports.webhooks import WEBHOOKS, Filter
from chat4all.services.presence import report_record
from chat4all.telemetry.instruments import REGISTRY
from tasks.webhooks.passing import AT_ONCE, WAITING_MOST, PassingNews, _events
from tests.tasks.webhook_world import Receiver, add, receiving, say, telling, wait_for
from tests.tasks.world import World, new_id, world

ONE, TWO = new_id("conversation", 1), new_id("conversation", 2)
DROPPED = "chat4all_webhook_passing_dropped_total"
BOTH = ("typing.updated", "presence.updated")


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=2, webhook_schedule_scale=0.001) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def types(road: World, user: str, talk: str = ONE) -> None:
    """What the gateway does when somebody types."""
    road.log.append([encode(typing_event(talk, user, now_ms(), 2))], 5.0)


def until_told(road: World, receiver: Receiver, path: str) -> None:
    """Somebody types again and again until this path is told: from then on it is told what happens."""

    for _ in range(100):
        types(road, "somebody")
        with suppress(AssertionError):
            wait_for(lambda: any(where == path for where, _ in list(receiver.told)), 0.3)
            return
    raise AssertionError("it is not told")


def users(receiver: Receiver, path: str, kind: str) -> list[str]:
    """Whom this path was told of."""
    return [said["data"]["user_id"] for where, said in list(receiver.told) if where == path and said["type"] == kind]


def test_who_asks_by_name_is_told(road: World, receiver: Receiver) -> None:
    """Of what their filter lets pass; who asks for all types, or others, is not; nothing waits and no cursor is moved."""
    add(road, receiver, "/all")
    add(road, receiver, "/messages", events=("message.accepted",))
    add(road, receiver, "/both", events=(*BOTH, "message.accepted"))
    add(road, receiver, "/two", events=("typing.updated",), filter=Filter(conversations=(TWO,)))
    with telling(road):
        until_told(road, receiver, "/both")
        types(road, "ana")
        types(road, "bob", TWO)
        road.log.append([report_record(Report("p", ("carl",)), 2)], 5.0)
        wait_for(lambda: users(receiver, "/both", "presence.updated") == ["carl"])
        wait_for(lambda: {"ana", "bob"} <= set(users(receiver, "/both", "typing.updated")))
        wait_for(lambda: users(receiver, "/two", "typing.updated") == ["bob"])
        say(road, ONE, 1)
        wait_for(lambda: receiver.of("/all") and receiver.of("/messages") and receiver.of("/both"))
    [online] = [said for _, said in receiver.told if said["type"] == "presence.updated"]
    assert (online["data"], online["workspace"]) == ({"user_id": "carl", "online": True}, "default")
    assert {said["type"] for path, said in receiver.told if path in ("/all", "/messages")} == {"message.accepted"}
    assert [road.store.waiting(Lane(WEBHOOKS, partition)) for partition in range(2)] == [[], []]


def test_an_endpoint_that_hangs_is_told_nothing_of_it(road: World, receiver: Receiver) -> None:
    """It has a few calls at most; more is dropped and counted; messages go to it all the same, others are told."""
    go_on, dropped = threading.Event(), REGISTRY.get_sample_value(DROPPED) or 0.0

    def is_told(user: str) -> bool:
        return user in users(receiver, "/well", "typing.updated")

    def hangs(said: Any) -> Any:
        if said["type"] == "typing.updated":
            go_on.wait(10)
        return 200, {}

    add(road, receiver, "/hangs", events=(*BOTH, "message.accepted"))
    add(road, receiver, "/well", events=BOTH)
    receiver.answers["/hangs"] = hangs
    try:
        with telling(road):
            until_told(road, receiver, "/well")
            for half in (range(WAITING_MOST // 2), range(WAITING_MOST // 2, WAITING_MOST + 10)):
                for number in half:
                    types(road, f"user{number}")
                wait_for(partial(is_told, f"user{half[-1]}"))
            assert (REGISTRY.get_sample_value(DROPPED) or 0.0) > dropped
            say(road, ONE, 1)
            wait_for(lambda: receiver.of("/hangs"))
            begun = [said for path, said in receiver.calls if (path, said["type"]) == ("/hangs", "typing.updated")]
            assert 0 < len(begun) <= AT_ONCE
            go_on.set()
    finally:
        go_on.set()


def test_where_nobody_asks_nothing_is_read(road: World, receiver: Receiver) -> None:
    """Not even who is there."""
    add(road, receiver, "/a")
    add(road, receiver, "/b", events=("message.accepted",))
    with telling(road) as runner:
        say(road, ONE, 1)
        wait_for(lambda: len(receiver.told) == 2)
        assert PassingNews(road.parts, runner._executor, runner.endpoints)._asking() == []


def test_what_was_said_before_anybody_asked_is_not_told(road: World, receiver: Receiver) -> None:
    """It is heard, so that it is known who is there; what can be told comes after it."""
    types(road, "early")
    road.log.append([report_record(Report("p", ("carl",)), 2)], 5.0)
    add(road, receiver, "/a", events=BOTH)
    with telling(road):
        until_told(road, receiver, "/a")
        road.log.append([report_record(Report("p", left={"carl": now_ms()}), 2)], 5.0)
        wait_for(lambda: users(receiver, "/a", "presence.updated") == ["carl"])
    assert set(users(receiver, "/a", "typing.updated")) == {"somebody"}


@pytest.mark.parametrize(("age_ms", "told"), [(0, 1), (LATE_MS + 1_000, 0)])
def test_what_comes_late_is_not_told(age_ms: int, told: int) -> None:
    """Nor is what cannot be read, or is newer than this code."""
    new, at = encode(typing_event(ONE, "ana", now_ms(), 2)), now_ms() - age_ms
    odd = [{"kind": "typing", "v": "99"}, {"kind": "typing", "rank": "x"}, {"kind": "presence"}, {}]
    records = [Record(SIGNALS, 0, 0, ONE, new.value, each, at) for each in (new.headers, *odd)]
    assert len(list(_events(Present(), records))) == told
