"""One message to many contacts: what is to be said to whom, how fast, and how far it has come. Pure rules; no I/O."""

from collections import Counter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.daily_budgets import spend
from chat4all.model.quiet_hours import QuietHours

DRAFT, RUNNING, PAUSED, STOPPED, DONE = "draft", "running", "paused", "stopped", "done"
STATES = (DRAFT, RUNNING, PAUSED, STOPPED, DONE)
# From which states each of these may be asked for. What has come to its end stays there.
CHANGES = {RUNNING: (DRAFT, PAUSED), PAUSED: (RUNNING,), STOPPED: (DRAFT, RUNNING, PAUSED)}
RATE_MOST = 500
# Time that was not used is lost: whoever comes back after an outage does not send all at once.
STEP_MS = 1_000

ACCEPTED, REFUSED, SKIPPED, WAITING = "accepted", "refused", "skipped", "waiting"
# Of what an account may send, its broadcasts take so much together: the rest is for people who answer.
SHARE = 0.8
AUDIENCE_AT_ONCE = 10_000
# How far it has come is told so often.
TELL_MS = 5_000
# After a stop its results are gone through so often: a step that was under way then has written its own before the last time.
WITHDRAWALS = 2


class Broadcast(Struct, frozen=True, omit_defaults=True):
    """`payload` goes to each of its audience, said by `sender` (empty: `created_by`).

    The audience: each contact with the tag that has an address on the channel; without a tag the addresses that are listed.
    `rate`: messages a second at most. `quiet`: when nobody is told. `after`: whose turn was the last of the audience; empty:
    nobody's. `exhausted`: nobody is behind that. `later_after`: up to which of the turns that were put off all have come
    (`Later.place`). `stepped_at`: when somebody last took a step, `moved_at`: when somebody last had their turn, or could have
    it again. Times are ms UTC. `accepted`, `refused`, `skipped`, `waiting`: turns so far, by outcome.
    `untold`: its event is to be published, which was last at `told_at`. `withdrawing`: how often its results are to be gone
    through after a stop, so that what was accepted and not yet sent is not; this time up to the turn `withdrawn_to`.
    `withdrawn`: how many so far. `spent`: messages that were accepted within a day, by hour (`daily_budgets`). `waits_until`:
    nobody has their turn before, as the account's daily budget is spent; 0: it is not.
    """

    broadcast_id: str
    name: str
    payload: dict[str, Any]
    channel: str
    tag: str
    rate: int
    created_by: str
    created_at: int
    sender: str = ""
    state: str = DRAFT
    version: int = 1
    after: str = ""
    begun_at: int = 0
    ended_at: int = 0
    stepped_at: int = 0
    moved_at: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: int = 0
    waiting: int = 0
    quiet: QuietHours | None = None
    exhausted: bool = False
    later_after: str = ""
    untold: bool = False
    told_at: int = 0
    withdrawing: int = 0
    withdrawn_to: str = ""
    withdrawn: int = 0
    spent: dict[int, int] = {}
    waits_until: int = 0

    @property
    def is_at_work(self) -> bool:
        """Whether workers have something to do for it."""
        return self.state == RUNNING or self.untold or bool(self.withdrawing)

    def may_now(self, now: int, most: float = RATE_MOST) -> int:
        """How many may have their turn in a step at this time, at `most` so many a second; 0: it is too early for a step."""
        passed = min(now - self.stepped_at, STEP_MS)
        return int(max(0, passed) * min(self.rate, most) / 1000)

    def changed(self, state: str, now: int) -> "Broadcast":
        """In this state. ValueError: it cannot come there from where it is."""
        if self.state == state:
            return self
        if self.state not in CHANGES[state]:
            raise ValueError(f"it is {self.state}")
        if state == RUNNING:
            return replace(self, state=state, begun_at=self.begun_at or now, moved_at=now, untold=True)
        is_over = state == STOPPED
        return replace(
            self,
            state=state,
            ended_at=now if is_over else 0,
            untold=True,
            waits_until=0,
            withdrawing=WITHDRAWALS if is_over and self.begun_at else 0,
        )

    def advanced(self, results: "list[Result]", late: int, reached: "Reached", now: int) -> "Broadcast":
        """These have had their turn, `late` of them one that was put off."""
        counts = Counter(each.outcome for each in results)
        waiting = self.waiting + counts[WAITING] - late
        has_ended = reached.exhausted and not waiting and self.state == RUNNING
        return replace(
            self,
            after=reached.after or self.after,
            later_after=reached.later_after or self.later_after,
            exhausted=reached.exhausted,
            moved_at=now,
            accepted=self.accepted + counts[ACCEPTED],
            spent=spend(self.spent, counts[ACCEPTED], now),
            refused=self.refused + counts[REFUSED],
            skipped=self.skipped + counts[SKIPPED],
            waiting=waiting,
            untold=self.untold or has_ended or now - self.told_at >= TELL_MS,
            state=DONE if has_ended else self.state,
            ended_at=now if has_ended else self.ended_at,
        )


class Reached(Struct, frozen=True):
    """How far a step came: the fields of the broadcast of these names. Empty: where it was."""

    after: str
    later_after: str
    exhausted: bool


class Later(Struct, frozen=True):
    """A turn that was put off, to a time (ms UTC). `turn`: as of `Result`."""

    due_at: int
    turn: str

    @property
    def place(self) -> str:
        """Where it stands among all that were put off: by time."""
        return f"{self.due_at:015d} {self.turn}"

    def is_told_by(self, result: "Result | None") -> bool:
        """Whether it is the turn that this result is of: one that was put off twice has its turn at the second time only."""
        return result is not None and result.due_at == self.due_at


class Result(Struct, frozen=True, omit_defaults=True):
    """What came of somebody's turn. `reason`: why it was refused, skipped or put off. The message's ids where one was accepted.

    `contact_id`: empty where the audience is a list and nobody has the address yet. `due_at`: of what was put off, to when;
    once its turn has come, when that was.
    """

    contact_id: str
    outcome: str
    reason: str = ""
    address: str = ""
    message_id: str = ""
    conversation_id: str = ""
    due_at: int = 0
    by_address: bool = False

    @property
    def turn(self) -> str:
        """Whose turn it was: a contact's id; of a list, the address."""
        return self.address.partition(":")[2] if self.by_address else self.contact_id
