"""One attempt at one delivery: what must hold before the call, and what each way that it can end means."""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from math import ceil
from typing import ParamSpec, TypeVar

import msgspec
from aiolimiter import AsyncLimiter
from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, State, state
from chat4all.model.failures import AddressMoved, Permanent, Temporary, Throttled, Unknown
from chat4all.model.messages import File, Text
from chat4all.ports import Channel, Handle, Outgoing
from chat4all.services.inbound.address_changes import follow, successor
from chat4all.settings import Settings
from chat4all.telemetry import logs, metrics, trace_context, tracing
from tasks.lanes.aliases import Names
from tasks.lanes.outgoing_files import Pending, arrived, post_file
from tasks.lanes.retries import Breaker, Pace, backoff
from tasks.lanes.writer import Committer, Note
from tasks.outcomes.dead_letters import delivery_letter
from tasks.resources import Parts
from tasks.stages.stage import described

log = logs.logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

IN_FLIGHT = 64
# A wait this short is slept through; a longer one gives its place to others.
SHORT_S = 1.0
LIMITER_PERIOD_S = 0.25
# How often to look whether a file that a provider brought has been fetched.
FILE_MS = 1000
# A call that is older than this needs no more patience, whatever clocks say.
LONG_AGO_MS = 3_600_000
# How often to look for the receipt that reconciles an unknown outcome.
RECEIPT_MS = 1000
# What a channel may take beyond the limit that it keeps itself before it is cut off.
CALL_SLACK = 1.2
# Providers' ids are some hundred characters long at most.
ID_MOST = 1000
# How many refused parts to remember; the store knows of older ones.
GIVEN_UP_MOST = 1000


class Done(Struct, frozen=True):
    """The delivery is ended; `note` is what to keep of it, if this attempt ended it."""

    note: Note | None = None


class Wait(Struct, frozen=True):
    """Not now: go on at `at` (ms UTC). `refusals` in a row so far. `note` is what to keep of the attempt, if there was one.

    `ends`: from then on it is too old to be sent; 0: not known.
    """

    at: int
    refusals: int
    note: Note | None = None
    ends: int = 0


Outcome = Done | Wait
OUTCOMES = ("sent", "throttled", "temporary", "permanent", "unknown")


def text_of(row: Delivery) -> str:
    """What the person reads: in groups the sender's name stands before it."""
    return f"{row.sender_name}: {row.payload.text}" if row.sender_name else row.payload.text


class Doubts:
    """Until when calls whose outcome is unknown are given time to be told, on this process's own clock.

    The time of day of who made the call may be another than ours: a wrong clock must cost patience, not a second send. A call
    that another process made may still be under way there, so it has `others_s`.
    """

    FORGET_ABOVE = 50_000

    def __init__(self, others_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._others_s, self._clock = others_s, clock
        self._until: dict[DeliveryKey, float] = {}

    def begin(self, key: DeliveryKey, grace_s: float) -> None:
        """The outcome of a call is unknown from now on."""
        self._until[key] = self._clock() + grace_s
        if len(self._until) > self.FORGET_ABOVE:
            self._until = {each: until for each, until in self._until.items() if until > self._clock() - self._others_s}

    def left_ms(self, row: Delivery) -> int:
        """What is left of the grace, which begins now for a call that another process made; 0 long after it by any clock."""
        if row.key not in self._until:
            if now_ms() - row.facts.attempted_at > LONG_AGO_MS:
                return 0
            self.begin(row.key, self._others_s)
        return max(0, ceil((self._until[row.key] - self._clock()) * 1000))

    def end(self, key: DeliveryKey) -> None:
        """It has been told, or the grace is over."""
        self._until.pop(key, None)


class Sender:
    """A channel account's way out in this process: pacing, breaker, calls in flight.

    `share`: the part of the account's rate that is this process's; others send from the same account.
    """

    def __init__(self, parts: Parts, channel: Channel, committer: Committer, executor: Executor) -> None:
        settings = parts.settings
        self._parts, self._channel, self._committer, self._executor = parts, channel, committer, executor
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_probe_s)
        self._pace = Pace(channel.limits)
        self._call_s = settings.provider_timeout_s * CALL_SLACK
        self._doubts = Doubts(max(settings.unknown_grace_s, self._call_s))
        self._rate = AsyncLimiter(max(1.0, channel.limits.account_per_second * LIMITER_PERIOD_S), LIMITER_PERIOD_S)
        self.share = 1.0
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._calls = 0
        self._names = Names()
        self._given_up: set[DeliveryKey] = set()
        self._outcomes = {each: metrics.ATTEMPTS.of(channel.name, each) for each in OUTCOMES}
        self._put_seconds = metrics.ATTEMPT_SECONDS.of(channel.name)

    async def attempt(
        self, row: Delivery, refusals: int, may_begin: Callable[[], bool], may_send: Callable[[], bool]
    ) -> Outcome:
        """Try once, if it is time. `may_begin`: whether the lane goes on; `may_send`, asked last: whether it is still ours."""
        if row.facts.unknown:
            waits, row = await self._reconciled(row, refusals)
            if waits:
                return waits
        if row.facts.ended:
            return Done(self.told_again(row))
        if row.part and await self._is_pointless(row):
            outcome: Outcome = refused(row, "part_failed")
        else:
            outcome = await self._tried(row, refusals, may_begin, may_send)
        if row.part + 1 < row.parts and isinstance(outcome, Done):
            self._remember(outcome.note)
        return within_life(outcome, ends_of(row, self._parts.settings)) if isinstance(outcome, Wait) else outcome

    async def _tried(
        self, row: Delivery, refusals: int, may_begin: Callable[[], bool], may_send: Callable[[], bool]
    ) -> Outcome:
        if now_ms() >= ends_of(row, self._parts.settings):
            return refused(row, "expired", f"after {row.facts.attempts} attempts")
        if isinstance(row.payload, File) and not row.payload.object_key:
            payload = await self._fetched(row.payload)
            if payload is None:
                return Wait(now_ms() + FILE_MS, refusals)
            row = msgspec.structs.replace(row, payload=payload)
        held = await self._held_back(row)
        if held:
            return Wait(now_ms() + int(held * 1000) + 1, refusals)
        async with self._in_flight:
            # It may have opened while we waited for our turn.
            held = self._closed_for()
            if held:
                return Wait(now_ms() + int(held * 1000) + 1, refusals)
            if not may_begin():
                return Wait(now_ms(), refusals)
            return await self._send(row, refusals, may_send)

    def _remember(self, note: Note | None) -> None:
        """A part that was refused: the store may not have it yet when the next part's turn comes."""
        if note and note.row and note.facts.refused_at:
            self._given_up = {note.row.key} | (self._given_up if len(self._given_up) < GIVEN_UP_MOST else set())

    async def _is_pointless(self, row: Delivery) -> bool:
        """Whether a part before this one will never arrive: half of a message may say something else than all of it."""
        before = row.siblings()[row.part - 1]
        if before in self._given_up:
            return True
        read = self._parts.store.deliveries
        kept = await asyncio.get_running_loop().run_in_executor(self._executor, read, [before])
        return before in kept and state(kept[before].facts) is State.FAILED

    async def _fetched(self, payload: File) -> File | Text | None:
        """What a file that a provider brought has come to; None while it is on its way."""
        asked = arrived(self._parts.store, payload)
        found = await asyncio.get_running_loop().run_in_executor(self._executor, asked)
        return None if isinstance(found, Pending) else found

    @property
    def calls(self) -> int:
        """How many calls to the provider are under way."""
        return self._calls

    @property
    def is_open(self) -> bool:
        """Whether the breaker holds sends back."""
        return self._breaker.is_open

    async def close(self) -> None:
        """Let go of the channel's connections."""
        await self._channel.close()

    async def _reconciled(self, row: Delivery, refusals: int) -> tuple[Wait | None, Delivery]:
        """An earlier call's outcome is unknown: look whether a receipt told it, and give it time to, before sending again."""
        read = self._parts.store.deliveries
        rows = await asyncio.get_running_loop().run_in_executor(self._executor, read, [row.key])
        row, left_ms = rows[row.key], self._doubts.left_ms(row)
        if row.facts.ended or left_ms <= 0:
            self._doubts.end(row.key)
            return None, row
        return Wait(now_ms() + self._look_again_ms(left_ms), refusals), row

    async def _held_back(self, row: Delivery) -> float:
        """Seconds to stay away, for longer waits; shorter ones are slept through here. Holds nobody's place meanwhile."""
        clock = time.monotonic
        wait = self._pace.wait(row.address, clock())
        if wait > SHORT_S:
            self._put_off("pace")
            return wait
        if wait:
            await asyncio.sleep(wait)
        left = self._breaker.left(clock())
        if left:
            self._put_off("breaker")
            return _spread(left)
        # Half of the rate is the whole rate at twice the price.
        await self._rate.acquire(min(self._rate.max_rate, 1 / self.share))
        return 0.0

    def _closed_for(self) -> float:
        """Seconds to stay away from the account; 0: go now, perhaps as the probe."""
        left = self._breaker.wait(time.monotonic())
        if left:
            self._put_off("breaker")
        return _spread(left)

    def closed_s(self) -> float | None:
        """Seconds until the account lets a probe through; None: it lets everything through."""
        return self._breaker.left(time.monotonic()) if self._breaker.is_open else None

    def _put_off(self, by: str) -> None:
        metrics.THROTTLED.of(self._channel.name, by).add()

    async def _send(self, row: Delivery, refusals: int, may_send: Callable[[], bool]) -> Outcome:
        self._pace.sent(row.address, time.monotonic())
        begun = Facts(
            attempts=row.facts.attempts + 1,
            attempted_at=now_ms(),
            resends=row.facts.attempts - row.facts.refusals,
        )
        row = row.seen(begun)
        address = (row.key.lane.channel, row.address)
        owners = await self._committer.commit(Note(row=row, facts=begun, asks=address))
        if not may_send():
            # Whoever holds the lane now may have begun an attempt of the same number: it is not ours to say what it came to.
            return Wait(now_ms(), refusals)
        owner = owners.get(address)
        if owner is None or owner.user_id != row.user_id or not owner.verified:
            to = await self._asked(successor, self._parts.store, *address, row.user_id)
            if not to:
                return refused(row, "identity_moved")
            row = msgspec.structs.replace(row, address=to)
            if not may_send():
                return Wait(now_ms(), refusals)
        with _step(row) as step:
            outcome = await self._call(row, refusals)
            step.set(outcome=_told(outcome, refusals))
        if isinstance(outcome, Done) and outcome.note and outcome.note.facts.refused_at and not may_send():
            # The next holder may have sent it meanwhile: then it has not failed. It will hear the same, if it asks.
            return Wait(now_ms(), refusals)
        return outcome

    async def _call(self, row: Delivery, refusals: int) -> Outcome:
        try:
            provider_id = await self._timed_post(row)
        except Throttled as failure:
            self._outcomes["throttled"].add()
            self._put_off("provider")
            self._breaker.succeeded()
            return Wait(now_ms() + int(failure.retry_after * 1000) + 1, refusals, self._not_sent(row))
        except Temporary as failure:
            self._outcomes["temporary"].add()
            self._failed()
            log.info("attempt_failed", delivery=str(row.key), reason=failure.reason, **tracing.about(row))
            return Wait(now_ms() + self._backoff_ms(refusals) + 1, refusals + 1, self._not_sent(row))
        except Permanent as failure:
            self._outcomes["permanent"].add()
            self._breaker.succeeded()
            return await self._refused_by_provider(row, refusals, failure)
        except Exception as error:  # noqa: BLE001 - Unknown, and whatever nobody foresaw: it may have left
            return self._doubtful(row, refusals, error)
        self._outcomes["sent"].add()
        self._breaker.succeeded()
        self._count_second(row)
        return Done(self._sent(row, provider_id))

    async def _refused_by_provider(self, row: Delivery, refusals: int, failure: Permanent) -> Outcome:
        """The end of it, unless the provider says where the address has gone: then it goes there."""
        if isinstance(failure, AddressMoved) and await self._asked(self._followed, row, failure.to):
            return Wait(now_ms() + self._backoff_ms(refusals), refusals + 1, self._not_sent(row))
        return refused(row, failure.reason, failure.detail)

    async def _asked(self, question: Callable[P, T], *words: P.args, **named: P.kwargs) -> T:
        """The store's answer, fetched by a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(question, *words, **named))

    def _followed(self, row: Delivery, to: str) -> bool:
        """Let the address move; whether what is addressed to the old one has somewhere to go now."""
        store, channel = self._parts.store, row.key.lane.channel
        follow(store, channel, self._channel.account.account_id, row.address, to)
        return bool(successor(store, channel, row.address, row.user_id))

    def _doubtful(self, row: Delivery, refusals: int, error: Exception) -> Wait:
        """The person may have it: time for a receipt, longer each time, before it is sent again and counted."""
        self._outcomes["unknown"].add()
        self._failed()
        metrics.UNKNOWN_OUTCOMES.of(self._channel.name).add()
        self._count_second(row)
        why = error.reason if isinstance(error, Unknown) else described(error)
        log.warning("outcome_unknown", delivery=str(row.key), reason=why, **tracing.about(row))
        life_ms = ends_of(row, self._parts.settings) - now_ms()
        grace_ms = max(int(self._parts.settings.unknown_grace_s * 1000), min(self._backoff_ms(refusals), life_ms))
        self._doubts.begin(row.key, grace_ms / 1000)
        return Wait(now_ms() + self._look_again_ms(grace_ms), refusals + 1)

    def _backoff_ms(self, refusals: int) -> int:
        settings = self._parts.settings
        return int(1000 * backoff(refusals + 1, settings.backoff_first_s, settings.backoff_most_s, random.random))

    def _look_again_ms(self, grace_ms: int) -> int:
        return min(grace_ms, RECEIPT_MS) if self._channel.limits.echoes_reference else grace_ms

    def _failed(self) -> None:
        was_open = self._breaker.is_open
        self._breaker.failed(time.monotonic())
        if self._breaker.is_open and not was_open:
            metrics.BREAKER_OPENED.of(self._channel.name).add()

    def _count_second(self, row: Delivery) -> None:
        """What may have left now may have left before."""
        if row.facts.resends:
            metrics.SECOND_SENDS.of(self._channel.name).add()

    async def _timed_post(self, row: Delivery) -> str:
        begun = time.perf_counter()
        self._calls += 1
        try:
            async with asyncio.timeout(self._call_s):
                return id_of_provider(await self._post(row))
        finally:
            self._calls -= 1
            self._put_seconds(time.perf_counter() - begun)

    async def _post(self, row: Delivery) -> str:
        outgoing = Outgoing(row.address, text_of(row), str(row.key))
        if isinstance(row.payload, File):
            return await post_file(self._channel, self._parts, row, row.payload)
        return await self._channel.send_text(outgoing)

    def _sent(self, row: Delivery, provider_id: str) -> Note:
        at = now_ms()
        note = self._findable(row, Facts(sent_at=at, provider_id=str(provider_id)), at, spoken=True)
        learnt = self._names.learnt(row, provider_id)
        return msgspec.structs.replace(note, learnt=learnt) if learnt else note

    def _findable(self, row: Delivery, facts: Facts, at: int, spoken: bool) -> Note:
        """The provider has it: with the way back from its id, where receipts without our reference may already wait."""
        account, limits = self._channel.account.account_id, self._channel.limits
        return Note(
            row=row,
            facts=facts,
            told=True,
            at=at,
            handle=Handle(row.key.lane.channel, account, facts.provider_id, row.key) if facts.provider_id else None,
            may_be_parked=limits.bare_receipts or not limits.echoes_reference,
            spoken=spoken,
        )

    def told_again(self, row: Delivery) -> Note | None:
        """What follows the facts of a delivery that was ended by an attempt: its event, parked receipts, dead letter.

        A holder that died right after it wrote the facts has not done these; doing them again changes nothing.
        """
        facts = row.facts
        if facts.attempts and facts.provider_id:
            return self._findable(row, facts, facts.sent_at, spoken=False)
        if facts.attempts and facts.refused_at:
            letter = delivery_letter(row, facts.refused_at, facts.refused_reason)
            return Note(row=row, told=True, at=facts.refused_at, letter=letter)
        return None

    def _not_sent(self, row: Delivery) -> Note:
        """This attempt certainly sent nothing. An older unknown one stays unknown."""
        return Note(row=row, facts=Facts(refusals=row.facts.refusals + 1))


def ends_of(row: Delivery, settings: Settings) -> int:
    """From when on a delivery is too old to be sent."""
    return row.accepted_at + int(settings.give_up_h * 3_600_000) + 1


def refused(row: Delivery, reason: str, detail: str = "") -> Done:
    """We give it up."""
    at = now_ms()
    facts = Facts(refused_at=at, refused_reason=reason)
    letter = delivery_letter(row, at, reason, detail)
    return Done(Note(row=row, facts=facts, told=True, at=at, letter=letter))


def within_life(wait: Wait, ends: int) -> Wait:
    """No longer than the delivery lives: it then ends, and does not wait for its next attempt first."""
    return msgspec.structs.replace(wait, at=min(wait.at, max(ends, now_ms())), ends=ends)


def id_of_provider(answered: object) -> str:
    """A provider's id as stores can keep it, whatever the provider or a library says; as it is, where it can be kept."""
    clean = str(answered or "")[:ID_MOST].encode("utf-8", "replace").decode().replace("\0", "")
    return answered if isinstance(answered, str) and answered == clean else clean


def _spread(seconds: float) -> float:
    """A little longer for each, so that not all come back at the same time."""
    return seconds * (1 + random.random() / 4)  # noqa: S311 - spreads load, guards nothing


def _step(row: Delivery) -> trace_context.Hop:
    """The attempt as the message's trace shows it."""
    if not tracing.is_sampled(row.trace):
        return tracing.NOTHING
    channel, attempts = row.key.lane.channel, row.facts.attempts
    return tracing.hop("attempt", row.trace, row.message_id, channel=channel, delivery=str(row.key), attempt=attempts)


def _told(outcome: Outcome, refusals: int) -> str:
    """What an attempt came to, in a word."""
    if isinstance(outcome, Done):
        return "sent" if outcome.note and outcome.note.facts.sent_at else "refused"
    if outcome.note is None:
        return "unknown"
    return "failed" if outcome.refusals > refusals else "throttled"
