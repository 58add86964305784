"""The sender of a channel, opened when it is first needed. While its account cannot be used, only its own deliveries wait."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery
from chat4all.model.failures import Temporary
from chat4all.model.signals import Signal
from chat4all.services.accounts.live import PAUSED, REMOVED, SEALED, InForce, LiveChannels
from chat4all.settings import Settings
from chat4all.telemetry import logs
from tasks.lanes.attempt import Sender
from tasks.lanes.lease import Hold
from tasks.lanes.outcome import Outcome, Wait, ends_of, refused, within_life
from tasks.lanes.signals import Signals, came_to
from tasks.lanes.writer import Ended

log = logs.logger(__name__)

# How often an account is tried that could not be opened. Its keys wait as long.
AGAIN_S = 30.0
# While the store does not say which account it is.
UNREAD_S = 1.0
# How often to look whether an account that is held back still is.
HELD_S = 1.0
WHY = {PAUSED: "the account is paused", SEALED: "no key opens the account's credentials"}


class Outlet:
    """The sender of a channel, opened when it is first needed and tried again until that succeeds.

    `standing`: which account is in force; None: for ever the one that was opened. When it is another one, what was begun is
    finished with the sender that began it.
    """

    def __init__(
        self,
        channel: str,
        settings: Settings,
        opens: Callable[[], Sender],
        again_s: float = AGAIN_S,
        standing: Callable[[], InForce] | None = None,
    ) -> None:
        self.sender: Sender | None = None
        self.again_s = again_s
        self._channel, self._settings, self._opens, self._standing = channel, settings, opens, standing
        self._tried_at = -again_s
        self._signals: Signals | None = None
        self._attempts: Counter[Sender] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def opened(self) -> bool:
        """Whether there is a sender. Tries to open the account where the last try is some time ago."""
        before = self._outdated()
        if self.sender is None and (before or time.monotonic() - self._tried_at >= self.again_s):
            self._tried_at = time.monotonic()
            try:
                self.sender = self._opens()
            except Temporary as outage:
                self._tried_at += UNREAD_S - self.again_s
                log.warning("account_unread", channel=self._channel, reason=outage.reason)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an account, only what it sends waits for it
                log.error("account_unopened", channel=self._channel, error=type(error).__name__)
        if before and self.sender:
            self.sender.follows(before)
        return self.sender is not None

    @property
    def stopped_by(self) -> str:
        """Why nothing is sent from the account, although it is there; empty: it is."""
        return self._standing().stopped_by if self._standing and self.sender else ""

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Try a delivery once; without an account it waits, and ends when it is too old."""
        sender = self.sender if self.opened else None
        if sender and (row.facts.ended or not self.stopped_by):
            if self._was_removed(row):
                return refused(row, REMOVED, "the account that it was to be sent from was removed")
            return await self._tried(sender, row, refusals, hold)
        ends = ends_of(row, self._settings)
        if now_ms() >= ends and not row.facts.ended:
            return refused(row, "expired", WHY.get(self.stopped_by, "the account could not be opened"))
        wait_s = HELD_S if sender else self.again_s
        return within_life(Wait(now_ms() + int(wait_s * 1000), refusals), ends)

    async def _tried(self, sender: Sender, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        self._attempts[sender] += 1
        try:
            return await sender.attempt(row, refusals, hold)
        finally:
            self._attempts[sender] -= 1
            if sender is not self.sender and not self._attempts[sender]:
                self._let_go(sender)

    def _was_removed(self, row: Delivery) -> bool:
        removed_at = self._standing().removed_at if self._standing else 0
        return row.accepted_at <= removed_at and not row.facts.ended

    def _outdated(self) -> Sender | None:
        """The sender that there was, where another account, or the same with other credentials, is in force by now."""
        before = self.sender
        if before is None or self._standing is None or self._standing().channel is before.channel:
            return None
        self.sender = None
        if not self._attempts[before]:
            self._let_go(before)
        return before

    def _let_go(self, sender: Sender) -> None:
        """Close a sender that nothing uses any more, with what it shows in passing."""
        del self._attempts[sender]
        signals, self._signals = self._signals, None

        async def closed() -> None:
            if signals:
                await signals.close()
            await sender.close()

        task = asyncio.get_running_loop().create_task(closed())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def told_again(self, row: Delivery) -> Ended | None:
        """As the sender has it. Only where `opened`."""
        return self.sender.told_again(row) if self.sender else None

    def closed_s(self) -> float | None:
        """As the sender has it. Without one all goes through, to be written down."""
        if self.stopped_by:
            return HELD_S
        return self.sender.throttle.closed_s() if self.sender else None

    def show(self, signal: Signal) -> None:
        """Show something in passing, or drop it. On the loop; does not block."""
        if not (self.opened and self.sender) or self.stopped_by:
            came_to(signal, "dropped")
            return
        self._signals = self._signals or self.sender.signals()
        self._signals.show(signal)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._signals:
            await self._signals.close()
        for each in (self.sender, *self._attempts):
            if each:
                await each.close()
        await asyncio.gather(*self._leaving, return_exceptions=True)


class Outlets:
    """The ways out of this process, one for each channel that was asked for."""

    def __init__(self, settings: Settings, opens: Callable[[str], Sender], live: LiveChannels | None = None) -> None:
        """`opens` gives a channel's sender; whatever it raises, the account could not be opened. `live`: closed with them."""
        self._settings, self._opens, self._live = settings, opens, live
        self._outlets: dict[str, Outlet] = {}

    def of(self, channel: str) -> Outlet:
        """The channel's way out."""
        if channel not in self._outlets:
            live = self._live
            standing = (lambda: live.in_force(channel)) if live else None
            self._outlets[channel] = Outlet(channel, self._settings, lambda: self._opens(channel), standing=standing)
        return self._outlets[channel]

    def senders(self) -> list[tuple[str, Sender]]:
        """Those that could be opened, by channel."""
        return [(channel, each.sender) for channel, each in list(self._outlets.items()) if each.sender]

    def unopened(self) -> dict[str, bool]:
        """Whether each channel's account could not be opened."""
        return {channel: each.sender is None or each.stopped_by == SEALED for channel, each in list(self._outlets.items())}

    def paused(self) -> dict[str, bool]:
        """Whether each channel's account is paused."""
        return {channel: each.stopped_by == PAUSED for channel, each in list(self._outlets.items())}

    async def close(self) -> None:
        """Let go of their connections."""
        for each in self._outlets.values():
            await each.close()
        if self._live:
            self._live.close()
