"""An account that cannot be opened is a wait of what is to be sent from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Facts
from tasks.lanes.attempt import Sender
from tasks.lanes.outcome import Done, Wait
from tasks.lanes.outlet import Outlet
from tests.tasks.holders import LANE, Process
from tests.tasks.world import World, granted, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as made:
        made.know(whatsapp(1))
        yield made


def refuses() -> Sender:
    """An account whose settings are wrong."""
    raise ValueError("bad credentials")


async def test_what_is_to_be_sent_waits_until_the_account_can_be_opened(road: World) -> None:
    """The lane goes on and is left clean; when the account is there again, all goes out in order, also what ended before."""
    road.say(*[message(TALK, n, to=[whatsapp(1)]) for n in range(3)])
    road.run()
    road.store.record({road.rows()[0].key: Facts(attempts=1, sent_at=5, provider_id="p")})
    closed = Process(road, "closed")
    closed.outlet = Outlet("whatsapp", road.parts.settings, refuses, again_s=0.2)
    await closed.work()
    assert closed.outlet.sender is None
    state = road.store.lanes()[LANE]
    assert (state.cursor, len(road.store.waiting(LANE))) == (state.fanned, 1)
    assert road.events("state") == []
    await closed.thawed()
    again = Process(road, "again")
    while road.store.waiting(LANE):
        await again.work()
    assert [bool(row.facts.sent_at) for row in road.rows()] == [True] * 3
    assert len(road.events("state")) == 3
    await again.thawed()


async def test_a_delivery_ends_in_its_time_also_without_an_account(road: World) -> None:
    """It waits no longer than it lives, and is given up then."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    (row,) = road.rows()
    away = Outlet("whatsapp", road.parts.settings, refuses)
    life_ms = int(road.parts.settings.give_up_h * 3_600_000)
    soon = replace(row, accepted_at=now_ms() - life_ms + 5_000)
    outcome = await away.attempt(soon, 0, granted())
    assert isinstance(outcome, Wait)
    assert outcome.at == soon.accepted_at + life_ms + 1
    old = replace(row, accepted_at=now_ms() - life_ms - 5_000)
    ended = await away.attempt(old, 0, granted())
    assert isinstance(ended, Done)
    assert ended.write
    assert ended.write.facts.refused_reason == "expired"


def test_an_account_is_tried_again_now_and_then(road: World) -> None:
    """Not at every delivery; and it is kept once it is open."""
    tries: list[bool] = []

    def opens() -> Sender:
        tries.append(len(tries) > 0)
        return refuses() if len(tries) == 1 else Sender.__new__(Sender)

    away = Outlet("whatsapp", road.parts.settings, opens)
    assert [away.opened for _ in range(5)] == [False] * 5
    assert len(tries) == 1
    away.again_s = 0.0
    assert [away.opened for _ in range(5)] == [True] * 5
    assert len(tries) == 2
