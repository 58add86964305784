"""One leg of a route takes over from another: once, in time, in order, and whoever is reached twice is counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Deletion, Text
from chat4all.model.deliveries import State, state
from chat4all.model.failures import Temporary
from chat4all.model.messages import Recipient
from tasks.follow_ups import LegReleaser
from tasks.outcomes.legs import LEG, audible
from tests.tasks.route_world import TALK, Routes, person, routed
from tests.tasks.test_late_failures import counted
from tests.tasks.world import World, message, new_id, world


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


@pytest.fixture
def routes(road: World) -> Routes:
    return Routes(road)


def states_told(routes: Routes) -> list[tuple[str, str]]:
    return [(each.channel, each.state) for each in routes.road.events("state")]


def test_a_leg_that_failed_is_followed_at_once_and_once(routes: Routes) -> None:
    """Nobody is told FAILED, there is no dead letter, and looking twice sends nothing twice."""
    names = {"chat4all_route_legs_total": {"channel": "telegram", "why": "failed"}}
    names |= {"chat4all_deferred_records_total": {"kind": LEG, "outcome": "released"}}
    before = [counted(name, **labels) for name, labels in names.items()]
    routes.say(routed(1, ("DELIVERED", 60)))
    [first] = routes.legs()
    routes.give_up(first, "undeliverable")
    routes.due(now_ms())
    routes.due()
    assert [counted(name, **labels) for name, labels in names.items()] == [before[0] + 1, before[1] + 2]
    _, second = routes.legs()
    assert (second.key.lane.channel, second.leg, second.legs, routes.text(second)) == ("telegram", 1, 2, "message 1")
    assert (routes.stands(), second.overlaps, routes.letters()) == (State.PENDING, False, 0)
    routes.send(second)
    assert (routes.states(), routes.stands(), routes.waiting()) == (["FAILED", "SENT"], State.SENT, [])
    assert states_told(routes) == [("telegram", "SENT")]


def test_the_last_leg_that_fails_is_the_end(routes: Routes) -> None:
    """FAILED, told once, with a dead letter."""
    routes.say(routed(1, ("SENT", 60)))
    routes.give_up(routes.legs()[0], "undeliverable")
    routes.due()
    routes.give_up(routes.legs()[1], "blocked")
    assert (routes.stands(), routes.letters()) == (State.FAILED, 1)
    assert states_told(routes) == [("telegram", "FAILED")]


def test_the_end_is_told_where_a_superseded_leg_is_the_last_to_end(routes: Routes) -> None:
    """The last leg FAILED while the first still waited: it is told when the first ends, as the last leg's."""
    routes.say(routed(1, ("SENT", 60)))
    [first] = routes.legs()
    routes.due()
    second = routes.legs()[1]
    routes.give_up(second, "blocked")
    assert (routes.stands(), states_told(routes)) == (State.PENDING, [])
    assert not routes.begin(first)
    [told] = routes.road.events("state")
    assert (told.channel, told.state, told.reason, told.recipient) == ("telegram", "FAILED", "blocked", first.user_id)
    assert (routes.stands(), routes.states(), routes.letters()) == (State.FAILED, ["CANCELLED", "FAILED"], 1)
    resumed = audible(routes.road.store, [routes.again(first), routes.again(second)])
    assert [(each.key, state(each.facts)) for each in resumed] == [(second.key, State.FAILED)]


def test_many_legs_that_are_due_at_once_are_looked_at_together(routes: Routes) -> None:
    """The store is asked for those that must begin first once, however many there are."""
    routes.say(*(routed(number, ("SENT", 60), to=number) for number in range(1, 9)))
    routes.road.faults.fail("open_records", Temporary("asked one by one"))
    waiting = routes.road.store.due_records(LEG, now_ms() + 120_000, 99)
    routes.due_of(waiting)
    assert [len(routes.legs(number)) for number in range(1, 9)] == [2] * 8


def test_what_was_not_sent_in_time_is_withdrawn(routes: Routes) -> None:
    """The holder that comes to it later makes no call: CANCELLED superseded, which is no failure."""
    routes.say(routed(1, ("SENT", 60)))
    [first] = routes.legs()
    routes.due(first.accepted_at + 59_999)
    assert len(routes.legs()) == 1
    routes.due(first.accepted_at + 60_000)
    assert not routes.begin(first)
    assert (routes.states(), routes.legs()[1].overlaps, routes.letters()) == (["CANCELLED", "PENDING"], False, 0)
    routes.send(routes.legs()[1])
    assert (routes.stands(), states_told(routes)) == (State.SENT, [("telegram", "SENT")])


def test_a_call_under_way_is_not_stopped_and_is_counted(routes: Routes) -> None:
    """The attempt was written before the leg was withdrawn: whoever sends the next one knows that it may be the second."""
    routes.say(routed(1, ("SENT", 60)))
    [first] = routes.legs()
    assert routes.begin(first)
    routes.due()
    routes.sent(routes.again(first))
    second = routes.legs()[1]
    assert second.overlaps
    routes.send(second)
    assert [each.facts.resends for each in routes.legs()] == [0, 1]


def test_a_leg_that_came_far_enough_has_no_next(routes: Routes) -> None:
    """Delivered in time; or sent, where no more was asked for."""
    routes.say(routed(1, ("DELIVERED", 60)), routed(2, ("SENT", 60)))
    for number in (1, 2):
        routes.send(routes.legs(number)[0])
    routes.told(routes.again(routes.legs(1)[0]), "delivered")
    routes.due()
    assert (routes.states(1), routes.states(2), routes.waiting()) == (["DELIVERED"], ["SENT"], [])


def test_a_leg_that_fails_late_has_a_next_after_its_time_too(routes: Routes) -> None:
    """WhatsApp says that the window is shut in a receipt after SENT: also a reason that passes is not tried again here."""
    for number, why in ((1, "outside_window"), (2, "provider_error")):
        routes.say(routed(number, ("SENT", 60), to=number))
        [first] = routes.legs(number)
        routes.send(first)
        routes.due()
        assert len(routes.legs(number)) == 1
        routes.told(first, "failed", why)
        routes.due(now_ms())
        assert (routes.states(number), routes.stands(number)) == (["FAILED", "PENDING"], State.SENT)


def test_a_late_success_of_a_superseded_leg_wins_and_sends_nothing(routes: Routes) -> None:
    """Receipts of the first leg after the second took over: the state grows, and no third leg begins."""
    routes.say(routed(1, ("DELIVERED", 60), ("DELIVERED", 60)))
    [first] = routes.legs()
    routes.send(first)
    routes.due(first.accepted_at + 60_000)
    second = routes.legs()[1]
    routes.told(first, "read")
    assert (routes.states(), routes.stands()) == (["READ", "PENDING"], State.READ)
    routes.send(second)
    routes.told(routes.again(second), "delivered")
    routes.due()
    assert (routes.states(), routes.stands(), len(routes.legs())) == (["READ", "DELIVERED"], State.READ, 2)
    assert routes.legs()[1].facts.resends == 1


def test_a_leg_that_failed_and_arrived_after_all_is_counted(routes: Routes) -> None:
    """The provider takes back what it said: both legs delivered, and one of them says so."""
    routes.say(routed(1, ("DELIVERED", 60)))
    [first] = routes.legs()
    routes.send(first)
    routes.told(first, "failed", "undeliverable")
    routes.due(now_ms())
    routes.send(routes.legs()[1])
    routes.told(first, "delivered")
    assert (routes.states(), sum(each.facts.resends for each in routes.legs())) == (["DELIVERED", "SENT"], 1)


def test_who_has_no_address_there_is_reached_by_the_next_leg(routes: Routes) -> None:
    """Without waiting for anything."""
    said = routed(1, ("DELIVERED", 60))
    routes.say(replace(said, recipients=(Recipient("contact-1", "whatsapp"),)))
    routes.due(now_ms())
    assert (routes.states(), states_told(routes), routes.letters()) == (["FAILED", "PENDING"], [], 0)


def test_each_leg_says_what_it_is_to_say(routes: Routes) -> None:
    """A payload of its own, or the message's, whatever the leg before it said."""
    said = routed(1, ("SENT", 60), ("SENT", 60))
    first, second, third = said.route
    routes.say(replace(said, route=(first, replace(second, payload=Text("shorter")), third)))
    for number in range(2):
        routes.give_up(routes.legs()[number], "undeliverable")
        routes.due()
    assert [routes.text(each) for each in routes.legs()] == ["message 1", "shorter", "message 1"]


def test_legs_to_one_person_begin_in_order(routes: Routes) -> None:
    """The second message fails at once; the first has time left. Nobody reads the second before the first."""
    routes.say(routed(1, ("DELIVERED", 60)), routed(2, ("DELIVERED", 60)), routed(3, ("DELIVERED", 60), to=2))
    routes.send(routes.legs(1)[0])
    routes.give_up(routes.legs(2)[0], "undeliverable")
    routes.give_up(routes.legs(3)[0], "undeliverable")
    routes.due(now_ms())
    assert [len(routes.legs(number)) for number in (1, 2, 3)] == [1, 1, 2]
    routes.due(now_ms() + 65_000)
    routes.due(now_ms() + 70_000)
    legs = [routes.legs(number)[1] for number in (1, 2)]
    assert legs[0].key.seq < legs[1].key.seq


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_message_that_is_deleted_goes_out_by_no_leg(routes: Routes, when: str) -> None:
    """Before the leg failed, before the next begins, or before that is sent: it ends, and no call is made."""
    routes.say(routed(1, ("SENT", 60)))
    [first] = routes.legs()
    deletion = replace(message(TALK, 9), payload=Deletion(first.message_id))
    if when == "before":
        routes.say(deletion)
        assert not routes.begin(first)
    else:
        routes.give_up(first, "undeliverable")
        if when == "between":
            routes.say(deletion)
        routes.due(now_ms())
        if when == "after":
            routes.say(deletion)
        assert not routes.begin(routes.legs()[1])
    routes.due()
    assert (routes.stands(), routes.waiting()) == (State.FAILED, [])


def test_a_leg_is_begun_once_whoever_dies(routes: Routes) -> None:
    """The log or the store are away at each step of taking over; then it is done again."""
    routes.say(routed(1, ("SENT", 60)))
    for what, faults in (
        ("withdraw", routes.road.faults),
        ("append", routes.road.log_faults),
        ("put_deferred_records", routes.road.faults),
    ):
        faults.fail(what, Temporary("away"))
        with pytest.raises(Temporary):
            routes.due()
        faults.mend()
    later = [replace(each, changed_at=0) for each in routes.waiting()]
    assert later
    for _ in range(2):
        LegReleaser(routes.road.parts).release(later)
        routes.road.run()
    assert routes.states() == ["PENDING", "PENDING"]


def test_what_has_no_route_costs_nothing(routes: Routes) -> None:
    """No read and no write of what legs need."""
    for name in ("put_deferred_records", "deferred_records", "open_records"):
        routes.road.faults.fail(name, Temporary("asked"))
    routes.say(message(TALK, 1, to=[person(1, "whatsapp")]))
    [row] = [each for each in routes.road.rows() if each.message_id == new_id("message", TALK, 1)]
    routes.send(row)
    routes.told(row, "delivered")
    assert [each.state for each in routes.road.events("state")] == ["SENT", "DELIVERED"]
