"""Whoever lost a lane does no harm, however late what it wrote reaches the store; and what may be twice is counted."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, Facts
from chat4all.model.failures import Permanent, Temporary, Throttled, Unknown
from chat4all.ports import Outgoing, Waiting
from tasks.lanes.bounds import Bounds
from tests.tasks.holders import LANE, Process
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, message, new_id, until, whatsapp, world

TALK = new_id("conversation", 1)
QUICK = {
    "unknown_grace_s": 0.05,
    "provider_timeout_s": 0.2,
    "backoff_first_s": 0.02,
    "backoff_most_s": 0.1,
    "breaker_failures": 100_000,
}


class Told(Fake):
    """Fails as often as told first, with this; then takes everything."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures = list(failures)

    async def send_text(self, message: Outgoing) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return await super().send_text(message)


@pytest.fixture(params=[True, False], ids=["fences-compared", "fences-not-compared"])
async def road(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with world(tmp_path, partitions=1, **QUICK) as made:
        made.compares = request.param
        made.know(*map(whatsapp, range(10)))
        yield made


def say(road: World, *numbers: int) -> None:
    road.say(*[message(TALK, n, to=[whatsapp(1)]) for n in numbers])
    road.run()


def writes(kind: int) -> Any:
    """Calls of `record` that say something of this kind: 0 facts, 3 waiting, 4 resumed."""
    return lambda name, given: name == "record" and len(given) > kind and bool(given[kind])


async def all_ended(road: World) -> list[Delivery]:
    """Rows after somebody has looked at the lane whenever the sweep would have it looked at, for so long that nothing waits."""
    last = Process(road, "last")
    for _ in range(400):
        state = road.store.lanes()[LANE]
        if state.fanned > state.cursor or road.store.due([LANE], now_ms()):
            await last.work()
        elif not road.store.waiting(LANE):
            break
        else:
            await asyncio.sleep(0.02)
    await last.thawed()
    rows = road.rows()
    assert [row.key.seq for row in rows if not row.facts.ended] == []
    return rows


async def test_a_late_end_of_a_wait_leaves_the_next_holders_wait(road: World) -> None:
    """H1 sent what its key waited at, and freezes as it says so; H2 writes that the key waits at the next; H1 wakes."""
    say(road, 1)
    one, two = Process(road, "one", Told(Throttled("busy", 0.1))), Process(road, "two", Told(Throttled("busy", 0.6)))
    one.store.holds = writes(4)
    one.begin(0.5)
    await until(one.store.stuck.is_set)
    one.lose()
    say(road, 1, 2)
    await two.work()
    (waiting,) = road.store.waiting(LANE)
    await one.thawed()
    assert road.store.waiting(LANE) == [waiting]
    rows = await all_ended(road)
    assert len(rows) == 2
    await two.thawed()


async def test_a_late_cursor_passes_nothing_that_the_next_holder_has_in_hand(road: World) -> None:
    """H1 freezes before it says how far it is; H2 is killed in the call that H1's cursor passes; the delivery still ends."""
    say(road, 1)
    one, two = Process(road, "one", Told(Throttled("busy", 0.1))), Process(road, "two", Hung())
    one.store.holds = lambda name, given: name == "raise_cursor"
    one.begin()
    await until(one.store.stuck.is_set)
    one.lose()
    await asyncio.sleep(0.15)
    # Reading much takes longer than finding that there is nothing up to the old cursor.
    two.store.slow = lambda name, given: 0.15 if name == "lane_rows" and given[2] > 0 else 0.0
    two.begin()
    await until(lambda: road.rows()[0].facts.attempts == 2)
    await one.thawed()
    await two.killed()
    rows = await all_ended(road)
    assert rows[0].facts.resends == 1


async def test_a_wait_that_the_next_holder_found_cannot_be_ended_by_the_one_before(road: World) -> None:
    """H1 freezes as it ends a wait; H2 finds that wait, lets it cover a row that came meanwhile, and is killed; H1 wakes."""
    say(road, 1)
    one, two = Process(road, "one", Told(Throttled("busy", 0.1))), Process(road, "two", Hung())
    one.store.holds = writes(4)
    one.begin(0.5)
    await until(one.store.stuck.is_set)
    one.lose()
    say(road, 1, 2)
    two.begin()
    state = road.store.lanes()[LANE]
    await until(lambda: road.store.lanes()[LANE].cursor == state.fanned > 1)
    await two.killed()
    await one.thawed()
    rows = await all_ended(road)
    assert len(rows) == 2


class Hung(Fake):
    """Never answers within its time."""

    async def send_text(self, message: Outgoing) -> str:
        await asyncio.sleep(30)
        return ""


async def test_no_cursor_is_written_after_the_lane_was_lost(road: World) -> None:
    """What was written down after that may have come too late for the next holder to find it when it took the lane."""
    say(road, 1)
    one = Process(road, "one", Told(Throttled("busy", 30)))
    one.store.holds = writes(3)
    one.begin()
    await until(one.store.stuck.is_set)
    one.lose()
    await one.thawed()
    assert road.store.lanes()[LANE].cursor == 0


async def test_a_frozen_holder_says_nothing_of_an_attempt_that_may_be_anothers(road: World) -> None:
    """Both begin attempt 1; H2's answer is lost; H1 wakes, sends nothing and must not say that attempt 1 sent nothing."""
    say(road, 1)
    lost = Lost()
    one, two = Process(road, "one"), Process(road, "two", lost)
    one.store.holds = writes(0)
    one.begin()
    await until(one.store.stuck.is_set)
    one.lose()
    two.begin()
    await until(lambda: len(lost.arrived) == 1)
    two.lose()
    await until(lambda: two.is_done)
    await one.thawed()
    assert road.rows()[0].facts.unknown
    (row,) = await all_ended(road)
    assert (row.facts.attempts, row.facts.resends) == (2, 1)
    await two.thawed()


class Lost(Fake):
    """Takes everything; no answer ever arrives."""

    async def send_text(self, message: Outgoing) -> str:
        await super().send_text(message)
        raise Unknown("no_answer")


async def test_what_a_frozen_holder_was_refused_does_not_fail_what_the_next_one_sent(road: World) -> None:
    """H1's call ends in a refusal after H2 has the lane, and has sent it: it is SENT, with one call too many counted."""
    say(road, 1)
    late = Late()
    one, two = Process(road, "one", late), Process(road, "two")
    one.begin()
    await until(late.called.is_set)
    one.lose()
    await two.work()
    await one.thawed()
    (row,) = await all_ended(road)
    assert (row.facts.refused_at, row.facts.resends, bool(row.facts.sent_at)) == (0, 1, True)
    await two.thawed()


class Late(Fake):
    """Refuses for good, after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.called = asyncio.Event()

    async def send_text(self, message: Outgoing) -> str:
        self.called.set()
        await asyncio.sleep(0.2)
        raise Permanent("blocked")


async def test_rows_before_the_place_where_their_key_waits_are_not_passed_over(road: World) -> None:
    """The facts of a row were refused by the store, what follows it was written: whoever comes after finds the row."""
    say(road, 1, 2)
    first, second = road.rows()
    road.store.record({}, waiting=[Waiting(LANE, TALK, first.address, second.key.seq, 0, now_ms() + 200, 1, 1)])
    rows = await all_ended(road)
    assert all(row.facts.sent_at for row in rows)
    assert rows[0].facts.sent_at <= rows[1].facts.sent_at


async def test_a_key_is_found_whose_messages_were_forgotten_while_it_waited(road: World) -> None:
    """Messages may be erased or have outlived their time: what waits is found through the lane then, all of it."""
    say(road, 1, 2, 3)
    one = Process(road, "one", Told(Throttled("busy", 0.1)))
    await one.work()
    with road.store._db.write() as db:  # type: ignore[attr-defined]
        db.execute("DELETE FROM messages")
    say_nothing_more = road.store.lanes()[LANE]
    assert say_nothing_more.cursor == say_nothing_more.fanned
    await asyncio.sleep(0.12)
    rows = await all_ended(road)
    assert all(row.facts.sent_at for row in rows)
    await one.thawed()


class Chaos(Fake):
    """Takes, refuses, loses answers before and after it took something, is slow, and raises what nobody foresaw."""

    def __init__(self, chance: random.Random, arrived: list[Outgoing]) -> None:
        super().__init__()
        self.chance, self.arrived = chance, arrived

    async def send_text(self, message: Outgoing) -> str:
        if self.chance.random() < 0.1:
            # Long enough for the lane to be another's by then: a process frozen right before the socket.
            await asyncio.sleep(self.chance.uniform(0, 0.15))
        dice = self.chance.random()
        if dice < 0.1:
            raise Temporary("provider_error")
        if dice < 0.2:
            raise Throttled("busy", self.chance.choice([0.0, 0.02, -3, float("nan"), 0.05]))
        if dice < 0.24:
            raise Unknown("no_answer")
        self.arrived.append(message)
        if dice < 0.28:
            raise Unknown("no_answer")
        if dice < 0.31:
            raise self.chance.choice([ValueError("odd"), AttributeError("odd"), OverflowError("odd"), KeyError("odd")])
        return f"id-{len(self.arrived)}" + self.chance.choice(["", "\ud83d", "\0"])


class Freezer:
    """Holds a process at some call of its choice."""

    CALLS: tuple[str, ...] = (
        "record",
        "record",
        "record",
        "raise_cursor",
        "raise_cursor",
        "lane_rows",
        "waiting",
        "deliveries",
        "page",
        "owners",
    )

    def __init__(self, chance: random.Random) -> None:
        self.name, self.left = chance.choice(self.CALLS), chance.randrange(12)

    def __call__(self, name: str, given: tuple[Any, ...]) -> bool:
        self.left -= name == self.name
        return self.left < 0 and name == self.name


async def whatever_happens(road: World, seed: int, turns: int = 14) -> None:
    """Holders in turn, each frozen at a random call, woken or killed at random while others go on, small memory, a provider
    that does what it likes: all ends, each key's first arrivals are in order, and no second call goes uncounted."""
    chance = random.Random(seed)
    small = Bounds(of_one_key=3, catch_ups=3, in_memory=12, read_rows=5, messages=4, soon_s=0.0)
    arrived: list[Outgoing] = []
    living: list[Process] = []
    for turn in range(turns):
        numbers = [(turn, n) for n in range(chance.randrange(8))]
        to = [whatsapp(chance.randrange(3)), whatsapp(9)]
        road.say(*[message(new_id("conversation", chance.randrange(4)), each, to=to) for each in numbers])
        road.run()
        living.append(Process(road, f"{turn}", Chaos(chance, arrived), small))
        living[-1].store.holds = Freezer(chance)
        living[-1].begin(0.02)
        await until(lambda: living[-1].store.stuck.is_set() or living[-1].is_done)
        await asyncio.sleep(chance.choice([0.0, 0.01, 0.05]))
        living[-1].lose()
        while len(living) > chance.randrange(1, 4):
            gone = living.pop(chance.randrange(len(living)))
            await (gone.killed() if chance.random() < 0.3 else gone.thawed())
    await all_ended(road)
    for each in living:
        await each.thawed()
    rows = await all_ended(road)
    assert road.store.waiting(LANE) == []
    calls = Counter(each.reference for each in arrived)
    uncounted = {str(row.key): row.facts for row in rows if calls[str(row.key)] > 1 + row.facts.resends}
    assert uncounted == {}
    firsts: dict[tuple[str, str], list[int]] = defaultdict(list)
    places = {str(row.key): row for row in rows}
    for reference in dict.fromkeys(each.reference for each in arrived):
        row = places[reference]
        firsts[row.conversation_id, row.address].append(row.key.seq)
    assert all(seqs == sorted(seqs) for seqs in firsts.values())
    assert all(row.facts.refusals <= row.facts.attempts for row in rows)
    assert Facts() not in [row.facts for row in rows]


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_freezes_wherever_every_delivery_ends_and_what_is_twice_is_counted(road: World, seed: int) -> None:
    """See `whatever_happens`."""
    await whatever_happens(road, seed)
