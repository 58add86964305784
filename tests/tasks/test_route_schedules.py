"""Routes under any schedule: every message ends, and whoever may have it twice is counted."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.content import Deletion
from chat4all.model.deliveries import Delivery, State
from tests.tasks.route_world import TALK, Routes, routed
from tests.tasks.world import message, world

MESSAGES = (1, 2)
LEGS = 3
NEWEST, FIRST = -1, 0
# What may happen to the delivery of a leg, in any order; what makes no sense as it stands is passed over.
STEPS = ("begin", "taken", "lost", "refused", "delivered", "failed")
schedules = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STEPS), st.sampled_from(MESSAGES), st.sampled_from([NEWEST, NEWEST, FIRST])),
        st.tuples(st.sampled_from(["time", "look", "delete"]), st.sampled_from(MESSAGES), st.just(0)),
    ),
    max_size=14,
)
limits = st.tuples(*[st.sampled_from([("SENT", 60), ("DELIVERED", 60), ("SENT", 0)])] * (LEGS - 1))


class Schedule:
    """Carries one out, and knows what reached people. `prompt`: every receipt comes before the time of its leg is over."""

    def __init__(self, routes: Routes, prompt: bool) -> None:
        self.routes, self.prompt = routes, prompt
        self.called: set[str] = set()
        self.came: dict[int, list[str]] = {number: [] for number in MESSAGES}

    def step(self, what: str, number: int, leg: int) -> None:
        """One step."""
        if what in ("time", "look"):
            self.pass_time(what)
        elif what == "delete":
            target = self.routes.legs(number)[0].message_id
            self.routes.say(replace(message(TALK, f"delete {number}"), payload=Deletion(target)))
        else:
            self.of(what, number, self.routes.legs(number)[leg])

    def pass_time(self, what: str) -> None:
        """All timers are due; or what FAILED is looked at."""
        if self.prompt:
            self.settle()
        self.routes.due(None if what == "time" else min((each.created_at for each in self.routes.waiting()), default=0) + 1)

    def of(self, what: str, number: int, row: Delivery) -> None:
        """One step of a delivery."""
        name, facts, routes = str(row.key), row.facts, self.routes
        if what in ("begin", "taken", "lost", "refused") and not facts.ended and name not in self.called and routes.begin(row):
            self.called.add(name)
            row = routes.again(row)
        if what == "begin":
            return
        if name in self.called and what in ("taken", "lost", "refused"):
            self.called.discard(name)
            if what != "refused":
                self.came[number].append(name)
            if what == "taken":
                routes.sent(row)
            elif what == "refused":
                routes.give_up(row, "undeliverable")
            elif self.prompt:
                routes.told(row, "sent")
        elif what == "delivered" and name in self.came[number]:
            routes.told(row, "delivered")
        elif what == "failed" and name in self.came[number] and facts.sent_at and not facts.delivered_at:
            # The provider says that it never arrived, and that is so.
            self.came[number].remove(name)
            routes.told(row, "failed", "undeliverable")

    def settle(self) -> None:
        """Whatever is under way is told before the time is over."""
        for number in MESSAGES:
            for row in self.routes.legs(number):
                if str(row.key) in self.called:
                    self.of("taken", number, row)
                if str(row.key) in self.came[number]:
                    self.of("delivered", number, self.routes.again(row))

    def end(self) -> None:
        """The holders go on until nothing is left, and all time passes."""
        for _ in range(2 * LEGS * len(MESSAGES)):
            for number in MESSAGES:
                for row in self.routes.legs(number):
                    self.finish(number, row)
            self.pass_time("time")

    def finish(self, number: int, row: Delivery) -> None:
        """The holder of the lane comes to it: a call that was not answered is made again."""
        if str(row.key) in self.called:
            self.of("taken", number, row)
        elif not row.facts.ended and self.routes.begin(row):
            self.came[number].append(str(row.key))
            self.routes.sent(self.routes.again(row))


def run(steps: Sequence[tuple[str, int, int]], ways: Sequence[tuple[str, int]], prompt: bool) -> Schedule:
    with TemporaryDirectory() as folder, world(Path(folder)) as road:
        made = Schedule(Routes(road), prompt)
        made.routes.say(*(routed(number, *ways) for number in MESSAGES))
        for each in steps:
            made.step(*each)
        made.end()
        check(made)
        return made


def check(made: Schedule) -> None:
    routes = made.routes
    assert routes.waiting() == []
    for number in MESSAGES:
        legs = routes.legs(number)
        assert all(each.facts.ended for each in legs)
        assert routes.stands(number) is not State.PENDING
        assert [each.leg for each in legs] == list(range(len(legs)))
        assert sum(each.facts.resends for each in legs) >= len(made.came[number]) - 1
    ends = [each for each in routes.road.events("state") if each.state in ("FAILED", "CANCELLED")]
    failed = {routes.legs(number)[0].message_id for number in MESSAGES if routes.stands(number) is State.FAILED}
    told = {each.message_id for each in ends}
    # Good news of somebody who was told FAILED may still have come.
    assert failed <= told
    assert "superseded" not in {each.reason for each in ends}


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(schedules, limits)
def test_every_message_ends_and_no_second_delivery_is_uncounted(
    steps: Sequence[tuple[str, int, int]], ways: Sequence[tuple[str, int]]
) -> None:
    """Whatever the order of attempts, answers, receipts, deletions and times."""
    run(steps, ways, prompt=False)


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(schedules, limits)
def test_where_no_receipt_is_late_nobody_gets_it_twice(
    steps: Sequence[tuple[str, int, int]], ways: Sequence[tuple[str, int]]
) -> None:
    """Each provider says what became of a message before the time of its leg is over: at most one leg delivers."""
    made = run([each for each in steps if each[0] != "lost"], ways, prompt=True)
    assert all(len(came) <= 1 for came in made.came.values())
