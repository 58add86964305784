"""The outcome of an attempt at a delivery, and what of it is written."""

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import NOTHING_TO_DO, WITHDRAWALS, Delivery, Facts
from chat4all.ports import DeadLetter
from chat4all.settings import Settings
from tasks.lanes.writer import Ended, GivenUp, Tried
from tasks.outcomes.dead_letters import delivery_letter


class Done(Struct, frozen=True):
    """The delivery is ended; `write` is what to keep of it, if this attempt ended it."""

    write: Ended | None = None


class Wait(Struct, frozen=True):
    """Not now: go on at `at` (ms UTC). `refusals` in a row so far. `write` is what to keep of the attempt, if there was one.

    `ends`: from then on it is too old to be sent; 0: not known. `is_held`: until the person writes.
    """

    at: int
    refusals: int
    write: Tried | None = None
    ends: int = 0
    is_held: bool = False


Outcome = Done | Wait


def ends_of(row: Delivery, settings: Settings, freed_at: int = 0) -> int:
    """From when on a delivery is too old to be sent. `freed_at`: when its key was free to send after it had been held."""
    tried_until = max(row.accepted_at, freed_at) + int(settings.give_up_h * 3_600_000) + 1
    return min(tried_until, row.expires_at) if row.expires_at and not row.holds else tried_until


def within_life(wait: Wait, ends: int) -> Wait:
    """No longer than the delivery lives: it then ends, and does not wait for its next attempt first."""
    return replace(wait, at=min(wait.at, max(ends, now_ms())), ends=ends)


def refused(row: Delivery, reason: str, detail: str = "") -> Done:
    """We give it up."""
    at = now_ms()
    facts = Facts(refused_at=at, refused_reason=reason)
    return Done(GivenUp(row, facts, at, letter_of(row, at, reason, detail)))


def letter_of(row: Delivery, at: int, reason: str, detail: str = "") -> DeadLetter | None:
    """The dead letter of a delivery that we gave up. Who withdrew it wanted that: there is nothing to look into."""
    return None if reason in WITHDRAWALS or reason == NOTHING_TO_DO else delivery_letter(row, at, reason, detail)


def not_sent(row: Delivery) -> Tried:
    """This attempt certainly sent nothing. An older unknown one stays unknown."""
    return Tried(row, Facts(refusals=row.facts.refusals + 1))


def in_a_word(outcome: Outcome, refusals: int) -> str:
    """What an attempt came to, in a word, if there were so many refusals before it."""
    if isinstance(outcome, Done):
        return "sent" if outcome.write and outcome.write.facts.sent_at else "refused"
    if outcome.write is None:
        return "unknown"
    return "failed" if outcome.refusals > refusals else "throttled"
