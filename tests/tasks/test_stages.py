"""persist and fan_out: the same rows however often they run, once per message id, and poison set aside alone."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.deliveries import Delivery, Lane, State, state
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.messages import Origin, Recipient, seq_at
from chat4all.model.records import INCOMING, BatchRef, NewRecord, Range, partition_of
from chat4all.ports import EventLog
from tasks.outcomes.dead_letters import record_letter
from tasks.outcomes.delivery_metrics import bury
from tasks.resources import Parts
from tasks.stages.batches import Batch
from tasks.stages.stage import Stage
from tasks.stages.tries import Tries
from tests.tasks.world import FAN_OUT, PERSIST, World, message, new_id, whatsapp, world

ONE = new_id("conversation", 1)
TWO = new_id("conversation", 2)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def broken(log: EventLog, conversation: str, value: bytes, partitions: int) -> int:
    """Append a record that nobody can read."""
    return log.append([NewRecord(INCOMING, partition_of(conversation, partitions), conversation, value)], 5)[0]


def test_a_message_becomes_a_row_a_delivery_and_an_event(road: World) -> None:
    """What goes in comes out: stored under its seq, waiting in its lane, told to readers, progress and lane moved."""
    offset = road.say(message(ONE, 1, to=[whatsapp(7)]))[0]
    road.run()
    partition = partition_of(ONE, road.parts.partitions)
    assert [each.seq for each in road.store.page(ONE, None, None, 10)] == [seq_at(offset)]
    assert [(row.key.lane, row.address) for row in road.rows()] == [(Lane("whatsapp", partition), whatsapp(7).address)]
    assert [each.text for each in road.events("message")] == ["hello"]
    assert road.store.progress(INCOMING)[partition].done == offset
    assert road.store.lanes()[Lane("whatsapp", partition)].fanned == seq_at(offset)


def test_the_same_id_again_is_the_same_message(road: World) -> None:
    """Repeats in one batch and in a later one make no second row, delivery or event."""
    road.say(*[message(ONE, 1, to=[whatsapp(7)])] * 3)
    road.run()
    road.say(message(ONE, 1, to=[whatsapp(7)]))
    road.run()
    assert len(road.store.page(ONE, None, None, 10)) == 1
    assert len(road.rows()) == 1
    assert {each.seq for each in road.events("message")} == {seq_at(0)}
    assert road.events("rejected") == []


def test_the_same_id_with_another_body_is_rejected_and_told(road: World) -> None:
    """Who comes second with other words gets a rejected event, and the first words stand."""
    road.say(message(ONE, 1, "first"), message(ONE, 1, "second"))
    road.run()
    assert [each.payload.as_text() for each in road.store.page(ONE, None, None, 10)] == ["first"]
    assert [each.reason for each in road.events("rejected")] == ["message_id_conflict"]


def test_a_providers_message_that_is_read_in_other_words_is_the_same(road: World) -> None:
    """It was brought again after an upgrade: the first words stand, and nobody is told that anything was rejected."""
    origin = Origin("whatsapp", "100000000000001", "+5511999990000", "wamid.1", 1)
    road.say(*(replace(message(ONE, 1, text), origin=origin) for text in ("[picture] tea", "tea")))
    road.run()
    assert [each.payload.as_text() for each in road.store.page(ONE, None, None, 10)] == ["[picture] tea"]
    assert road.events("rejected") == []


def test_running_again_writes_the_same(road: World) -> None:
    """A batch that is run three times leaves what one run leaves; its events repeat under the same ids."""
    road.say(*[message(ONE, n, to=[whatsapp(n)]) for n in range(5)])
    road.run()
    rows, page = road.rows(), road.store.page(ONE, None, None, 10)
    for _ in range(2):
        road.run(again=True)
    assert (road.rows(), road.store.page(ONE, None, None, 10)) == (rows, page)
    assert len({each.message_id for each in road.events("message")}) == 5


def test_a_range_that_leaves_a_gap_is_refused(road: World) -> None:
    """A stale chain cannot move progress over records that nobody has seen to."""
    road.say(message(ONE, 1), message(ONE, 2))
    partition = partition_of(ONE, road.parts.partitions)
    with pytest.raises(Unknown, match="range_out_of_turn"):
        road.run(PERSIST, FAN_OUT, ref=BatchRef(INCOMING, (Range(partition, 1, 1),)))
    assert partition not in road.store.progress(INCOMING)


def test_who_has_no_address_is_told_at_once(road: World) -> None:
    """A recipient without an address, or on a channel that does not exist, is FAILED with the reason, and a dead letter."""
    road.say(message(ONE, 1, to=[Recipient("bob", "whatsapp"), Recipient("carol", "pigeon", "roof")]))
    road.run()
    ended = road.rows() + road.rows("pigeon")
    assert [(state(row.facts), row.facts.refused_reason) for row in ended] == [
        (State.FAILED, "no_identity"),
        (State.FAILED, "unknown_channel"),
    ]
    assert [(each.state, each.reason) for each in road.events("state")] == [
        ("FAILED", "no_identity"),
        ("FAILED", "unknown_channel"),
    ]


def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on(road: World) -> None:
    """One unreadable record costs no other one anything."""
    road.say(message(ONE, 1))
    offset = broken(road.log, ONE, b"\xff not json", road.parts.partitions)
    road.say(message(ONE, 2))
    road.run()
    partition = partition_of(ONE, road.parts.partitions)
    assert len(road.store.page(ONE, None, None, 10)) == 2
    buried = road.store.buried(INCOMING, [Range(partition, 0, 9)])
    assert {place: letter.reason for place, letter in buried.items()} == {(partition, offset): "unreadable"}


def test_a_record_that_makes_a_stage_fail_is_found_and_set_aside_alone(road: World) -> None:
    """Nineteen of twenty pass; the one that raises is buried with its reason, and later stages pass over it."""
    road.say(*[message(ONE, n, "poison" if n == 13 else "fine") for n in range(20)])

    def touchy(parts: Parts, batch: Batch, replay: bool) -> None:
        if any(getattr(each.payload, "text", "") == "poison" for each in batch.messages()):
            raise ZeroDivisionError("cannot digest this")
        PERSIST.work(parts, batch, replay)

    (run,) = road.run(Stage("persist", touchy))
    ref = road.everything()
    road.run(FAN_OUT, ref=BatchRef(ref.topic, ref.ranges, suspect=run.buried > 0))
    assert len(road.store.page(ONE, None, None, 50)) == 19
    assert len(road.events("message")) == 19
    (letter,) = road.store.buried(INCOMING, ref.ranges).values()
    assert (letter.reason, letter.offset) == ("stage_failed", 13)


def test_an_outage_blames_nobody(road: World) -> None:
    """A stage that fails because a server is away buries nothing, however often."""
    road.say(message(ONE, 1))

    def away(parts: Parts, batch: Batch, replay: bool) -> None:
        raise Temporary("store_away")

    for _ in range(10):
        with pytest.raises(Temporary):
            road.run(Stage("persist", away), again=True)
    assert road.store.buried(INCOMING, road.everything().ranges) == {}
    assert road.store.troubles(INCOMING, road.everything().ranges) == []


def test_an_outage_at_the_wrong_moment_blames_nobody(road: World) -> None:
    """A store that goes away while a stage works cannot be told that the try came back: it is told when it is there again."""
    road.say(message(ONE, 1))

    def leaving(parts: Parts, batch: Batch, replay: bool) -> None:
        away = Temporary("store_away")
        road.faults.fail("excuse_tries", away)
        raise away

    for _ in range(3):
        with pytest.raises(Temporary):
            road.run(Stage("persist", leaving), again=True)
        road.faults.mend()
    road.run(PERSIST, again=True)
    assert road.store.buried(INCOMING, road.everything().ranges) == {}
    assert len(road.store.page(ONE, None, None, 50)) == 1


def test_a_record_that_kills_its_process_is_found_by_its_tries(road: World) -> None:
    """Processes that never come back are counted: after the batch's first, one with its chunk and two with it alone."""
    road.say(*[message(ONE, n, "killer" if n == 5 else "fine") for n in range(8)])

    class Killed(BaseException):
        """As if by kill -9."""

    def deadly(parts: Parts, batch: Batch, replay: bool) -> None:
        if any(getattr(each.payload, "text", "") == "killer" for each in batch.messages()):
            road.faults.answer("excuse_tries", lambda *_: None)
            raise Killed
        PERSIST.work(parts, batch, replay)

    deaths = 0
    while deaths < 20:
        try:
            road.run(Stage("persist", deadly), again=True)
            break
        except Killed:
            deaths += 1
            road.faults.mend()
            road.tries = Tries()
    (letter,) = road.store.buried(INCOMING, road.everything().ranges).values()
    assert (letter.reason, letter.offset) == ("killed_the_process", 5)
    assert len(road.store.page(ONE, None, None, 50)) == 7
    assert deaths == 3


def test_rows_of_a_record_that_was_set_aside_meanwhile_do_not_wait_for_ever(road: World) -> None:
    """A worker is frozen with a record; others take it for one that kills, and their lane passes it; the worker wakes."""
    road.say(message(ONE, 1, to=[whatsapp(1), whatsapp(2)]), message(ONE, 2, to=[whatsapp(1)]))
    road.run(PERSIST)
    (span,) = road.everything().ranges

    def frozen(rows: Sequence[Delivery]) -> None:
        road.faults.mend()
        bury(road.store, [record_letter("fan_out", INCOMING, span.partition, span.first, "killed_the_process", "")])
        road.run(FAN_OUT, again=True)
        ((lane, state),) = road.store.lanes().items()
        road.store.raise_cursor(lane, state.fanned, 0)
        road.store.put_deliveries(rows)

    road.faults.answer("put_deliveries", frozen)
    road.run(FAN_OUT)
    first, second, other = road.rows()
    assert [each.facts.refused_reason for each in (first, second, other)] == ["set_aside", "set_aside", ""]


def test_threads_of_one_process_that_have_the_same_records_are_one_try(road: World) -> None:
    """A batch that was handed out twice is worked on twice at once: a kill then is one death, not two."""
    road.say(*[message(ONE, n) for n in range(3)])
    road.faults.answer("excuse_tries", lambda *_: None)
    for _ in range(5):
        road.run(PERSIST, again=True)
    troubles = road.store.troubles(INCOMING, road.everything().ranges)
    assert {each.tries for each in troubles} == {1}


def test_one_record_at_a_time_is_tried_alone(road: World) -> None:
    """However many threads look for the one that kills: at a death only one record was in hands alone."""
    road.say(*[message(ONE, n) for n in range(4)])
    road.store.begin_tries("persist", INCOMING, road.everything().ranges, "a process that died")
    inside: list[int] = []
    most: list[int] = []

    def slow(parts: Parts, batch: Batch, replay: bool) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    threads = [threading.Thread(target=road.run, args=(Stage("persist", slow),), kwargs={"again": True}) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(most) >= 12
    assert max(most) == 1
