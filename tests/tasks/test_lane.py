"""A lane: each key in order, side by side with the others, through refusals, waits, too many rows, and new holders."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, Facts, Lane
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message
from chat4all.model.records import partition_of
from chat4all.ports import Waiting
from chat4all.telemetry.instruments import REGISTRY
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.lane import LaneWork
from tasks.lanes.lease import STAMPS_SPARED, Hold
from tasks.lanes.outcome import Done, Outcome, Wait
from tasks.lanes.writer import Ended, Sent, Tried, Writer
from tests.tasks.world import Alone, World, granted, message, new_id, release, take, threads, until, whatsapp, world

PARTITIONS = 1


class Provider:
    """A sender that keeps a record of what it was given, and answers as told."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.answer: Callable[[Delivery], float] = lambda row: 0.0
        self.calls = 0
        self.again: list[int] = []
        self.closed: float | None = None

    opened = True

    def closed_s(self) -> float | None:
        """As told; None lets all through."""
        return self.closed

    def passes(self, row: Delivery) -> bool:
        """Nothing is held."""
        return True

    async def is_shut(self, row: Delivery) -> bool:
        """Nothing is."""
        return False

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Send, unless the answer is to wait so many seconds."""
        if row.facts.ended:
            return Done()
        self.calls += 1
        await asyncio.sleep(0)
        if not hold.goes_on():
            return Wait(now_ms(), refusals)
        wait = self.answer(row)
        if wait:
            tried = Tried(row, Facts(attempts=1, refusals=1))
            return Wait(now_ms() + int(wait * 1000), refusals + 1, tried, ends=now_ms() + 3_600_000)
        self.sent[row.conversation_id, row.address].append(row.key.seq)
        at = now_ms()
        return Done(Sent(row, Facts(attempts=1, sent_at=at, provider_id=str(row.key)), at))

    def told_again(self, row: Delivery) -> Ended | None:
        """Say it, and note that it was asked for."""
        self.again.append(row.key.seq)
        return Sent(row, Facts(), 0)


class Bench:
    """A world with a writer, in which lanes can be worked on."""

    def __init__(self, road: World, executor: Executor) -> None:
        self.road, self.executor, self.provider = road, executor, Provider()
        self.writer = Writer(road.parts, executor)
        self.bounds, self.spared = BOUNDS, STAMPS_SPARED
        self._hold: Hold | None = None
        self._held = True
        self._holds = 0

    @property
    def held(self) -> bool:
        """Whether the lane is left to who works on it."""
        return self._held

    @held.setter
    def held(self, held: bool) -> None:
        self._held = held
        if self._hold and not held:
            self._hold.end()

    async def work(self, linger_s: float = 0.05) -> None:
        """Hold the one lane until it is idle or it is lost (`held`). A hold that is over stays over."""
        if self._hold:
            self._hold.end()
        self._holds += 1
        store = self.road.store
        state, hold = take(store, Lane("whatsapp", 0), f"holder-{self._holds}", self.spared)
        self._hold = hold
        await LaneWork(state, hold, store, self.writer, Alone(self.provider), self.executor, self.bounds).run(linger_s)
        if hold.valid():
            assert release(store, hold)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with world(tmp_path, partitions=PARTITIONS) as road:
        async with threads() as executor:
            made = Bench(road, executor)
            writing = asyncio.create_task(made.writer.run())
            yield made
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def conversation(number: int) -> str:
    return new_id("conversation", number)


def say(bench: Bench, *said: Message) -> None:
    bench.road.say(*said)
    bench.road.run()


def seqs(bench: Bench, *said: Message) -> list[int]:
    kept = bench.road.store.registered([(each.conversation_id, each.message_id) for each in said])
    return [kept[each.conversation_id, each.message_id].seq for each in said]


def unsent(bench: Bench) -> list[Delivery]:
    return [row for row in bench.road.rows() if not row.facts.ended]


async def test_keys_are_sent_in_order_and_the_lane_is_left_clean(bench: Bench) -> None:
    """Three conversations to two addresses each: every key's messages arrive by seq, and the cursor ends at fanned."""
    said = [message(conversation(n % 3), n, to=[whatsapp(1), whatsapp(2)]) for n in range(60)]
    say(bench, *said)
    await bench.work()
    assert unsent(bench) == []
    assert len(bench.provider.sent) == 6
    assert all(sent == sorted(set(sent)) and len(sent) == 20 for sent in bench.provider.sent.values())
    (state,) = bench.road.store.lanes().values()
    assert state.cursor == state.fanned


async def test_a_key_that_must_wait_makes_nobody_else_wait(bench: Bench) -> None:
    """One address refuses for long: the others' messages go, its own are written down, and the cursor passes them."""
    bench.provider.answer = lambda row: 3600.0 if row.address == whatsapp(1).address else 0.0
    said = [message(conversation(n % 2), n, to=[whatsapp(n % 2)]) for n in range(40)]
    say(bench, *said)
    await bench.work()
    assert bench.provider.sent[conversation(0), whatsapp(0).address] == seqs(bench, *said[::2])
    (waiting,) = bench.road.store.waiting(Lane("whatsapp", 0))
    assert (waiting.address, waiting.seq) == (whatsapp(1).address, seqs(bench, said[1])[0])
    (state,) = bench.road.store.lanes().values()
    assert state.cursor == state.fanned
    assert bench.provider.calls == 21


async def test_a_new_holder_finds_all_rows_of_a_waiting_key(bench: Bench) -> None:
    """Whoever comes after loads the waiting keys first and finds their later rows, also those behind the cursor, in order."""
    bench.provider.answer = lambda row: 3600.0
    early = [message(conversation(1), n, to=[whatsapp(1)]) for n in range(130)]
    say(bench, *early)
    await bench.work()
    late = [message(conversation(1), n, to=[whatsapp(1)]) for n in range(130, 140)]
    say(bench, *late)
    bench.provider.answer = lambda row: 0.0
    lane = Lane("whatsapp", 0)
    (waiting,) = bench.road.store.waiting(lane)
    bench.road.store.record({}, waiting=[structs.replace(waiting, retry_at=now_ms(), stamp=waiting.stamp + 1)])
    await bench.work()
    assert bench.provider.sent[conversation(1), whatsapp(1).address] == seqs(bench, *early, *late)
    await until(lambda: bench.road.store.waiting(lane) == [])


async def test_a_hot_key_does_not_fill_the_memory_of_a_lane(bench: Bench) -> None:
    """A key with far more rows than one may keep is sent in order, while another that comes last is not kept waiting for it."""
    bench.bounds = Bounds(of_one_key=5, in_memory=20, read_rows=7)
    hot = [message(conversation(1), n, to=[whatsapp(1)]) for n in range(150)]
    cold = message(conversation(2), 1, to=[whatsapp(2)])
    order: list[str] = []
    bench.provider.answer = lambda row: order.append(row.address) or 0.0  # type: ignore[func-returns-value]
    say(bench, *hot, cold)
    await bench.work()
    assert bench.provider.sent[conversation(1), whatsapp(1).address] == seqs(bench, *hot)
    assert order.index(whatsapp(2).address) < 150
    assert unsent(bench) == []


async def test_a_lost_lane_is_left_as_it_is(bench: Bench) -> None:
    """Who lost the lane sends no more; the next holder sends the rest, nothing twice, in order."""
    said = [message(conversation(n % 4), n, to=[whatsapp(n % 4)]) for n in range(80)]
    say(bench, *said)

    def lose(row: Delivery) -> float:
        bench.held = bench.held and bench.provider.calls < 25
        return 0.0

    bench.provider.answer = lose
    await bench.work()
    assert 0 < len(unsent(bench)) < 80
    bench.held, bench.provider.answer = True, lambda row: 0.0
    await bench.work()
    assert unsent(bench) == []
    assert all(sent == sorted(set(sent)) for sent in bench.provider.sent.values())


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_refused_and_whoever_holds_it_ends_once_and_in_order(bench: Bench, seed: int) -> None:
    """Random refusals, small memory, holders that are lost at random, messages that keep coming: each once, each key by seq."""
    chance = random.Random(seed)
    bench.bounds = Bounds(of_one_key=3, in_memory=15, read_rows=6, soon_s=0.5, messages=4)

    def answer(row: Delivery) -> float:
        bench.held = bench.held and chance.random() > 0.02
        return chance.uniform(0.001, 0.03) if chance.random() < 0.2 else 0.0

    bench.provider.answer = answer
    said: list[Message] = []
    for burst in range(6):
        fresh = [message(conversation(chance.randrange(4)), (burst, n), to=[whatsapp(n % 5), whatsapp(9)]) for n in range(25)]
        said += fresh
        say(bench, *fresh)
        bench.held = True
        await bench.work(0.0)
    async with asyncio.timeout(30):
        while unsent(bench):
            bench.held = True
            await bench.work(0.0)
    assert all(sent == sorted(set(sent)) for sent in bench.provider.sent.values())
    assert sum(map(len, bench.provider.sent.values())) == 2 * len(said)
    assert {partition_of(each.conversation_id, PARTITIONS) for each in said} == {0}


async def test_what_a_dead_holder_ended_is_told_again(bench: Bench) -> None:
    """It died after the facts and before events, parked receipts and cursor: the next one does what follows the facts."""
    said = [message(conversation(1), n, to=[whatsapp(1)]) for n in range(3)]
    say(bench, *said)
    first, *_ = bench.road.rows()
    bench.road.store.record({first.key: Facts(attempts=1, sent_at=now_ms(), provider_id="id-0")})
    await bench.work()
    assert bench.provider.again == [first.key.seq]
    assert bench.provider.sent[conversation(1), first.address] == seqs(bench, *said[1:])
    assert [each.message_id for each in bench.road.events("state")][:1] == [said[0].message_id]
    (state,) = bench.road.store.lanes().values()
    assert state.cursor == state.fanned


async def test_a_holder_that_dies_with_a_hot_key_leaves_all_of_it_to_be_found(bench: Bench) -> None:
    """Lost in the middle of a key with more rows than one may keep: the next holder sends the ones in memory too."""
    bench.bounds = Bounds(of_one_key=5)
    said = [message(conversation(1), n, to=[whatsapp(1)]) for n in range(40)]
    say(bench, *said)

    def die(row: Delivery) -> float:
        bench.held = bench.held and bench.provider.calls < 3
        return 0.0

    bench.provider.answer = die
    await bench.work()
    assert len(unsent(bench)) > 30
    bench.held, bench.provider.answer = True, lambda row: 0.0
    await bench.work()
    assert unsent(bench) == []
    assert bench.provider.sent[conversation(1), whatsapp(1).address] == seqs(bench, *said)


async def test_an_open_breaker_costs_one_try_a_probe_however_many_keys_wait(bench: Bench) -> None:
    """Two hundred keys are due; while the account lets nothing through, none is looked up; each probe is one delivery."""
    bench.bounds = Bounds(soon_s=0.0)
    said = [message(conversation(n), n, to=[whatsapp(n)]) for n in range(200)]
    say(bench, *said)
    bench.provider.answer = lambda row: 3600.0
    await bench.work()
    assert bench.provider.calls == 200
    due = [
        structs.replace(each, retry_at=now_ms(), stamp=each.stamp + 1) for each in bench.road.store.waiting(Lane("whatsapp", 0))
    ]
    bench.road.store.record({}, waiting=due)
    bench.provider.answer = lambda row: 0.2
    bench.bounds, bench.provider.closed = BOUNDS, 0.2
    working = asyncio.create_task(bench.work(0.1))
    # The first look at each, to know when it ends.
    await until(lambda: bench.provider.calls == 400)
    await asyncio.sleep(0.7)
    assert bench.provider.calls == 400
    assert not working.done()

    def probe(row: Delivery) -> float:
        bench.provider.closed = 0.2
        return 0.1

    bench.provider.answer, bench.provider.closed = probe, 0.0
    await until(lambda: bench.provider.calls > 400)
    await asyncio.sleep(0.7)
    assert bench.provider.calls == 401
    bench.provider.answer, bench.provider.closed = lambda row: 0.0, None
    await working
    assert unsent(bench) == []


async def test_a_key_that_fails_is_tried_less_and_less_often_and_stops_nobody(bench: Bench) -> None:
    """A defect at one key, in memory or waiting: the others go, its tries have growing pauses, and in the end it is sent."""
    bench.bounds = Bounds(outage_s=0.05)
    at: list[float] = []

    def answer(row: Delivery) -> float:
        if row.address != whatsapp(1).address:
            return 0.0
        at.append(time.monotonic())
        if len(at) in {1, 2, 3, 5, 6, 7}:
            raise ValueError("a defect")
        return 0.1 if len(at) == 4 else 0.0

    bench.provider.answer = answer
    say(bench, *[message(conversation(n % 3), n, to=[whatsapp(n % 3)]) for n in range(9)])
    await bench.work(0.3)
    assert unsent(bench) == []
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert [pause >= low for pause, low in zip(pauses, (0.05, 0.1, 0.2, 0.1, 0.05, 0.1, 0.2), strict=False)] == [True] * 7
    assert all(sent == sorted(sent) for sent in bench.provider.sent.values())


async def test_what_failed_is_read_anew_before_it_is_tried_again(bench: Bench) -> None:
    """The error came after the attempt was written: the next try knows of it."""
    bench.bounds = Bounds(outage_s=0.05)
    seen: list[int] = []

    def answer(row: Delivery) -> float:
        seen.append(row.facts.attempts)
        if len(seen) == 1:
            bench.road.store.record({row.key: Facts(attempts=1, attempted_at=now_ms())})
            raise Temporary("store")
        return 0.0

    bench.provider.answer = answer
    say(bench, message(conversation(1), 1, to=[whatsapp(1)]))
    await bench.work(0.2)
    assert seen == [0, 1]


async def test_a_key_that_fails_for_an_unforeseen_reason_is_counted(bench: Bench) -> None:
    """Each time that it could not be served; an outage is not counted, and both go out in the end."""
    bench.bounds = Bounds(outage_s=0.01)
    errors: list[Exception] = [Temporary("store"), ValueError("nobody foresaw it"), KeyError("nor this")]

    def answer(_row: Delivery) -> float:
        if errors:
            raise errors.pop()
        return 0.0

    def counted() -> float:
        return REGISTRY.get_sample_value("chat4all_keys_failed_total", {"channel": "whatsapp"}) or 0.0

    before, bench.provider.answer = counted(), answer
    say(bench, message(conversation(1), 1, to=[whatsapp(1)]))
    await bench.work(0.3)
    assert (errors, unsent(bench), counted() - before) == ([], [], 2)


async def test_a_catch_up_does_not_end_before_the_lane_is_read_to_where_it_was(bench: Bench) -> None:
    """A key that waits at a row beyond the cursor is not done with while the row is still to be read: the wait stays."""
    bench.provider.answer = lambda row: 0.0
    say(bench, *[message(conversation(n % 2), n, to=[whatsapp(n % 2)]) for n in range(6)])
    later = bench.road.rows()[4]
    waits = Waiting(Lane("whatsapp", 0), later.conversation_id, later.address, later.key.seq, 0, now_ms(), 0, 1)
    bench.road.store.record({}, waiting=[waits])

    def slowly(*given: Any) -> list[Delivery]:
        if given[2] > 0 and given[-1] == BOUNDS.read_rows:
            time.sleep(0.15)
            assert bench.road.store.waiting(Lane("whatsapp", 0))
        rows: list[Delivery] = bench.road.faults.real.lane_rows(*given)
        return rows

    bench.road.faults.answer("lane_rows", slowly)
    await bench.work(0.2)
    assert unsent(bench) == []
    assert bench.road.store.waiting(Lane("whatsapp", 0)) == []
    assert bench.provider.sent[later.conversation_id, later.address][-1] == later.key.seq


async def test_who_has_said_all_that_a_holder_may_say_lets_the_lane_go(bench: Bench) -> None:
    """Stamps of one holder never reach those of the next; the lane is released, and taken anew with fresh ones."""
    bench.spared = 2**18 - 10
    chance = random.Random(1)
    bench.provider.answer = lambda row: 0.001 if chance.random() < 0.5 else 0.0
    say(bench, *[message(conversation(n % 5), n, to=[whatsapp(n % 5)]) for n in range(60)])
    lane, fences = Lane("whatsapp", 0), set[int]()
    async with asyncio.timeout(20):
        while unsent(bench):
            await bench.work(0.2)
            fences.add(bench.road.store.lanes([lane])[lane].lease.fence)
    assert len(fences) > 2
    assert all(sent == sorted(set(sent)) for sent in bench.provider.sent.values())


async def test_a_lane_that_fails_leaves_nothing_under_way(bench: Bench) -> None:
    """A page that nobody can read ends the work; a call that was begun is finished, and what it came to is durable."""
    began = asyncio.Event()

    class Slow(Provider):
        async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
            began.set()
            await asyncio.sleep(0.3)
            return await super().attempt(row, refusals, granted())

    def page(lane: Lane, after: tuple[int, int], *more: Any) -> Any:
        if after[0] > 0:
            raise ValueError("nobody foresaw this")
        return bench.road.faults.real.lane_rows(lane, after, *more)

    bench.provider = Slow()
    bench.road.faults.answer("lane_rows", page)
    say(bench, message(conversation(1), 1, to=[whatsapp(1)]))
    state, hold = take(bench.road.store, Lane("whatsapp", 0), "holder")
    work = LaneWork(state, hold, bench.road.store, bench.writer, Alone(bench.provider), bench.executor)
    working = asyncio.create_task(work.run(5))
    await began.wait()
    say(bench, message(conversation(2), 2, to=[whatsapp(2)]))
    work.fanned(2)
    with pytest.raises(ValueError, match="foresaw"):
        await working
    assert work.deliverer.serving == {}
    assert [row.facts.sent_at > 0 for row in bench.road.rows()] == [True, False]
