"""A text that is too long for a channel goes in parts: in order, each once, told to readers as one delivery."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.deliveries import RANK, Delivery, DeliveryKey, Facts, Lane, State, folded, of_parts, state
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.messages import Message
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Outgoing
from chat4all.services import resends
from tasks.lanes.attempt import Sender
from tasks.lanes.lane import LaneWork
from tasks.lanes.writer import Writer
from tests.tasks.test_attempt import Fake
from tests.tasks.world import Alone, World, asked_anew, message, new_id, release, take, threads, whatsapp, world

TALK = new_id("conversation", 1)
PARTS = ("Ana: one", "two", "three")


class Scripted(Fake):
    """Fails at these texts, once or for good."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: dict[str, Exception] = {}

    async def send_text(self, message: Outgoing) -> str:
        failure = self.failing.get(message.text)
        if failure:
            if isinstance(failure, Temporary):
                del self.failing[message.text]
            raise failure
        return await super().send_text(message)


class Opened(Sender):
    """A sender that has its account."""

    opened = True

    def closed_s(self) -> float | None:
        return self.throttle.closed_s()


class Bench:
    """A lane with a real sender."""

    def __init__(self, road: World, writer: Writer, channel: Scripted, executor: Executor) -> None:
        self.road, self.writer, self.channel, self.executor = road, writer, channel, executor

    async def work(self, linger_s: float = 0.1) -> None:
        """Hold the lane until it is idle, as a new process would."""
        store, lane = self.road.store, Lane("whatsapp", 0)
        sender = Opened(self.road.parts, self.channel, self.writer, self.executor)
        state_now, hold = take(store, lane, "holder")
        await LaneWork(state_now, hold, store, self.writer, Alone(sender), self.executor).run(linger_s)
        assert release(store, hold)

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.channel.arrived]

    def states(self) -> list[str]:
        return [each.state for each in self.road.events("state") if each.recipient == "contact-1"]

    def said(self) -> list[tuple[str, str]]:
        """State and reason of each row of contact 1."""
        rows = [row for row in self.road.rows() if row.user_id == "contact-1"]
        return [(state(row.facts).value, row.facts.refused_reason or row.facts.failed_reason) for row in rows]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with world(tmp_path, partitions=1, backoff_first_s=0.05, backoff_most_s=0.1) as road:
        async with threads() as executor:
            writer = Writer(road.parts, executor)
            writing = asyncio.create_task(writer.run())
            road.know(*map(whatsapp, range(4)))
            yield Bench(road, writer, Scripted(), executor)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def long(number: int = 1) -> Message:
    """To contact 1 in three parts, to contact 2 whole, to contact 3 in three parts."""
    to = [replace(whatsapp(1), rendition=1), whatsapp(2), replace(whatsapp(3), rendition=1)]
    return message(TALK, number, "one two three", to=to, sender_name="Ana", renditions=(PARTS,))


def say(bench: Bench, *said: Message) -> None:
    bench.road.say(*said)
    bench.road.run()


async def test_each_recipient_gets_what_fits_in_order(bench: Bench) -> None:
    """Parts one after the other, the name once; who gets it whole gets it whole; a rerun makes the same rows."""
    say(bench, long())
    before = bench.road.rows()
    bench.road.run()
    assert bench.road.rows() == before
    assert [(row.key.index, row.part, row.parts) for row in before] == [
        (0, 0, 3), (1, 1, 3), (2, 2, 3), (3, 0, 1), (4, 0, 3), (5, 1, 3), (6, 2, 3),
    ]  # fmt: skip
    await bench.work()
    for number, texts in ((1, list(PARTS)), (2, ["Ana: one two three"]), (3, list(PARTS))):
        address = whatsapp(number).address
        assert [each.text for each in bench.channel.arrived if each.address == address] == texts
    assert bench.states() == ["SENT"]


async def test_a_part_that_must_wait_keeps_the_later_ones_behind_it(bench: Bench) -> None:
    """Through a waiting row and a new holder, which find the parts by the same indexes."""
    say(bench, long(), message(TALK, 2, "next", to=[whatsapp(1)]))
    bench.channel.failing = {"two": Temporary("provider_error")}
    for _ in range(40):
        await bench.work(0.02)
        if all(row.facts.ended for row in bench.road.rows()):
            break
        await asyncio.sleep(0.02)
    mine = [each.text for each in bench.channel.arrived if each.address == whatsapp(1).address]
    assert sorted(set(mine), key=mine.index) == mine == [*PARTS, "next"]


async def test_what_follows_a_part_that_is_refused_is_not_sent(bench: Bench) -> None:
    """Half of a message may say something else: later parts end as part_failed, the recipient is FAILED."""
    bench.channel.failing = {"two": Permanent("invalid")}
    say(bench, long())
    await bench.work()
    assert bench.said() == [("SENT", ""), ("FAILED", "invalid"), ("FAILED", "part_failed")]
    told = [each for each in bench.road.events("state") if each.recipient == "contact-1"]
    assert {(each.state, each.reason) for each in told} == {("FAILED", "invalid")}
    assert len([each for each in bench.channel.arrived if each.address == whatsapp(1).address]) == 1


async def test_a_new_holder_knows_of_a_part_that_was_refused(bench: Bench) -> None:
    """It was written by a process that has died."""
    say(bench, long())
    first, second, *_ = bench.road.rows()
    bench.road.store.record({first.key: Facts(attempts=1, sent_at=1, provider_id="x")})
    bench.road.store.record({second.key: Facts(attempts=1, attempted_at=1, refusals=1, refused_at=2, refused_reason="blocked")})
    await bench.work()
    assert bench.said() == [("SENT", ""), ("FAILED", "blocked"), ("FAILED", "part_failed")]


async def test_readers_are_told_of_all_parts_together(bench: Bench) -> None:
    """Receipts of single parts, in any order: never backwards, and READ only when all parts are."""
    say(bench, long())
    await bench.work()
    ids = {row.part: row.facts.provider_id for row in bench.road.rows() if row.user_id == "contact-1"}
    for part, kind in ((2, "read"), (0, "delivered"), (0, "read"), (1, "delivered"), (1, "read")):
        bench.road.report(ProviderReceipt("whatsapp", "1", ids[part], kind, int(time.time() * 1000)))
        bench.road.receive()
    told = [State(each) for each in bench.states()]
    assert told == sorted(told, key=lambda each: RANK[each])
    assert (told[0], told[-1]) == (State.SENT, State.READ)


async def test_a_resend_carries_the_part_that_failed_and_nothing_else(bench: Bench) -> None:
    """What arrived is not said again; each part that was withdrawn is sent by itself."""
    bench.channel.failing = {"two": Permanent("invalid")}
    say(bench, long())
    await bench.work()
    bench.channel.failing = {}
    bench.channel.arrived.clear()
    keys = resends.keys_of(bench.road.store, 1, long().message_id)
    assert len(keys) == 7
    wanted = resends.plan(bench.road.store, asked_anew(bench.road), keys, resends.Wish(), int(time.time() * 1000)).resends
    resends.append(bench.road.parts.log, bench.road.parts.partitions, wanted)
    bench.road.run()
    await bench.work()
    assert [each.text for each in bench.channel.arrived if each.address == whatsapp(1).address] == ["two", "three"]


SIGHTS = {
    State.PENDING: Facts(attempts=1),
    State.SENT: Facts(sent_at=1),
    State.DELIVERED: Facts(sent_at=1, delivered_at=2),
    State.READ: Facts(sent_at=1, read_at=3),
    State.FAILED: Facts(refused_at=1, refused_reason="invalid"),
}


@pytest.mark.parametrize("states", list(itertools.combinations_with_replacement(SIGHTS, 3)))
def test_a_recipient_is_as_far_as_the_slowest_part(states: tuple[State, ...]) -> None:
    """FAILED where any part is, else the lowest; the order of the parts does not matter."""
    wanted = State.FAILED if State.FAILED in states else min(states, key=lambda each: RANK[each])
    for order in itertools.permutations(states):
        assert of_parts(order) is state(folded([SIGHTS[each] for each in order])) is wanted


def test_a_delivery_without_parts_is_its_own_sibling() -> None:
    """Nothing else is read for it."""
    row = Delivery(DeliveryKey(Lane("whatsapp", 0), 3, 2), TALK, "m", "u", "+1", message(TALK, 1).payload, 1)
    assert row.siblings() == [row.key]
