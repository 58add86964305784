"""receipts: what providers and clients report becomes facts, positions and events, in whatever order it comes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.deliveries import Facts, State, state
from chat4all.model.failures import Temporary
from chat4all.model.records import STATUS, Cost, NewRecord, Position, ProviderReceipt, partition_of
from chat4all.ports import Handle
from tasks.lanes.writer import Sent, write_all
from tests.tasks.world import World, message, new_id, whatsapp, world

CONVERSATION = new_id("conversation", 1)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.say(message(CONVERSATION, 1, to=[whatsapp(1)]), message(CONVERSATION, 2))
        made.run()
        yield made


def receipt(kind: str, at: int = 1000, reference: str = "", provider_id: str = "wamid.1") -> ProviderReceipt:
    return ProviderReceipt("whatsapp", "1", provider_id, kind, at, "131026" if kind == "failed" else "", reference)


def known(road: World) -> None:
    """The lane learns the provider's id of the one delivery, and looks for receipts that came before it."""
    (row,) = road.rows()
    handle = Handle("whatsapp", "1", "wamid.1", row.key)
    write_all(road.parts, [Sent(row, Facts(), 0, [handle], may_be_parked=True)])


def test_a_receipt_with_our_reference_finds_its_delivery(road: World) -> None:
    """No id need be known: the reference names the delivery, and READ implies all before it."""
    (row,) = road.rows()
    road.report(receipt("read", reference=str(row.key)))
    road.receive()
    assert state(road.rows()[0].facts) is State.READ
    assert [each.state for each in road.events("state")] == ["READ"]
    assert road.store.handles([("whatsapp", "1", "wamid.1")]) == {("whatsapp", "1", "wamid.1"): row.key}


@pytest.mark.parametrize("backwards", [False, True])
def test_what_a_delivery_costs_is_what_was_said_first(road: World, backwards: bool) -> None:
    """Receipts with a price in any order, and again: the earliest stands, and those without one take nothing back."""
    (row,) = road.rows()
    first, later = Cost(billable=True, category="utility", model="PMP"), Cost(billable=False)
    said = [
        receipt("sent", 999, str(row.key)),
        replace(receipt("sent", 1000, str(row.key)), cost=first),
        replace(receipt("delivered", 2000, str(row.key)), cost=later),
        receipt("read", 3000, str(row.key)),
    ]
    for each in (*(reversed(said) if backwards else said), said[2]):
        road.report(each)
        road.receive()
    seen = road.rows()[0].facts
    assert (seen.priced_at, Cost.parse(seen.price), state(seen)) == (1000, first, State.READ)


@pytest.mark.parametrize("known_of", [(), ("service",), ("utility", "PMP"), ("", "CBP")])
def test_a_cost_is_read_as_it_was_written(known_of: tuple[str, ...]) -> None:
    """One text in the store, whatever is missing in it."""
    for charged in (True, False):
        assert Cost.parse(Cost(charged, *known_of).text) == Cost(charged, *known_of)


@pytest.mark.parametrize("receipt_first", [True, False])
def test_a_receipt_without_reference_is_not_lost_whichever_comes_first(road: World, receipt_first: bool) -> None:
    """Receipt before id, or id before receipt: DELIVERED."""
    road.report(receipt("delivered"))
    for step in (road.receive, lambda: known(road)) if receipt_first else (lambda: known(road), road.receive):
        step()
    assert state(road.rows()[0].facts) is State.DELIVERED
    assert road.events("state")[-1].state == "DELIVERED"


def test_a_receipt_without_reference_is_found_through_one_that_has_it(road: World) -> None:
    """Both come before the lane knows the id: the echo names the delivery, and what was parked under its id is applied."""
    (row,) = road.rows()
    road.report(receipt("delivered", 2000))
    road.receive()
    assert state(road.rows()[0].facts) is State.PENDING
    road.report(receipt("sent", 1000, reference=str(row.key)))
    road.receive()
    facts = road.rows()[0].facts
    assert (state(facts), facts.sent_at, facts.delivered_at) == (State.DELIVERED, 1000, 2000)
    assert road.events("state")[-1].state == "DELIVERED"


def test_receipts_in_any_order_and_again_never_lower_a_state(road: World) -> None:
    """READ, then DELIVERED, then SENT, then all again: READ, with all the times."""
    reference = str(road.rows()[0].key)
    for kind, at in (("read", 3000), ("delivered", 2000), ("sent", 1000), ("read", 3500)):
        road.report(receipt(kind, at, reference))
        road.receive()
    facts = road.rows()[0].facts
    assert (state(facts), facts.sent_at, facts.delivered_at, facts.read_at) == (State.READ, 1000, 2000, 3000)


def test_a_late_failure_ends_the_delivery_with_its_reason(road: World) -> None:
    """A provider that took the message and failed later is believed, unless it was seen to arrive."""
    reference = str(road.rows()[0].key)
    road.report(receipt("sent", 1000, reference), receipt("failed", 2000, reference))
    road.receive()
    assert (state(road.rows()[0].facts), road.events("state")[-1].reason) == (State.FAILED, "131026")
    road.report(receipt("delivered", 3000, reference))
    road.receive()
    assert state(road.rows()[0].facts) is State.DELIVERED


def test_what_a_provider_failed_later_is_a_dead_letter(road: World) -> None:
    """An asynchronous failure can be found and sent again like any other, and is one letter however often it is told."""
    reference = str(road.rows()[0].key)
    for _ in range(2):
        road.report(receipt("failed", 2000, reference))
        road.receive()
    (letter,) = road.store.dead_letters(time.strftime("%Y-%m-%d", time.gmtime()), 10)
    assert (letter.reason, letter.delivery, letter.channel) == ("131026", reference, "whatsapp")


def test_a_reference_of_another_channel_or_of_nothing_is_kept_and_harms_nobody(road: World) -> None:
    """Whoever signs for one channel cannot speak about another's deliveries; unknown ones are parked."""
    key = road.rows()[0].key
    road.report(receipt("read", reference=f"telegram:{key.lane.partition}:{key.seq}:{key.index}"))
    road.report(receipt("read", reference="whatsapp:0:999999:0", provider_id="wamid.9"))
    road.receive()
    assert state(road.rows()[0].facts) is State.PENDING
    assert [each.kind for each in road.store.parked([("whatsapp", "1", "wamid.1")])] == ["read"]


@pytest.mark.parametrize("known_before", [False, True])
def test_one_workspace_says_nothing_of_another_s_delivery(road: World, known_before: bool) -> None:
    """A reference is believed within the workspace that signed it; what the provider calls the message is of one account."""
    (row,) = road.rows()
    if known_before:
        known(road)
    road.report(receipt("failed", reference=f"north/{row.key}", provider_id="wamid.made-up"))
    road.report(receipt("read", reference=f"south/{row.key}", provider_id="wamid.made-up"))
    road.receive()
    assert state(road.rows()[0].facts) is State.PENDING
    assert road.store.handles([("whatsapp", "1", "wamid.made-up")]) == {}
    road.report(receipt("read", reference=f"north/{row.key}"))
    road.receive()
    if not known_before:
        known(road)
    assert state(road.rows()[0].facts) is State.READ


def test_positions_grow_are_capped_and_read_implies_delivered(road: World) -> None:
    """Bob says he read more than there is, then less than before: he stands at the last message."""
    last = road.store.last_seqs([CONVERSATION])[CONVERSATION]
    road.report(Position(CONVERSATION, "bob", "read", last + 100, 5), Position(CONVERSATION, "bob", "read", 1, 6))
    road.receive()
    (mark,) = road.store.watermarks([CONVERSATION])[CONVERSATION]
    assert (mark.read_up_to, mark.delivered_up_to) == (last, last)
    event = road.events("position")[-1]
    assert (event.user_id, event.read_up_to) == ("bob", last)


def test_what_cannot_be_read_goes_to_the_dead_letters(road: World) -> None:
    """A record of chat-status that is nothing of ours stops nobody."""
    partition = partition_of("x", road.parts.partitions)
    road.log.append([NewRecord(STATUS, partition, "x", b'{"type":"gossip"}')], 5)
    road.report(receipt("read", reference=str(road.rows()[0].key)))
    road.receive()
    letters = road.store.buried(STATUS, road.everything(STATUS).ranges)
    assert [letter.reason for letter in letters.values()] == ["unreadable"]
    assert state(road.rows()[0].facts) is State.READ


def test_a_rerun_tells_what_the_first_run_died_before_telling(road: World) -> None:
    """The facts and the id were written, then the process died: the second run publishes, and applies what was parked."""
    (row,) = road.rows()
    road.report(receipt("delivered", 2000), receipt("sent", 1000, reference=str(row.key)))
    road.log_faults.fail("append", Temporary("died"))
    with pytest.raises(Temporary):
        road.receive()
    road.log_faults.mend()
    road.store.record({row.key: Facts(sent_at=1000, provider_id="wamid.1")})
    road.receive()
    assert state(road.rows()[0].facts) is State.DELIVERED
    assert road.events("state")[-1].state == "DELIVERED"


def test_a_receipt_that_was_overtaken_is_not_told_again(road: World) -> None:
    """READ is known: a late DELIVERED is kept among the facts, and once it is, no event repeats it."""
    reference = str(road.rows()[0].key)
    road.report(receipt("read", 3000, reference), receipt("delivered", 2000, reference))
    road.receive()
    assert [each.state for each in road.events("state")] == ["READ"]
    road.receive()
    assert {each.state for each in road.events("state")} == {"READ"}
