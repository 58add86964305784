"""Shows signals on a channel: beside the lanes, a few at a time, and only while all is well with the account.

Nothing waits for a place: what cannot be shown at once is dropped. How a signal ends says nothing about messages, so the
account's breaker is looked at and not told.
"""

import asyncio
import time

from chat4all.model.failures import Failure, Permanent, Throttled
from chat4all.model.signals import Cadence, Signal
from chat4all.ports import Channel
from chat4all.telemetry import logs, metrics
from tasks.lanes.throttle import Breaker

log = logs.logger(__name__)

# Calls of one account under way at once, beside those of messages.
AT_ONCE = 8
# A call that takes longer comes too late.
LIMIT_S = 3.0
# How long to leave a provider alone that failed, where it does not ask for longer.
QUIET_S = 5.0


class Signals:
    """Those of one account. `limit_s`: how long a call may take."""

    def __init__(self, channel: Channel, breaker: Breaker, limit_s: float = LIMIT_S) -> None:
        self._channel, self._breaker, self._limit_s = channel, breaker, limit_s
        self._cadence = Cadence()
        self._under_way: set[asyncio.Task[None]] = set()
        self._quiet_until = 0.0

    def show(self, signal: Signal) -> None:
        """Begin to show it, or drop it. On the loop; does not block."""
        if not self._may(signal):
            came_to(signal, "dropped")
            return
        task = asyncio.get_running_loop().create_task(self._call(signal))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Cut off what is under way."""
        for each in self._under_way:
            each.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _may(self, signal: Signal) -> bool:
        """Whether the channel has such a signal, has a place for it, and has not shown it just now."""
        interval_s, now = self._channel.limits.signals.get(signal.kind), time.monotonic()
        if interval_s is None or self._breaker.is_open or now < self._quiet_until or len(self._under_way) >= AT_ONCE:
            return False
        return self._cadence.due((signal.kind, signal.address, signal.about), interval_s, now)

    async def _call(self, signal: Signal) -> None:
        outcome = "shown"
        try:
            async with asyncio.timeout(self._limit_s):
                await self._channel.signal(signal.address, signal.kind, signal.about)
        except Permanent:
            outcome = "refused"
        except (Failure, TimeoutError) as failure:
            outcome = "failed"
            asked = failure.retry_after if isinstance(failure, Throttled) else 0.0
            self._quiet_until = time.monotonic() + max(QUIET_S, asked)
        except Exception:
            outcome = "failed"
            log.exception("signal_failed", channel=signal.channel, kind=signal.kind)
        came_to(signal, outcome)


def came_to(signal: Signal, outcome: str) -> None:
    """Count how a signal ended: shown, refused, failed or dropped."""
    metrics.SIGNALS.of(signal.channel, signal.kind, outcome).add()
