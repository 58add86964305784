"""A lane whose channel sends from several accounts: whatever becomes of one, the others go on, each key in its order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, Lane
from chat4all.model.messages import Message
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.lane import LaneWork
from tasks.lanes.lease import Hold
from tasks.lanes.outcome import Outcome
from tasks.lanes.writer import Writer
from tests.tasks.test_lane import Provider
from tests.tasks.world import World, message, new_id, release, take, threads, until, whatsapp, world

LANE = Lane("whatsapp", 0)
TALK = new_id("conversation", 1)
FEW = Bounds(read_rows=20, in_memory=40, of_one_key=5, of_one_account=20, of_any_account=4, catch_ups_of_one_account=2)


class Hanging(Provider):
    """An account whose provider answers nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.under_way = asyncio.Event(), 0

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        self.under_way += 1
        await self.free.wait()
        return await super().attempt(row, refusals, hold)


class Desk:
    """A lane with a sender for each account."""

    several = True

    def __init__(self, road: World, writer: Writer, executor: object, **senders: Provider) -> None:
        self.road, self.writer, self.executor, self.senders = road, writer, executor, senders
        self.bounds = BOUNDS
        self._holds = 0

    def of(self, account: str) -> Provider:
        return self.senders[account or "environment"]

    async def work(self, linger_s: float = 0.05) -> None:
        """Hold the lane until it is idle."""
        self._holds += 1
        state, hold = take(self.road.store, LANE, f"holder-{self._holds}")
        await LaneWork(state, hold, self.road.store, self.writer, self, self.executor, self.bounds).run(linger_s)  # type: ignore[arg-type]
        assert release(self.road.store, hold)

    def say(self, count: int, account: str, people: int = 4, first: int = 0) -> list[Message]:
        """So many messages from this account, to a few people in turn."""
        said = [
            message(TALK, f"{account} {n}", to=[replace(whatsapp(n % people), account=account)])
            for n in range(first, first + count)
        ]
        self.road.know(*(each for one in said for each in one.recipients))
        self.road.say(*said)
        self.road.run()
        return said


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with world(tmp_path, partitions=1) as road:
        async with threads() as executor:
            writer = Writer(road.parts, executor)
            writing = asyncio.create_task(writer.run())
            yield Desk(road, writer, executor, a=Provider(), b=Provider(), environment=Provider())
            writing.cancel()


async def test_one_person_is_written_to_from_each_account_on_its_own(desk: Desk) -> None:
    """The same conversation and address are three keys: what waits of one holds none of the others back."""
    desk.senders["b"].answer = lambda row: 3600.0
    said = {account: desk.say(12, account, people=1) for account in ("", "a", "b")}
    await desk.work()
    where = (TALK, whatsapp(0).address)
    for account in ("", "a"):
        assert desk.of(account).sent[where] == sorted(row.key.seq for row in desk.road.rows() if row.account == account)
    [waits] = desk.road.store.waiting(LANE)
    assert (waits.account, waits.seq) == ("b", min(row.key.seq for row in desk.road.rows() if row.account == "b"))
    desk.senders["b"].answer = lambda row: 0.0
    desk.road.store.record({}, waiting=[replace(waits, retry_at=now_ms(), stamp=waits.stamp + 1)])
    await desk.work()
    assert len(desk.senders["b"].sent[where]) == len(said["b"]) == 12
    assert desk.senders["b"].sent[where] == sorted(desk.senders["b"].sent[where])
    await until(lambda: desk.road.store.waiting(LANE) == [])


async def test_an_account_that_hangs_keeps_no_place_of_the_others(desk: Desk) -> None:
    """More of its rows than a lane has room for stand before theirs; they are sent all the same, and its own in the end."""
    hangs = desk.senders["a"] = Hanging()
    desk.bounds = FEW
    desk.say(120, "a", people=30)
    desk.say(60, "b", people=30)
    desk.say(60, "", people=30)
    working = asyncio.create_task(desk.work())
    await until(lambda: sum(map(len, desk.senders["b"].sent.values())) == 60)
    await until(lambda: sum(map(len, desk.senders["environment"].sent.values())) == 60)
    assert not hangs.sent
    assert hangs.under_way <= FEW.of_one_account + FEW.catch_ups_of_one_account
    hangs.free.set()
    await until(lambda: sum(map(len, hangs.sent.values())) == 120)
    await working
    for sender in desk.senders.values():
        assert all(sent == sorted(set(sent)) for sent in sender.sent.values())
    state = desk.road.store.lanes()[LANE]
    assert state.cursor == state.fanned


async def test_an_account_whose_breaker_is_open_holds_back_its_own_keys_only(desk: Desk) -> None:
    """Those of the other are looked up and sent while it lets one through at a time."""
    for account in ("a", "b"):
        desk.senders[account].answer = lambda row: 3600.0
        desk.say(20, account, people=20)
    await desk.work()
    waits = desk.road.store.waiting(LANE)
    assert len(waits) == 40
    desk.road.store.record({}, waiting=[replace(each, retry_at=now_ms(), stamp=each.stamp + 1) for each in waits])
    desk.senders["a"].closed, desk.senders["b"].answer = 3600.0, lambda row: 0.0
    before = desk.senders["a"].calls
    working = asyncio.create_task(desk.work())
    await until(lambda: sum(map(len, desk.senders["b"].sent.values())) == 20)
    assert not desk.senders["a"].sent
    assert desk.senders["a"].calls - before <= 20
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
