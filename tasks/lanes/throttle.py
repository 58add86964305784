"""When a send may go: an account's breaker, the pace of each address, the account's rate and our share of it.

The rules are pure: times are seconds of a clock that the caller reads. Only `Throttle`, which holds all of them, asks the time.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

from aiolimiter import AsyncLimiter
from msgspec import Struct

from chat4all.model.backoff import Backoff
from chat4all.model.retry_policy import RetryPolicy
from chat4all.ports import AccountLimits, Limits
from chat4all.telemetry import metrics

# A wait this short is slept through; a longer one is written down, and gives its place in memory to others.
SHORT_S = 1.0
# The account's rate is kept within each such period: short, so that a second's worth does not go out at once.
RATE_PERIOD_S = 0.25
LOOK_S = 1.0
# Calls that are under way when the provider begins to refuse all of them say the same.
BARRED_AGAIN_S = 5.0


def backoff(refusals: int, first_s: float, most_s: float, random: Callable[[], float]) -> float:
    """How long to wait after this many refusals in a row (1 or more): exponential, with full jitter."""
    return Backoff(first_s, most_s).after(refusals) * random()


class Breaker(Struct):
    """Stops an account's sends after `failures` temporary failures in a row; one probe goes through every `probe_s`."""

    failures: int
    probe_s: float
    in_a_row: int = 0
    probe_at: float = 0.0
    barred_at: float = -inf

    @property
    def is_open(self) -> bool:
        """Whether sends are held back."""
        return self.in_a_row >= self.failures

    def left(self, now: float) -> float:
        """Seconds until a send may go. Asking takes nothing."""
        return max(0.0, self.probe_at - now) if self.is_open else 0.0

    def wait(self, now: float) -> float:
        """Seconds until a send may go; 0 lets it go, and it is the probe if the breaker is open."""
        left = self.left(now)
        if self.is_open and not left:
            self.probe_at = now + self.probe_s
        return left

    def succeeded(self) -> None:
        """The provider answered sensibly: also a refusal of one message does that."""
        self.in_a_row = 0

    def barred(self, now: float) -> bool:
        """The provider said that it takes nothing: no more failures are needed to know that. Whether that is news."""
        if not self.is_open:
            self.in_a_row, self.probe_at = self.failures, now + self.probe_s
        if now - self.barred_at < BARRED_AGAIN_S:
            return False
        self.barred_at = now
        return True

    def failed(self, now: float) -> None:
        """The provider failed or could not be reached."""
        self.in_a_row += 1
        if self.in_a_row == self.failures:
            self.probe_at = now + self.probe_s


class Pace:
    """Keeps to what a provider allows to one address: one send per interval, so many at once before.

    Virtual scheduling: each send moves a point in time; how far that point may run ahead of now is the burst.
    """

    # Addresses whose time has passed are forgotten when there are more: some MB, looked through rarely.
    FORGET_ABOVE = 50_000

    def __init__(self, limits: Limits) -> None:
        self._usual = _pace(limits.recipient_interval_s, limits.recipient_burst)
        self._others = [(beginning, _pace(*other)) for beginning, other in limits.recipient_paces.items()]
        self._next: dict[str, float] = {}

    def wait(self, address: str, now: float) -> float:
        """Seconds until a send to this address may go."""
        _, ahead = self._of(address)
        return max(0.0, self._next.get(address, 0.0) - ahead - now)

    def sent(self, address: str, now: float) -> None:
        """A send to this address goes out now."""
        interval, _ = self._of(address)
        if not interval:
            return
        self._next[address] = max(self._next.get(address, 0.0), now) + interval
        if len(self._next) > self.FORGET_ABOVE:
            self._next = {each: at for each, at in self._next.items() if at > now}

    def _of(self, address: str) -> tuple[float, float]:
        """The interval of this address, and how far it may run ahead (seconds)."""
        if self._others:
            return next((pace for beginning, pace in self._others if address.startswith(beginning)), self._usual)
        return self._usual


def _pace(interval_s: float, burst: int) -> tuple[float, float]:
    return interval_s, interval_s * (burst - 1)


class Throttle:
    """All that holds an account's sends back in this process. Asked before a place among the calls in flight is taken.

    `share`: the part of the account's rate that is this process's; others send from the same account. `look_s`: how often who
    waits for the rate looks whether it is another one.
    """

    def __init__(self, channel: str, limits: Limits, retries: RetryPolicy, look_s: float = LOOK_S) -> None:
        self.share = 1.0
        self.breaker = Breaker(retries.breaker_failures, retries.breaker_probe_s)
        self.pace = Pace(limits)
        self.limits = AccountLimits()
        self.rate = _limiter(limits.account_per_second)
        self._channel, self._look_s = channel, look_s

    def limit(self, limits: AccountLimits, usual: float) -> None:
        """Keep to these from now on, and else to the usual rate. Who waits for the one before waits for this one soon."""
        self.limits, self.rate = limits, _limiter(limits.messages_per_second or usual)

    def follows(self, before: "Throttle") -> None:
        """Go on with the paces and the share of this one. The breaker begins anew: other credentials may be better."""
        self.pace, self.rate, self.share, self.limits = before.pace, before.rate, before.share, before.limits

    async def clear(self, address: str, cost: float = 1.0) -> float:
        """Wait for this send's turn. 0 when it has come, else the seconds to stay away, which are too many to wait here.

        `cost`: how many sends of the account's rate it counts as.
        """
        wait = self.pace.wait(address, time.monotonic())
        if wait > SHORT_S:
            self._put_off("pace")
            return wait
        if wait:
            await asyncio.sleep(wait)
        left = self.breaker.left(time.monotonic())
        if left:
            self._put_off("breaker")
            return _spread(left)
        # Half of the rate is the whole rate at twice the price.
        while not await self._paid(self.rate, cost / self.share):
            pass
        return 0.0

    async def _paid(self, rate: AsyncLimiter, price: float) -> bool:
        """Wait until this rate lets it through; False when it may be another one by now."""
        price = min(rate.max_rate, price)
        if rate.has_capacity(price):
            await rate.acquire(price)
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_s):
                await rate.acquire(price)
                return True
        return False

    def enter(self) -> float:
        """Asked again right before the call: the breaker may have opened. 0: go, perhaps as the probe; else seconds to wait."""
        left = self.breaker.wait(time.monotonic())
        if left:
            self._put_off("breaker")
        return _spread(left)

    def closed_s(self) -> float | None:
        """Seconds until the account lets a probe through; None: it lets everything through."""
        return self.breaker.left(time.monotonic()) if self.breaker.is_open else None

    def sent(self, address: str) -> None:
        """A send to this address goes out now."""
        self.pace.sent(address, time.monotonic())

    def succeeded(self) -> None:
        """The provider answered sensibly: also a refusal of one message does that."""
        self.breaker.succeeded()

    def asked_to_wait(self) -> None:
        """The provider is well, and says that we are too fast."""
        self._put_off("provider")
        self.breaker.succeeded()

    def failed(self) -> None:
        """The provider failed or could not be reached."""
        was_open = self.breaker.is_open
        self.breaker.failed(time.monotonic())
        if self.breaker.is_open and not was_open:
            metrics.BREAKER_OPENED.of(self._channel).add()

    def barred(self) -> bool:
        """The provider takes nothing from the account: only a probe goes through now and then. Whether that is news."""
        if not self.breaker.is_open:
            metrics.BREAKER_OPENED.of(self._channel).add()
        return self.breaker.barred(time.monotonic())

    def _put_off(self, by: str) -> None:
        metrics.THROTTLED.of(self._channel, by).add()


def _limiter(per_second: float) -> AsyncLimiter:
    """Of a rate: some at once in a short period, or, where that is none, one at a time."""
    some = per_second * RATE_PERIOD_S
    return AsyncLimiter(some, RATE_PERIOD_S) if some >= 1 else AsyncLimiter(1, 1 / per_second)


def _spread(seconds: float) -> float:
    """A little longer for each, so that not all come back at the same time."""
    return seconds * (1 + random.random() / 4)  # noqa: S311 - spreads load, guards nothing
