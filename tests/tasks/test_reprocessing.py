"""Running stages again changes nothing that stands; a record that was set aside comes in again as a new one."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Facts, State, state
from chat4all.model.failures import Failure, Permanent
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import INCOMING, STATUS, BatchRef, NewRecord, ProviderReceipt, Range
from chat4all.ports import DeadLetter
from chat4all.services.resends import Wish, append, plan
from tasks.operations import reprocessing
from tasks.outcomes.dead_letters import record_letter
from tasks.pipeline import STAGES
from tests.tasks.world import FAN_OUT, PERSIST, RECEIPTS, World, asked_anew, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as made:
        made.know(*map(whatsapp, range(5)))
        yield made


def say(road: World, *said: Message) -> None:
    road.say(*said)
    road.run()


def everything(road: World) -> object:
    """All that a replay could change, and must not."""
    positions = [
        {partition: each.done for partition, each in road.store.progress(topic).items()} for topic in (INCOMING, STATUS)
    ]
    return (
        road.rows(),
        road.store.page(TALK, None, None, 100),
        road.store.lanes(),
        positions,
        road.log.ends(INCOMING),
        letters(road),
    )


def letters(road: World) -> list[DeadLetter]:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    return road.store.dead_letters(today, 100)


def test_a_rerun_changes_nothing_and_moves_no_position(road: World) -> None:
    """Rows with all their facts, messages, lanes, positions and dead letters are what they were; events repeat their ids."""
    say(road, message(TALK, 1, to=[whatsapp(1)]), message(TALK, 2, to=[Recipient("bob", "whatsapp")]))
    key = road.rows()[0].key
    road.store.record({key: Facts(attempts=1, refusals=1, refused_at=5, refused_reason="blocked")})
    append(road.parts.log, road.parts.partitions, plan(road.store, asked_anew(road), [key], Wish(), now_ms()).resends)
    road.run()
    road.report(ProviderReceipt("whatsapp", "1", "w", "failed", 6, "blocked", str(key)))
    road.receive()
    before, told = everything(road), {each.message_id for each in road.events("message")}
    (ref,) = reprocessing.batches(road.parts, INCOMING, Range(0, 0, 2))
    assert ref.replay
    road.run(PERSIST, FAN_OUT, ref=ref)
    road.run(PERSIST, ref=ref)
    road.run(FAN_OUT, ref=ref, again=True)
    (of_status,) = reprocessing.batches(road.parts, STATUS, Range(0, 0, 0))
    road.run(RECEIPTS, ref=of_status)
    assert everything(road) == before
    assert {each.message_id for each in road.events("message")} == told


def test_a_rerun_writes_again_what_was_lost(road: World) -> None:
    """The rows of a message that the store no longer has come back from the log."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.store.raise_progress(INCOMING, {0: 0})
    road.run(PERSIST, FAN_OUT, ref=reprocessing.batches(road.parts, INCOMING, Range(0, 0, 0))[0])
    assert (len(road.rows()), len(road.store.page(TALK, None, None, 10))) == (1, 1)


def test_long_ranges_are_cut_into_batches(road: World) -> None:
    """Each chain carries what a batch may; too many of them would keep the live ones waiting, and are refused."""
    settings = road.parts.settings.model_copy(update={"batch_records": 4})
    parts = replace(road.parts, settings=settings)
    say(road, *[message(TALK, n) for n in range(10)])
    assert [each.ranges for each in reprocessing.batches(parts, INCOMING, Range(0, 1, 9))] == [
        (Range(0, 1, 4),),
        (Range(0, 5, 8),),
        (Range(0, 9, 9),),
    ]
    with pytest.raises(Permanent, match="too_much"):
        reprocessing.batches(parts, INCOMING, Range(0, 1, 9), most=2)


@pytest.mark.parametrize(
    ("place", "stage", "why"),
    [
        ("chat-incoming:0:1-3", "", "not_done_yet"),
        ("chat-incoming:7:0", "", "not_done_yet"),
        ("chat-status:0:0", "", "not_done_yet"),
        ("chat-incoming:0:0-1", "receipts", "unknown_stage"),
        ("chat-incoming:0:1-0", "", "bad_place"),
        ("chat-incoming:0:-1", "", "bad_place"),
        ("chat-incoming:0", "", "bad_place"),
        ("chat-events:0:0", "", "bad_place"),
    ],
)
def test_a_range_that_cannot_be_run_again_is_refused(road: World, place: str, stage: str, why: str) -> None:
    """What is above progress is the bridge's; places and stages must exist."""
    say(road, message(TALK, 1), message(TALK, 2))
    road.say(message(TALK, 3), message(TALK, 4))
    with pytest.raises(Permanent, match=why):
        reprocessing.batches(road.parts, *reprocessing.place(place), stage)


def test_a_range_that_the_log_has_forgotten_is_an_error(road: World) -> None:
    """Never an empty run that looks like a good one."""
    say(road, message(TALK, 1), message(TALK, 2))
    road.log_faults.answer("ends", lambda topic: {0: (1, 2)})
    with pytest.raises(Failure, match="range_lost"):
        reprocessing.batches(road.parts, INCOMING, Range(0, 0, 1))


def test_chains_are_of_the_stages_asked_for() -> None:
    """One stage, or all."""
    handed: list[tuple[BatchRef, list[str]]] = []
    names = [each.name for each in STAGES[INCOMING]]
    chains: Any = SimpleNamespace(hand_out=lambda ref, only: handed.append((ref, [name for name in names if only(name)])))
    ref = BatchRef(INCOMING, (Range(0, 1, 2),), replay=True)
    reprocessing.run_again(chains, [ref, ref])
    reprocessing.run_again(chains, [ref], "fan_out")
    assert handed == [(ref, names), (ref, names), (ref, ["fan_out"])]


# Records that were set aside.


def set_aside(road: World, stage: str, said: Message) -> Range:
    """A record that this stage could not process, and that later stages passed over."""
    (offset,) = road.say(said)
    if stage == "fan_out":
        road.run(PERSIST)
    road.store.add_dead_letters([record_letter(stage, INCOMING, 0, offset, "stage_failed")])
    road.store.raise_progress(INCOMING, {0: offset})
    return Range(0, offset, offset)


def test_a_record_that_was_set_aside_becomes_a_new_message(road: World) -> None:
    """Accepted now, to the same people, once per name; and it is delivered and told like any message."""
    span = set_aside(road, "persist", message(TALK, 1, "hello", to=[whatsapp(1)], accepted_at=5))
    made = reprocessing.again(road.parts, INCOMING, span, "1", now_ms())
    reprocessing.append(road.parts, made)
    reprocessing.append(road.parts, reprocessing.again(road.parts, INCOMING, span, "1", now_ms()))
    road.run(ref=BatchRef(INCOMING, (Range(0, 1, 2),)))
    assert made.notes == ()
    (kept,) = road.store.page(TALK, None, None, 10)
    assert (kept.message_id, kept.payload, kept.accepted_at > 5) == (made.message_id, message(TALK, 1).payload, True)
    assert [row.address for row in road.rows()] == [whatsapp(1).address]
    assert [each.message_id for each in road.events("message")] == [made.message_id]
    with pytest.raises(Permanent, match="done"):
        reprocessing.again(road.parts, INCOMING, span, "1", now_ms())


def test_a_record_that_failed_after_it_was_stored_says_that_history_shows_both(road: World) -> None:
    """An operator knows before."""
    span = set_aside(road, "fan_out", message(TALK, 1))
    (note,) = reprocessing.again(road.parts, INCOMING, span, "1", now_ms()).notes
    assert "history" in note


def test_a_record_whose_work_goes_on_otherwise_is_left_unless_forced(road: World) -> None:
    """Its sender said it again, or its deliveries exist: appending it would be a second time."""
    said = message(TALK, 1, to=[whatsapp(1)])
    span = set_aside(road, "persist", said)
    road.say(said)
    road.run(ref=BatchRef(INCOMING, (Range(0, 1, 1),)))
    with pytest.raises(Permanent, match="goes_on"):
        reprocessing.again(road.parts, INCOMING, span, "1", now_ms())
    assert reprocessing.again(road.parts, INCOMING, span, "1", now_ms(), force=True).message_id
    stored = message(TALK, 2, to=[whatsapp(1)])
    say(road, stored)
    road.store.add_dead_letters([record_letter("fan_out", INCOMING, 0, 2, "stage_failed")])
    with pytest.raises(Permanent, match="goes_on"):
        reprocessing.again(road.parts, INCOMING, Range(0, 2, 2), "1", now_ms())


def test_only_single_records_that_were_set_aside_and_can_be_read(road: World) -> None:
    """A record that went well, a range, and one that nobody can read are refused."""
    say(road, message(TALK, 1), message(TALK, 2))
    for span in (Range(0, 0, 0), Range(0, 0, 1)):
        with pytest.raises(Permanent, match="not_set_aside"):
            reprocessing.again(road.parts, INCOMING, span, "1", now_ms())
    road.log.append([NewRecord(INCOMING, 0, TALK, b"\xff")], 5)
    road.run()
    with pytest.raises(Permanent, match="unreadable"):
        reprocessing.again(road.parts, INCOMING, Range(0, 2, 2), "1", now_ms())


def test_a_receipt_that_was_set_aside_is_applied(road: World) -> None:
    """The same receipt again, in its own topic: what it proves is added, whoever says it how often."""
    say(road, message(TALK, 1, to=[whatsapp(1)]))
    (row,) = road.rows()
    road.report(ProviderReceipt("whatsapp", "1", "w", "delivered", 6, "", str(row.key)))
    road.store.add_dead_letters([record_letter("receipts", STATUS, 0, 0, "stage_failed")])
    made = reprocessing.again(road.parts, STATUS, Range(0, 0, 0), "1", now_ms())
    reprocessing.append(road.parts, made)
    road.run(RECEIPTS, ref=BatchRef(STATUS, (Range(0, 1, 1),)))
    assert (made.message_id, state(road.rows()[0].facts)) == ("", State.DELIVERED)
