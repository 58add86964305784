"""An account that cannot be opened is a wait of what is to be sent from it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, Facts
from chat4all.ports import Account
from chat4all.services.accounts.live import PAUSED, REMOVED, SEALED, UNKNOWN, InForce
from tasks.lanes.attempt import Sender
from tasks.lanes.outcome import Done, Wait
from tasks.lanes.outlet import Outlet
from tasks.lanes.writer import Writer
from tests.tasks.holders import LANE, Process
from tests.tasks.test_attempt import Fake
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


class Desk:
    """An outlet whose account is what a test says is in force, and what was sent through each."""

    def __init__(self, road: World) -> None:
        self.road, self.now = road, InForce(Known("1"))
        self.executor = ThreadPoolExecutor(2)
        self.writer = Writer(road.parts, self.executor)
        self.writing = asyncio.ensure_future(self.writer.run())
        self.outlet = Outlet("whatsapp", road.parts.settings, self.opens, standing=lambda: self.now)

    def opens(self) -> Sender:
        return Sender(self.road.parts, self.now.channel, self.writer, self.executor)

    def rows(self, count: int) -> list[Delivery]:
        """So many deliveries to be sent."""
        self.road.say(*[message(TALK, number, to=[whatsapp(1)]) for number in range(count)])
        self.road.run()
        return self.road.rows()

    async def close(self) -> None:
        await self.outlet.close()
        self.writing.cancel()
        await asyncio.gather(self.writing, return_exceptions=True)
        self.executor.shutdown()


class Known(Fake):
    """A channel with this account, that says whether it was closed."""

    def __init__(self, account_id: str) -> None:
        super().__init__()
        self.account, self.closed = Account(account_id, real=True), False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
async def desk(road: World) -> AsyncIterator[Desk]:
    made = Desk(road)
    yield made
    await made.close()


async def test_what_was_begun_is_finished_with_the_credentials_that_it_was_begun_with(desk: Desk) -> None:
    """Others go out with the new ones; the old connections are closed when nobody uses them any more."""
    rows, old, new = desk.rows(2), desk.now.channel, Known("1")
    assert isinstance(old, Known)
    old.takes_s = 0.2
    first = asyncio.ensure_future(desk.outlet.attempt(rows[0], 0, granted()))
    await asyncio.sleep(0.1)
    desk.now = InForce(new)
    second = await desk.outlet.attempt(rows[1], 0, granted())
    assert (len(old.arrived), len(new.arrived), old.closed) == (0, 1, False)
    for each in (await first, second):
        assert isinstance(each, Done)
        assert each.write
        assert each.write.facts.sent_at
    await asyncio.sleep(0.05)
    assert (len(old.arrived), len(new.arrived), old.closed, new.closed) == (1, 1, True, False)


async def test_other_credentials_of_an_account_keep_to_its_pace(desk: Desk) -> None:
    """What a person was sent just before counts; of another account it does not. The breaker begins anew."""
    assert desk.outlet.opened
    before = desk.outlet.sender
    assert before
    for _ in range(50):
        before.throttle.failed()
    for account, same in (("1", True), ("2", False)):
        desk.now = InForce(Known(account))
        assert desk.outlet.opened
        assert desk.outlet.sender
        assert desk.outlet.sender is not before
        assert (desk.outlet.sender.throttle.pace is before.throttle.pace) is same
        assert desk.outlet.closed_s() is None


@pytest.mark.parametrize("why", [PAUSED, SEALED, UNKNOWN])
async def test_what_is_to_be_sent_waits_while_the_account_is_stopped(desk: Desk, why: str) -> None:
    """It is looked at again within a second, and goes out as soon as it may; what is too old ends meanwhile."""
    [row], channel = desk.rows(1), desk.now.channel
    assert isinstance(channel, Known)
    desk.now = InForce(channel, stopped_by=why)
    waits = await desk.outlet.attempt(row, 0, granted())
    assert isinstance(waits, Wait)
    assert now_ms() < waits.at <= now_ms() + 1_000
    assert desk.outlet.closed_s() == 1.0
    old = replace(row, accepted_at=now_ms() - int(desk.road.parts.settings.give_up_h * 3_600_000) - 5_000)
    ended = await desk.outlet.attempt(old, 0, granted())
    assert isinstance(ended, Done)
    assert ended.write
    assert ended.write.facts.refused_reason == "expired"
    assert channel.arrived == []
    desk.now = InForce(channel)
    assert isinstance(await desk.outlet.attempt(row, 0, granted()), Done)
    assert len(channel.arrived) == 1


async def test_what_was_to_be_sent_from_a_removed_account_fails(desk: Desk) -> None:
    """What had ended before is told as it ended."""
    waits, sent = desk.rows(2)
    desk.now = InForce(desk.now.channel, stopped_by=REMOVED)
    outcome = await desk.outlet.attempt(waits, 0, granted())
    assert isinstance(outcome, Done)
    assert outcome.write
    assert outcome.write.facts.refused_reason == "account_removed"
    again = await desk.outlet.attempt(replace(sent, facts=Facts(attempts=1, sent_at=5, provider_id="p")), 0, granted())
    assert isinstance(again, Done)
    assert again.write
    assert again.write.facts.provider_id == "p"
    assert isinstance(desk.now.channel, Known)
    assert desk.now.channel.arrived == []
