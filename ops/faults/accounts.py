"""WhatsApp numbers that come, change and go while messages flow: each has its own people, and only they may notice."""

import os
import time
from collections.abc import Iterator
from itertools import count, cycle

from ops.faults.course import Course
from ops.faults.history import Arrival, Ended
from ops.faults.providers import others_p99
from ops.harness.waiting import wait_until

CHANNEL = "whatsapp"
# Connected accounts are real ones to the service, whose API is the simulator here; paced they would carry no such load.
ENV = {
    "CHAT4ALL_PUBLIC_URL": "{gateway}",
    "WHATSAPP_API_URL": "{simulator}/whatsapp",
    "WHATSAPP_ACCOUNT_PER_SECOND": "100000",
    "WHATSAPP_RECIPIENT_INTERVAL_S": "0.000001",
    "WHATSAPP_RECIPIENT_BURST": "100000",
}
STEADY, HANGING, REFUSING, ROTATED = "steady", "hanging", "refusing", "rotated"
PAUSED, LEAVING, DROPPED = "paused", "leaving", "dropped"
NAMES = (STEADY, HANGING, REFUSING, ROTATED, PAUSED, LEAVING, DROPPED)
WARM_S = 4.0
ROUNDS = 3
ROUND_S = 8.0
HANG_MS = 10_000
# So soon every process knows of a change; what was begun by then may still arrive, in so long as a call may take here.
IN_FORCE_S = 2.0
ENDED_S = 60.0
HEARD_S = 20.0
ROTATIONS = 3
ALLOWED = 1.25
REMOVED = "account_removed"
TOKEN_REFUSED = 190


class Accounts:
    """Those of a run: their ids and whose people they have, by name, and when each rested (ms UTC)."""

    def __init__(self, run: Course) -> None:
        self.run = run
        self.ids: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.people: dict[str, list[str]] = {}
        self._connected = count()
        self.rests: list[tuple[str, int, int]] = []

    def add(self, *names: str) -> None:
        """Connect a number for each, which the provider confirms. On return every process knows of them."""
        for name in names:
            self._add(name)
        self.run.go(IN_FORCE_S)

    def _add(self, name: str) -> None:
        number = f"2{next(self._connected):014d}"
        made = self._call(
            "", {"channel": CHANNEL, "provider_account_id": number, "name": name, "credentials": self._secrets()}, 201
        )
        self._call(f"/{made['account_id']}/check")
        self.ids[name], self.numbers[name], self.people[name] = made["account_id"], number, []

    def rotate(self, name: str, number: int) -> None:
        """Other credentials, which are as good."""
        self._call(f"/{self.ids[name]}/rotate", {"credentials": {"verify_token": f"rotated-{number}"}})

    def pause(self, name: str) -> int:
        """Send nothing from it; when that is in force."""
        self._call(f"/{self.ids[name]}/pause")
        return int((time.time() + IN_FORCE_S) * 1000)

    def resume(self, name: str, rested_from: int) -> None:
        """Send from it again."""
        self.rests.append((self.numbers[name], rested_from, int(time.time() * 1000)))
        self._call(f"/{self.ids[name]}/resume")

    def remove(self, name: str) -> None:
        """For good: nothing comes from it any more once that is in force."""
        self.run.crowd.operator.call("DELETE", f"/v1/accounts/{self.ids[name]}", expect=(204,))
        self.rests.append((self.numbers[name], int((time.time() + IN_FORCE_S) * 1000), 1 << 62))

    def meet(self, name: str, people: list[str]) -> None:
        """These people write to it: so they are answered from there."""
        for each in people:
            self.run.system.phones.write(CHANNEL, each, "hello", account=self.numbers[name])
        self.people[name] += people

    def _secrets(self) -> dict[str, str]:
        names = {"token": "whatsapp_token", "app_secret": "whatsapp_app_secret", "verify_token": "whatsapp_verify_token"}
        return {name: self.run.system.settings.secret(each) for name, each in names.items()}

    def _call(self, path: str, body: dict[str, object] | None = None, status: int = 200) -> dict[str, str]:
        found: dict[str, str] = self.run.crowd.operator.call("POST", f"/v1/accounts{path}", body or {}, expect=(status,))
        return found


def prepare(run: Course) -> Accounts:
    """A number for everything that may become of one, and everybody on WhatsApp has written to one of them."""
    accounts = Accounts(run)
    accounts.add(*NAMES)
    for who, name in zip(people(run), cycle(NAMES), strict=False):
        accounts.meet(name, [who])
    wait_until("everybody was heard", lambda: not run.system.phones.stats()[CHANNEL]["waiting"], HEARD_S)
    return accounts


def people(run: Course) -> Iterator[str]:
    """Hot ones first, so that each account has some."""
    for talk in run.crowd.talks:
        yield from (each.partition(":")[2] for each in talk.addresses if each.startswith(CHANNEL))


def changes(run: Course) -> None:
    """One hangs, one refuses, one is rotated, one rests, two go and new ones take over their people; then all is calm again."""
    accounts: Accounts = run.prepared
    run.go(WARM_S)
    spans: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for number in range(int(os.environ.get("ROUNDS", ROUNDS))):
        begin = run.hit()
        run.go(ROUND_S)
        spans[False].append((begin, run.hit()))
        _harm(run, accounts, number)
        spans[True].append((spans[False][-1][1], run.hit()))
        run.until_calm()
    _withdrawn(run)
    run.later.append(lambda: _judge(run, accounts, spans))


def _harm(run: Course, accounts: Accounts, number: int) -> None:
    rules = [
        {"status": 200, "code": 0, "account": accounts.numbers[HANGING], "delay_ms": HANG_MS},
        {"status": 401, "code": TOKEN_REFUSED, "account": accounts.numbers[REFUSING]},
    ]
    run.system.phones.behave(CHANNEL, rules=rules)
    resting = accounts.pause(PAUSED)
    accounts.pause(DROPPED)
    for turn in range(ROTATIONS):
        accounts.rotate(ROTATED, number * ROTATIONS + turn)
        run.go(ROUND_S / ROTATIONS / 2)
    for name in (LEAVING, DROPPED):
        _replace(run, accounts, name)
    run.go(ROUND_S / 2)
    accounts.resume(PAUSED, resting)
    run.system.phones.behave(CHANNEL)


def _replace(run: Course, accounts: Accounts, name: str) -> None:
    """A new number takes over the people of one that is removed, under its name in the next round."""
    old, people = f"old {name}", accounts.people.pop(name)
    accounts.ids[old], accounts.numbers[old] = accounts.ids[name], accounts.numbers[name]
    accounts.add(name)
    accounts.meet(name, people)
    # What was accepted before they wrote to the other one still goes out from this one, unless it rests.
    run.go(IN_FORCE_S)
    accounts.remove(old)


def _withdrawn(run: Course) -> None:
    """What was to be sent from an account that rested when it was removed never comes, and everybody is told."""
    addresses = {each.message_id: each.addresses for each in run.load.accepted}

    def are_told() -> bool:
        run.outcome.withdrawn = {
            (each.message_id, to)
            for each in run.outcome.ended()
            if _is_withdrawn(each)
            for to in addresses[each.message_id]
            if to.startswith(CHANNEL)
        }
        return not run.outcome.missing(int((time.time() - ENDED_S / 4) * 1000))

    wait_until("what was withdrawn has ended", are_told, ENDED_S, 2.0)


def _is_withdrawn(ended: Ended) -> bool:
    return (ended.state, ended.reason) == ("FAILED", REMOVED)


def _judge(run: Course, accounts: Accounts, spans: dict[bool, list[tuple[int, int]]]) -> None:
    """Once all has settled."""
    history, letters = run.outcome.history(), run.outcome.letters()
    run.figures |= {"accounts": len(accounts.ids), "withdrawn": len(history.withdrawn), "dead_letters": len(letters)}
    calm, changed = (others_p99(history, spans[busy], lambda each: _is_changed(each, accounts)) for busy in (False, True))
    run.figures |= {"others_p99_ms": calm, "others_p99_ms_while_some_change": changed}
    if changed > ALLOWED * calm:
        run.late.append(f"the other accounts' p99 went from {calm:.0f} to {changed:.0f} ms")
    if not history.withdrawn:
        run.wrong.append("nothing waited for an account that was removed: this run shows less than it should")
    came = history.withdrawn & {(each.message_id, each.to) for each in history.arrivals}
    odd = sorted({each.reason for each in letters} - {REMOVED})
    resting = [
        each
        for each in history.arrivals
        for rest in accounts.rests
        if (each.account == rest[0] and rest[1] < each.at < rest[2])
    ]
    run.wrong += [f"{len(came)} were said to be withdrawn, and came"] if came else []
    run.wrong += [f"dead letters: {', '.join(odd)}"] if odd else []
    run.wrong += [f"{len(resting)} came from an account that was paused or removed, such as {resting[0]}"] if resting else []


def _is_changed(arrival: Arrival, accounts: Accounts) -> bool:
    """Whether it came from an account that something was done to."""
    return arrival.to.startswith(CHANNEL) and arrival.account != accounts.numbers[STEADY]
