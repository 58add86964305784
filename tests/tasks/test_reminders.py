"""Conversations that open by themselves: their customer writes, or their snooze is over; and every change is told."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Reaction
from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.failures import Temporary
from chat4all.model.handling import LOOK_AFTER_MS, Handling
from chat4all.services.handling import changed, looked_at
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY
from tasks.reminders import TOLD_MS, Reminders
from tests.tasks.world import FAN_OUT, PERSIST, World, message, new_id, world

TALK = new_id("conversation", "reminders")
CUSTOMER, AGENT, SERVICE = "carla", "bob", "crm"
LATER = 3_600_000


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as road:
        founded(road)
        yield road


def founded(road: World) -> None:
    """A conversation of a customer and those who answer."""
    kinds = {CUSTOMER: UserKind.CONTACT, AGENT: UserKind.PERSON, SERVICE: UserKind.CLIENT, "inbox-whatsapp": UserKind.INBOX}
    road.store.add_users([User(name, kind, 1) for name, kind in kinds.items()])
    road.store.add_conversations([(Conversation(TALK, ConversationType.GROUP, AGENT, 1), list(kinds))])


def handle(road: World, **fields: Any) -> Handling:
    """Somebody who answers changes this."""
    seen = road.store.last_seqs([TALK]).get(TALK, 0)
    changes = {"changed_at": now_ms(), "changed_by": SERVICE, "seen_up_to": seen, **fields}
    return road.store.change_handling(TALK, lambda there: replace(there, **changes))


def close(road: World, **fields: Any) -> Handling:
    """It is done."""
    return handle(road, state="closed", **fields)


def says(road: World, number: int, sender: str = CUSTOMER, **more: Any) -> None:
    """Somebody says something, and it passes the stages."""
    road.say(message(TALK, number, sender=sender, **more))
    road.run()


def reacts(road: World, number: int) -> None:
    """The customer reacts to the first message."""
    road.say(replace(message(TALK, number, sender=CUSTOMER), payload=Reaction(new_id("message", TALK, 0), "x")))
    road.run()


def now_is(road: World) -> Handling:
    return road.store.handlings([TALK])[TALK]


def told(road: World) -> list[tuple[int, str]]:
    """Versions and states, as they were told."""
    return [(each.version, each.state) for each in road.events("handling")]


def swept(road: World, after_ms: int = 0) -> None:
    """The sweep at a time to come."""
    Reminders(lambda: now_ms() + after_ms).sweep(road.parts)


def opened_by(whom: str) -> float:
    """How many conversations this has opened, as the metric says."""
    return REGISTRY.get_sample_value("chat4all_conversations_opened_total", {"by": whom}) or 0.0


def believe_nothing_is_handled(road: World) -> None:
    """The store has looked a moment ago, and nothing was."""
    assert not road.store.handles_any()


def test_a_customer_who_writes_opens_it(road: World) -> None:
    """Closed or snoozed; once, however often the stage runs; readers are told after the message."""
    before = opened_by("customer")
    cases: list[dict[str, Any]] = [{"state": "closed"}, {"state": "snoozed", "snoozed_until": now_ms() + LATER}]
    for number, fields in enumerate(cases):
        handle(road, **fields)
        says(road, number)
        road.run()
        assert now_is(road).is_open
        assert now_is(road).snoozed_until == 0
    assert told(road) == [(2, "open"), (4, "open")]
    assert opened_by("customer") == before + 2


QUIET: dict[str, Callable[[World, int], None]] = {
    "a service": lambda road, n: says(road, n, SERVICE),
    "an inbox: a colleague in the provider's app": lambda road, n: says(road, n, "inbox-whatsapp"),
    "its assignee": lambda road, n: says(road, n, AGENT),
    "a reaction": reacts,
    "a repeat": lambda road, n: says(road, 0),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_does_not_open_it(road: World, name: str) -> None:
    """Only new words of a customer do."""
    says(road, 0)
    close(road, assignee=AGENT)
    QUIET[name](road, 1)
    assert now_is(road).state == "closed"
    assert told(road) == []


def test_any_person_but_the_assignee_is_a_customer(road: World) -> None:
    """People who log in may be customers too."""
    close(road)
    says(road, 1, AGENT)
    assert now_is(road).is_open


def test_what_was_seen_before_closing_does_not_open_it(road: World) -> None:
    """Also when the stage runs again after it was closed."""
    says(road, 1)
    close(road)
    road.run()
    assert now_is(road).state == "closed"


def test_a_process_that_did_not_know_that_things_are_handled_here(road: World) -> None:
    """It let a message pass by a conversation that was closed: the sweep finds it, after the time that this takes at most."""
    believe_nothing_is_handled(road)
    with world(road.parts.settings.data, partitions=1) as other:
        close(other)
    says(road, 1)
    assert now_is(road).state == "closed"
    with world(road.parts.settings.data, partitions=1) as other:
        swept(other, LOOK_AFTER_MS)
        assert now_is(other).is_open
        assert told(other) == [(2, "open")]


def test_a_snooze_ends_at_its_time(road: World) -> None:
    """Not before; once, by however many sweeps; and readers are told."""
    before = opened_by("snooze")
    handle(road, state="snoozed", snoozed_until=now_ms() + LATER)
    swept(road, LATER - 10_000)
    assert now_is(road).state == "snoozed"
    swept(road, LATER + 1)
    swept(road, LATER + 2)
    assert now_is(road).is_open
    assert now_is(road).changed_by == ""
    assert [each for each in told(road) if each[1] == "open"] == [(2, "open")]
    assert opened_by("snooze") == before + 1
    assert road.store.due_handlings(now_ms() + 2 * LATER, 9) == []


def test_a_snooze_that_was_moved_ends_at_the_new_time(road: World) -> None:
    """What was noted for the old time finds it still snoozed."""
    handle(road, state="snoozed", snoozed_until=now_ms() + LATER)
    handle(road, snoozed_until=now_ms() + 2 * LATER)
    swept(road, LATER + 1_000)
    assert now_is(road).state == "snoozed"
    swept(road, 2 * LATER + 1_000)
    assert now_is(road).is_open


@pytest.mark.parametrize("call", ["append", "settle_due"])
def test_a_sweep_that_is_killed_is_done_by_the_next(road: World, call: str) -> None:
    """Whatever was its last step: in the end it is open, and was told."""
    handle(road, state="snoozed", snoozed_until=now_ms() + LATER)
    faults = road.log_faults if call == "append" else road.faults
    faults.fail(call, Temporary("store", "away"))
    with suppress(Temporary):
        swept(road, LATER + 1)
    faults.mend()
    swept(road, LATER + 2)
    assert now_is(road).is_open
    assert (2, "open") in told(road)
    assert road.store.due_handlings(now_ms() + 2 * LATER, 9) == []


def test_how_far_the_sweep_is_behind_is_shown(road: World) -> None:
    """Since when the oldest waits, at the last look; nothing once all is done."""
    handle(road, state="snoozed", snoozed_until=now_ms() + LATER)
    swept(road, TOLD_MS + 1)
    late = Reminders(lambda: now_ms() + LATER + 90_000)
    late.sweep(road.parts)
    # The change itself was told before, so the snooze is all that waited.
    assert 85 < late.behind()[()] < 95
    assert READERS[metrics.REMINDERS_BEHIND]() == late.behind()
    late.sweep(road.parts)
    assert READERS[metrics.REMINDERS_BEHIND]() == {(): 0.0}


def test_a_change_that_nobody_told_is_told(road: World) -> None:
    """Whoever made it died before: the sweep tells it as it is now, a while later."""
    close(road)
    swept(road, TOLD_MS // 2)
    assert told(road) == []
    swept(road, TOLD_MS + 100)
    assert told(road) == [(1, "closed")]
    swept(road, TOLD_MS + 200)
    assert told(road) == [(1, "closed")]


def test_a_fan_out_that_is_killed_before_it_tells(road: World) -> None:
    """The message has opened it; the rerun tells the message, and the sweep that it is open."""
    close(road)
    road.say(message(TALK, 1, sender=CUSTOMER))
    road.run(PERSIST)
    road.log_faults.fail("append", Temporary("log", "away"))
    with pytest.raises(Temporary):
        road.run(FAN_OUT)
    road.log_faults.mend()
    assert now_is(road).is_open
    road.run(FAN_OUT)
    swept(road, TOLD_MS + 100)
    assert told(road)[-1] == (2, "open")


def test_one_that_cannot_be_done_holds_nobody_up(road: World) -> None:
    """A conversation at which the sweep fails stays due; the others are done."""
    other = new_id("conversation", "another")
    for name in (TALK, other):
        road.store.change_handling(
            name, lambda there: replace(there, state="snoozed", snoozed_until=now_ms() + 5, changed_at=1)
        )
    change = road.parts.store.change_handling

    def failing(name: str, how: Callable[[Handling], Handling]) -> Handling:
        if name == min(TALK, other):
            raise ValueError(name)
        return change(name, how)

    with road.faults.instead("change_handling", failing):
        swept(road, 100)
    kept = road.store.handlings([TALK, other])
    assert [kept[name].state for name in sorted(kept)] == ["snoozed", "open"]
    swept(road, 200)
    assert road.store.handlings([TALK, other])[min(TALK, other)].is_open


def test_nothing_is_read_where_nothing_is_handled(road: World) -> None:
    """The road and the sweep ask nothing more of the store than before."""
    believe_nothing_is_handled(road)

    def refused(*_: object) -> None:
        raise AssertionError("asked")

    with road.faults.instead("handlings", refused), road.faults.instead("due_handlings", refused):
        says(road, 1)
        swept(road)


# A customer says something that passes persist, then fan_out; somebody closes it in steps, having seen what was stored.
STEPS = ("persist", "fan_out", "close", "look")


@pytest.mark.parametrize("order", [each for each in permutations(STEPS) if each.index("persist") < each.index("fan_out")
                                   and each.index("close") < each.index("look")])  # fmt: skip
def test_no_words_are_lost_among_what_is_closed(road: World, order: tuple[str, ...]) -> None:
    """In whatever order these happen: it ends closed only if what was said was stored, thus seen, when it was closed."""
    road.say(message(TALK, 1, sender=CUSTOMER))
    steps: dict[str, Callable[[], object]] = {
        "persist": lambda: road.run(PERSIST),
        "fan_out": lambda: road.run(FAN_OUT),
        "close": lambda: close(road),
        "look": lambda: looked_at(road.store, now_is(road)),
    }
    for step in order:
        steps[step]()
    was_seen = order.index("persist") < order.index("close")
    assert now_is(road).is_open is not was_seen


class Course:
    """A conversation to which things happen."""

    def __init__(self, road: World) -> None:
        self.road, self.said, self.ahead = road, 0, 0

    def say(self) -> None:
        self.said += 1
        self.road.say(message(TALK, self.said, sender=CUSTOMER))

    def persist(self) -> None:
        self.road.run(PERSIST)

    def fan_out(self) -> None:
        self.road.run(PERSIST, FAN_OUT)

    def close(self) -> None:
        close(self.road)

    def snooze(self) -> None:
        handle(self.road, state="snoozed", snoozed_until=now_ms() + self.ahead + 1_000)

    def open(self) -> None:
        changed(self.road.store, TALK, lambda there: there.opened(now_ms()))

    def later(self) -> None:
        self.ahead += 2_000

    def sweep(self) -> None:
        swept(self.road, self.ahead)

    def die(self) -> None:
        """In fan_out, or in the sweep, before anything is told."""
        self.road.log_faults.fail("append", Temporary("log", "away"))
        with suppress(Temporary):
            self.fan_out()
        self.sweep()
        self.road.log_faults.mend()


DEEDS = [name for name in vars(Course) if not name.startswith("_")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(deeds=st.lists(st.sampled_from(DEEDS), max_size=25))
def test_any_interleaving_ends_in_one_state(tmp_path_factory: pytest.TempPathFactory, deeds: list[str]) -> None:
    """Messages, changes, snoozes, stages that run again, sweeps, deaths before telling: readers end with what the store has."""
    with world(tmp_path_factory.mktemp("road"), partitions=1) as road:
        founded(road)
        course = Course(road)
        for deed in deeds:
            getattr(course, deed)()
    # Another process, which does not believe for a second yet that nothing is handled here.
    with world(road.parts.settings.data, partitions=1) as road:
        if course.said:
            road.run()
        swept(road, course.ahead + 3 * LATER)
        last = now_is(road)
        if last.version:
            assert max(told(road)) == (last.version, last.state)
        unseen = [each for each in road.store.page(TALK, last.seen_up_to, None, 99) if each.sender == CUSTOMER]
        assert last.is_open or (last.state == "closed" and not unseen)
