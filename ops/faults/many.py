"""A broadcast to many while others write and all is harmed: everybody is told once, a pause stops it, others notice nothing."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chat4all.cli.parts import parts_of
from ops.faults.accounts import CHANNEL, ENV, HEARD_S, IN_FORCE_S, Accounts, people
from ops.faults.course import Course
from ops.faults.mixed import Mix
from ops.faults.plan import plan
from ops.faults.providers import ALLOWED, others_p99
from ops.harness.waiting import wait_until

PEOPLE = 100_000
# Sends of the account a second, and so many more may come in a span: what was spared in a quarter of a second.
PER_SECOND, SPARED = 500, 0.25
SPAN_S = 10
OTHERS_PER_SECOND = 50.0
SETTINGS = {**ENV, "WHATSAPP_ACCOUNT_PER_SECOND": str(PER_SECOND)}
CALM_S, REST_S = 8.0, 4.0
AT_ONCE = 10_000
NUMBER = "broadcasting"
# Fewer people are told more slowly, so that there is something to pause.
LASTS_S = 20
# So long it is harmed, at most as long as it takes.
HARMED_S = 240.0
# Behind what it takes at the rate.
PATIENCE_S = 120.0
# Nobody of them has written, so it is a template: the one that every account of the simulator has, and what it says.
TEMPLATE = {"type": "template", "name": "hello_world", "language": "en_US"}
TEXT = "Welcome and congratulations!"


class Told:
    """The broadcast of a run, and what the simulator has of it."""

    def __init__(self, run: Course) -> None:
        self.run = run
        self.people = [f"+55219{number:08d}" for number in range(int(os.environ.get("PEOPLE", PEOPLE)))]
        body = {
            "payload": TEMPLATE,
            "channel": CHANNEL,
            "audience": {"addresses": []},
            "rate": max(1, min(PER_SECOND, len(self.people) // LASTS_S)),
        }
        self.name = self._call("", body, 201)["broadcast_id"]
        for start in range(0, len(self.people), AT_ONCE):
            self._call(f"/{self.name}/audience", {"addresses": self.people[start : start + AT_ONCE]})

    def change(self, change: str) -> None:
        """Start or pause it."""
        self._call(f"/{self.name}/{change}", {})

    def shown(self) -> dict[str, Any]:
        """How far it has come."""
        found: dict[str, Any] = self.run.crowd.operator.call("GET", f"/v1/broadcasts/{self.name}")
        return found

    def turns(self) -> int:
        """How many have had theirs."""
        return sum(self.shown()["counts"].values())

    def arrived(self) -> list[dict[str, Any]]:
        """What reached phones of it."""
        return [each for each in self.run.system.phones.sent(CHANNEL) if each["text"] == TEXT]

    def times(self) -> Counter[str]:
        """How often it reached each of them."""
        return Counter(f"+{str(each['to']).lstrip('+')}" for each in self.arrived())

    def _call(self, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        called: dict[str, Any] = self.run.crowd.operator.call("POST", f"/v1/broadcasts{path}", body, expect=(status,))
        return called


def prepare(run: Course) -> Told:
    """One number that everybody is told from, to which all others have written; and the list of whom it tells."""
    accounts = Accounts(run)
    accounts.add(NUMBER)
    accounts.meet(NUMBER, list(people(run)))
    wait_until("everybody was heard", lambda: not run.system.phones.stats()[CHANNEL]["waiting"], HEARD_S)
    return Told(run)


def broadcast(run: Course) -> None:
    """Started, paused, gone on with; then all kinds of harm at once, as in `mixed`, until everybody was told."""
    told: Told = run.prepared
    begin = run.hit()
    run.go(CALM_S)
    calm = (begin, run.hit())
    told.change("start")
    wait_until("some were told", lambda: told.turns() > 0, PATIENCE_S)
    begin = run.hit()
    run.go(CALM_S)
    busy = (begin, run.hit())
    _pause(run, told)
    told.change("start")
    seconds = float(os.environ.get("SECONDS", HARMED_S))
    mix = Mix(run)
    mix.go(plan(run.seed, seconds, [each.name for each in parts_of(run.system.settings)]), seconds)
    left = len(told.people) / PER_SECOND / 0.5
    wait_until("it is done", lambda: told.shown()["state"] == "done", left + PATIENCE_S, 2.0)
    mix.end()
    run.later.append(lambda: _judge(run, told, calm, busy))


def _pause(run: Course, told: Told) -> None:
    """In force within two seconds: nobody has their turn after that, and nothing more is sent."""
    told.change("pause")
    run.go(IN_FORCE_S)
    turns, arrived = told.turns(), len(told.arrived())
    run.go(REST_S)
    run.figures["turns_at_pause"] = turns
    if told.turns() != turns:
        run.wrong.append(f"{told.turns() - turns} had their turn more than {IN_FORCE_S:.0f} s after a pause")
    late = len(told.arrived()) - arrived
    if late:
        run.late.append(f"{late} were sent more than {IN_FORCE_S:.0f} s after a pause")


def _judge(run: Course, told: Told, calm: tuple[int, int], busy: tuple[int, int]) -> None:
    """Everybody once, or counted; never faster than the account may, and the others as fast as without it."""
    try:
        wait_until("everybody was told", lambda: len(told.times()) >= len(told.people), PATIENCE_S, 2.0)
    except TimeoutError:
        run.wrong.append(f"{len(told.people) - len(told.times())} of {len(told.people)} were not told")
    times = told.times()
    doubled = sum(number - 1 for number in times.values())
    counted: Counter[str] = Counter()
    for (_, to), number in run.outcome.second_sends().items():
        counted[to.partition(":")[2]] += number
    unknown = uncounted(times, counted)
    if unknown:
        run.wrong.append(f"{len(unknown)} were told twice and it was not counted, such as {unknown[:3]}")
    counts = told.shown()["counts"]
    run.figures |= {"told": len(times), "told_twice": doubled, **{f"turns_{name}": each for name, each in counts.items()}}
    if counts["accepted"] != len(told.people) or counts["refused"] or counts["skipped"]:
        run.wrong.append(f"the broadcast counts {counts} of {len(told.people)}")
    _judge_rate(run)
    history = run.outcome.history()
    alone, beside = (others_p99(history, [span], lambda _: False) for span in (calm, busy))
    run.figures |= {"others_p99_ms": alone, "others_p99_ms_beside": beside}
    if beside > ALLOWED * alone:
        run.late.append(f"others' p99 went from {alone:.0f} to {beside:.0f} ms")


def _judge_rate(run: Course) -> None:
    """By the providers' own record, of all that the account sent."""
    most = most_within([int(each["at"]) for each in run.system.phones.sent(CHANNEL)], SPAN_S * 1000)
    run.figures[f"most_in_{SPAN_S}_s"] = most
    allowed = PER_SECOND * (SPAN_S + SPARED)
    if most > allowed:
        run.wrong.append(f"the account sent {most} in {SPAN_S} s, {allowed:.0f} are allowed")


def uncounted(times: Mapping[str, int], second_sends: Mapping[str, int]) -> list[str]:
    """Who got it more often than the system says that it may have sent it."""
    return [to for to, number in times.items() if number > 1 + second_sends.get(to, 0)]


def most_within(times: Sequence[int], span: int) -> int:
    """How many of these at most are within a span of this length."""
    ordered, begin, most = sorted(times), 0, 0
    for end, at in enumerate(ordered):
        while at - ordered[begin] >= span:
            begin += 1
        most = max(most, end - begin + 1)
    return most
