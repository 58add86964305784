"""What is withdrawn before its call is not sent: whoever holds the lane, wherever they freeze, whatever the provider does."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Deletion
from chat4all.model.deliveries import (
    CANCELLATIONS,
    REPLACED,
    TAKEN_BACK,
    WITHDRAWALS,
    Delivery,
    DeliveryKey,
    Facts,
    State,
    Withdrawn,
    state,
)
from chat4all.model.failures import Temporary
from chat4all.ports import Outgoing
from chat4all.services.resends import Wish, append, plan
from chat4all.services.withdrawals import withdraw
from tasks.lanes.bounds import Bounds
from tasks.lanes.outcome import Done, Wait
from tasks.lanes.writer import GivenUp
from tests.tasks.holders import Process
from tests.tasks.test_attempt import Desk, Fake, desk
from tests.tasks.test_holders import Chaos, Freezer, Lost, all_ended, road
from tests.tasks.test_message_parts import PARTS, Bench, bench
from tests.tasks.world import World, asked_anew, message, new_id, until, whatsapp

__all__ = ["bench", "desk", "road"]

TALK = new_id("conversation", 1)


def why(reason: str = TAKEN_BACK) -> Withdrawn:
    return Withdrawn(now_ms(), reason, "m")


def letters(road: World) -> Sequence[Any]:
    return road.store.dead_letters(f"{datetime.now(UTC):%Y-%m-%d}", 9)


# One delivery


ENDED_AS = {TAKEN_BACK: "FAILED", REPLACED: "FAILED"} | dict.fromkeys(CANCELLATIONS, "CANCELLED")


@pytest.mark.parametrize("reason", sorted(WITHDRAWALS))
async def test_what_is_withdrawn_ends_without_a_call(desk: Desk, reason: str) -> None:
    """FAILED or CANCELLED with the reason; readers are told, nobody has to look into it: there is no dead letter."""
    assert withdraw(desk.road.store, [desk.row().key], why(reason)) == []
    assert state(desk.row().facts) is State.PENDING
    assert isinstance(await desk.attempt(), Done)
    facts = desk.row().facts
    assert (state(facts), facts.refused_reason, desk.channel.arrived) == (ENDED_AS[reason], reason, [])
    told = CANCELLATIONS.get(reason, reason)
    assert [(each.state, each.reason) for each in desk.road.events("state")] == [(ENDED_AS[reason], told)]
    assert list(letters(desk.road)) == []


async def test_what_is_withdrawn_while_it_waits_is_not_tried_again(desk: Desk) -> None:
    """The provider refused it for now; then it was taken back."""
    desk.channel.failure = Temporary("provider_error")
    assert isinstance(await desk.attempt(), Wait)
    desk.channel.failure = None
    assert withdraw(desk.road.store, [desk.row().key], why()) == [desk.row().key]
    assert isinstance(await desk.attempt(refusals=1), Done)
    assert (desk.channel.arrived, desk.row().facts.refused_reason) == ([], TAKEN_BACK)


async def test_what_was_sent_stays_sent(desk: Desk) -> None:
    """A call that was under way, or was over: the fact changes nothing of it, and a receipt goes on."""
    await desk.attempt()
    assert withdraw(desk.road.store, [desk.row().key], why()) == [desk.row().key]
    desk.road.store.withdraw({desk.row().key: why()})
    assert isinstance(await desk.attempt(), Done)
    assert state(desk.row().facts) is State.SENT


async def test_a_holder_that_died_after_it_ended_it_leaves_no_letter_to_the_next(desk: Desk) -> None:
    """The facts were written, the event was not: the next holder tells it again, and makes no dead letter of it."""
    row = desk.row()
    desk.road.store.record({row.key: Facts(attempts=1, attempted_at=5, refused_at=6, refused_reason=TAKEN_BACK)})
    again = desk.sender.told_again(desk.row())
    assert isinstance(again, GivenUp)
    assert again.letter is None


async def test_what_is_withdrawn_is_not_sent_again_by_an_operator(desk: Desk) -> None:
    """Neither what it ended, nor what had FAILED before of itself; not with force either."""
    store, key = desk.road.store, desk.row().key
    store.record({key: Facts(attempts=1, refusals=1, refused_at=5, refused_reason="undeliverable")})
    assert len(plan(store, asked_anew(desk.road), [key], Wish(), 5).resends) == 1
    withdraw(store, [key], why())
    for wish in (Wish(), Wish("once more", force=True)):
        found = plan(store, asked_anew(desk.road), [key], wish, 5)
        assert (found.resends, [each.why for each in found.left]) == ((), ["taken_back: it is not to be sent any more"])


def test_the_newest_resend_of_what_failed_is_withdrawn_too(road: World) -> None:
    """Deleted while an operator's resend waits: nobody gets the words by that way."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    [row] = road.rows()
    failed = Facts(attempts=1, refusals=1, refused_at=5, refused_reason="undeliverable", resent_as=row.key.seq + 7)
    road.store.record({row.key: failed})
    withdraw(road.store, [row.key], why())
    assert set(road.store.withdrawn([row.key, row.key.resend(row.key.seq + 7)])) == {row.key, row.key.resend(row.key.seq + 7)}


async def test_a_resend_that_was_planned_before_the_deletion_is_not_sent(bench: Bench) -> None:
    """Its row is made after the withdrawal, under a key of its own: that of the delivery that it repeats stops it."""
    road, said = bench.road, message(TALK, 1, "the words", to=[whatsapp(1), whatsapp(2)])
    road.say(said)
    road.run()
    arrived, key = [row.key for row in road.rows()]
    failed = Facts(attempts=1, refusals=1, refused_at=5, refused_reason="undeliverable")
    road.store.record({arrived: Facts(attempts=1, sent_at=5, provider_id="p"), key: failed})
    made = plan(road.store, asked_anew(road), [key], Wish(), now_ms()).resends
    road.say(replace(message(TALK, 2), payload=Deletion(said.message_id)))
    road.run()
    append(road.parts.log, road.parts.partitions, made)
    road.run()
    await bench.work()
    again = road.store.deliveries([key.resend(road.store.deliveries([key])[key].facts.resent_as)])
    assert [(row.first_key, row.facts.refused_reason) for row in again.values()] == [(key, TAKEN_BACK)]
    assert "the words" not in bench.texts


def test_withdrawing_nothing_is_nothing(road: World) -> None:
    """A modifier whose target went to nobody outside."""
    assert withdraw(road.store, [], why()) == []


async def test_the_parts_of_what_is_withdrawn_end_for_the_same_reason(bench: Bench) -> None:
    """Not as parts that failed: no dead letter of any of them."""
    bench.road.say(message(TALK, 1, to=[replace(whatsapp(1), rendition=1)], renditions=(PARTS,)))
    bench.road.run()
    withdraw(bench.road.store, [bench.road.rows()[0].key], why())
    await bench.work()
    assert (bench.said(), bench.texts) == ([("FAILED", TAKEN_BACK)] * 3, [])
    assert list(letters(bench.road)) == []


# A race


async def test_a_holder_that_froze_before_it_looked_sees_it(road: World) -> None:
    """The attempt is durable, the message is taken back, the holder wakes and looks: no call."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    channel = Fake()
    one = Process(road, "one", channel)
    one.store.holds = lambda name, given: name == "withdrawn"
    one.begin()
    await until(one.store.stuck.is_set)
    [row] = road.rows()
    # It may be on its way, as far as anybody can know.
    assert withdraw(road.store, [row.key], why()) == [row.key]
    one.store.thaw.set()
    await until(lambda: one.is_done)
    assert (channel.arrived, road.rows()[0].facts.refused_reason) == ([], TAKEN_BACK)
    await one.thawed()


async def test_a_lost_answer_does_not_send_it_again_after_it_was_withdrawn(road: World) -> None:
    """The first call's outcome is unknown: it ends when its time comes, and there is no other call."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    lost = Lost()
    one = Process(road, "one", lost)
    await one.work(0.01)
    withdraw(road.store, [road.rows()[0].key], why())
    arrived = len(lost.arrived)
    await asyncio.sleep(0.1)
    rows: list[Delivery] = await all_ended(road)
    assert (len(lost.arrived), rows[0].facts.refused_reason) == (arrived, TAKEN_BACK)
    assert rows[0].facts.attempts == arrived + 1
    await one.thawed()


class Frozen(Freezer):
    """Holds a process around its attempts."""

    CALLS = ("record", "record", "owners", "withdrawn", "withdrawn", "deliveries")


async def whatever_is_withdrawn(road: World, seed: int, turns: int = 10) -> None:
    """Holders in turn, frozen, woken or killed at random; messages are taken back at random: no call is begun after that."""
    chance = random.Random(seed)
    small = Bounds(of_one_key=3, in_memory=12, read_rows=5, soon_s=0.0)
    arrived: list[Outgoing] = []
    living: list[Process] = []
    most: dict[DeliveryKey, int] = {}
    for turn in range(turns):
        numbers = [(turn, n) for n in range(chance.randrange(1, 6))]
        road.say(*[message(new_id("conversation", chance.randrange(3)), each, to=[whatsapp(1)]) for each in numbers])
        road.run()
        living.append(Process(road, f"{turn}", Chaos(chance, arrived), small))
        living[-1].store.holds = Frozen(chance)
        living[-1].begin(0.02)
        for _ in range(3):
            await asyncio.sleep(chance.choice([0.0, 0.001, 0.01]))
            for row in chance.sample(road.rows(), min(3, len(road.rows()))):
                withdraw(road.store, [row.key], why())
                # Calls up to here were begun before; whoever counts more has not looked.
                most.setdefault(row.key, road.store.deliveries([row.key])[row.key].facts.attempts)
        await until(lambda: living[-1].store.stuck.is_set() or living[-1].is_done)
        living[-1].lose()
        while len(living) > chance.randrange(1, 4):
            gone = living.pop(chance.randrange(len(living)))
            await (gone.killed() if chance.random() < 0.3 else gone.thawed())
    await all_ended(road)
    for each in living:
        await each.thawed()
    rows: list[Delivery] = await all_ended(road)
    calls = Counter(each.reference for each in arrived)
    assert {str(key): number for key, number in most.items() if calls[str(key)] > number} == {}
    assert any(row.facts.refused_reason == TAKEN_BACK for row in rows)
    unsent = [row for row in rows if row.key in road.store.withdrawn([row.key]) and not row.facts.sent_at]
    assert {row.facts.refused_reason for row in unsent} == {TAKEN_BACK}


@pytest.mark.parametrize("seed", range(4))
async def test_no_call_is_begun_after_a_delivery_was_withdrawn(road: World, seed: int) -> None:
    """See `whatever_is_withdrawn`."""
    await whatever_is_withdrawn(road, seed)


def test_a_withdrawal_alone_is_no_end(road: World) -> None:
    """The fact alone is no end and no state."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    [row] = road.rows()
    withdraw(road.store, [row.key], why())
    [row] = road.rows()
    assert (state(row.facts), row.facts.ended) == (State.PENDING, False)
