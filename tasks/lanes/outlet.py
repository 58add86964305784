"""The senders of accounts, opened when they are first needed. While one cannot be used, only its own deliveries wait."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery
from chat4all.model.failures import Temporary
from chat4all.model.signals import Signal
from chat4all.services.accounts.live import PAUSED, REMOVED, SEALED, UNKNOWN, InForce, LiveChannels
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
WHY = {
    PAUSED: "the account is paused",
    SEALED: "no key opens the account's credentials",
    UNKNOWN: "nobody knows the account",
}


class Outlet:
    """The sender of an account, opened when it is first needed and tried again until that succeeds.

    `standing`: how it stands with the account; None: for ever as it was opened. When it has other credentials, what was begun
    is finished with the sender that began it.
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
        if self.sender:
            self._keep_to_limits(self.sender)
        return self.sender is not None

    def _keep_to_limits(self, sender: Sender) -> None:
        """As the account has them now. Costs nothing while they are the same."""
        account = self._standing().account if self._standing else None
        if account and account.limits != sender.throttle.limits:
            sender.limit(account.limits)

    @property
    def stopped_by(self) -> str:
        """Why nothing is sent from the account, although it is there; empty: it is."""
        return self._standing().suspended_for if self._standing and self.sender else ""

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Try a delivery once; without an account it waits, and ends when it is too old."""
        sender = self.sender if self.opened else None
        if sender and (row.facts.ended or not self.stopped_by):
            return await self._tried(sender, row, refusals, hold)
        if sender and self.stopped_by == REMOVED:
            return refused(row, REMOVED, "the account that it was to be sent from was removed")
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

    def passes(self, row: Delivery) -> bool:
        """As the sender has it."""
        return self.sender is None or self.sender.passes(row)

    async def is_shut(self, row: Delivery) -> bool:
        """As the sender has it: whether what was just held is still to be."""
        return self.sender is None or await self.sender.is_shut(row)

    def told_again(self, row: Delivery) -> Ended | None:
        """As the sender has it. Only where `opened`."""
        return self.sender.told_again(row) if self.sender else None

    def closed_s(self) -> float | None:
        """As the sender has it. Without one all goes through, to be written down."""
        if self.stopped_by:
            return None if self.stopped_by == REMOVED else HELD_S
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


class Ways:
    """A channel's ways out: an outlet for each account that something is sent from."""

    def __init__(self, channel: str, opens: Callable[[str], Outlet], live: LiveChannels | None = None) -> None:
        """`opens` makes the outlet of an account; empty: the environment's."""
        self.outlets: dict[str, Outlet] = {}
        self._channel, self._opens, self._live = channel, opens, live

    def of(self, account: str) -> Outlet:
        """The account's way out."""
        outlet = self.outlets.get(account)
        if outlet is None:
            outlet = self.outlets[account] = self._opens(account)
        return outlet

    @property
    def several(self) -> bool:
        """Whether the channel sends from more than one account: then none may take all places."""
        return len(self.outlets) > 1 or (self._live is not None and self._live.has_several(self._channel))


class Outlets:
    """The ways out of this process, of each channel that was asked for."""

    def __init__(self, settings: Settings, opens: Callable[[str, str], Sender], live: LiveChannels | None = None) -> None:
        """`opens` gives the sender of an account; whatever it raises, it could not be opened. `live`: closed with them."""
        self._settings, self._opens, self._live = settings, opens, live
        self._ways: dict[str, Ways] = {}

    def of(self, channel: str) -> Ways:
        """The channel's ways out."""
        if channel not in self._ways:
            self._ways[channel] = Ways(channel, lambda account: self._outlet(channel, account), self._live)
        return self._ways[channel]

    def _outlet(self, channel: str, account: str) -> Outlet:
        live = self._live
        standing = (lambda: live.of(channel, account)) if live else None
        return Outlet(channel, self._settings, lambda: self._opens(channel, account), standing=standing)

    def show(self, signal: Signal) -> None:
        """Show something in passing, or drop it. On the loop; does not block."""
        self.of(signal.channel).of(self._account(signal)).show(signal)

    def _account(self, signal: Signal) -> str:
        """What we call the account that shows it; the environment's where that cannot be told, which drops it then."""
        if self._live is None:
            return ""
        try:
            named = self._live.named(signal.channel, signal.account) if signal.account else None
            return (named or self._live.in_force(signal.channel)).account_id
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an account, only what it shows is dropped
            log.warning("account_unopened", channel=signal.channel, error=type(error).__name__)
            return ""

    def _all(self) -> list[tuple[str, Outlet]]:
        return [(channel, each) for channel, ways in list(self._ways.items()) for each in list(ways.outlets.values())]

    def senders(self) -> list[tuple[str, Sender]]:
        """Those that could be opened, by channel."""
        return [(channel, each.sender) for channel, each in self._all() if each.sender]

    def unopened(self) -> dict[str, bool]:
        """Whether an account of each channel could not be opened."""
        return _any((channel, each.sender is None or each.stopped_by in {SEALED, UNKNOWN}) for channel, each in self._all())

    def paused(self) -> dict[str, bool]:
        """Whether an account of each channel is paused."""
        return _any((channel, each.stopped_by == PAUSED) for channel, each in self._all())

    def broken(self) -> dict[str, bool]:
        """Whether the breaker of an account of each channel is open."""
        return _any((channel, each.throttle.breaker.is_open) for channel, each in self.senders())

    async def close(self) -> None:
        """Let go of their connections."""
        for _, each in self._all():
            await each.close()
        if self._live:
            self._live.close()


def _any(said: Iterable[tuple[str, bool]]) -> dict[str, bool]:
    """By channel, whether it is said of one of its accounts."""
    found: dict[str, bool] = {}
    for channel, is_so in said:
        found[channel] = found.get(channel, False) or is_so
    return found
