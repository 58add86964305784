"""The sender of a channel, opened when it is first needed. While its account cannot be opened, only its own deliveries wait."""

import time
from collections.abc import Callable

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery
from chat4all.model.signals import Signal
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


class Outlet:
    """The sender of a channel, opened when it is first needed and tried again until that succeeds."""

    def __init__(self, channel: str, settings: Settings, opens: Callable[[], Sender], again_s: float = AGAIN_S) -> None:
        self.sender: Sender | None = None
        self.again_s = again_s
        self._channel, self._settings, self._opens = channel, settings, opens
        self._tried_at = -again_s
        self._signals: Signals | None = None

    @property
    def opened(self) -> bool:
        """Whether something can be sent. Tries to open the account where the last try is some time ago."""
        if self.sender is None and time.monotonic() - self._tried_at >= self.again_s:
            self._tried_at = time.monotonic()
            try:
                self.sender = self._opens()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an account, only what it sends waits for it
                log.error("account_unopened", channel=self._channel, error=type(error).__name__)
        return self.sender is not None

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Try a delivery once; without an account it waits, and ends when it is too old."""
        if self.opened and self.sender:
            return await self.sender.attempt(row, refusals, hold)
        ends = ends_of(row, self._settings)
        if now_ms() >= ends and not row.facts.ended:
            return refused(row, "expired", "the account could not be opened")
        return within_life(Wait(now_ms() + int(self.again_s * 1000), refusals), ends)

    def told_again(self, row: Delivery) -> Ended | None:
        """As the sender has it. Only where `opened`."""
        return self.sender.told_again(row) if self.sender else None

    def closed_s(self) -> float | None:
        """As the sender has it. Without one all goes through, to be written down."""
        return self.sender.throttle.closed_s() if self.sender else None

    def show(self, signal: Signal) -> None:
        """Show something in passing, or drop it. On the loop; does not block."""
        if not (self.opened and self.sender):
            came_to(signal, "dropped")
            return
        self._signals = self._signals or self.sender.signals()
        self._signals.show(signal)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._signals:
            await self._signals.close()
        if self.sender:
            await self.sender.close()


class Outlets:
    """The ways out of this process, one for each channel that was asked for."""

    def __init__(self, settings: Settings, opens: Callable[[str], Sender]) -> None:
        """`opens` gives a channel's sender; whatever it raises, the account could not be opened."""
        self._settings, self._opens = settings, opens
        self._outlets: dict[str, Outlet] = {}

    def of(self, channel: str) -> Outlet:
        """The channel's way out."""
        if channel not in self._outlets:
            self._outlets[channel] = Outlet(channel, self._settings, lambda: self._opens(channel))
        return self._outlets[channel]

    def senders(self) -> list[tuple[str, Sender]]:
        """Those that could be opened, by channel."""
        return [(channel, each.sender) for channel, each in list(self._outlets.items()) if each.sender]

    def unopened(self) -> dict[str, bool]:
        """Whether each channel's account could not be opened."""
        return {channel: each.sender is None for channel, each in list(self._outlets.items())}

    async def close(self) -> None:
        """Let go of their connections."""
        for each in self._outlets.values():
            await each.close()
