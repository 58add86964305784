"""The lanes that this process holds, on one asyncio loop in a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import uvloop

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.model.signals import Signal
from chat4all.ports import Channel
from chat4all.services.accounts.live import LiveChannels
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.lanes.attempt import Sender
from tasks.lanes.lane import LaneWork
from tasks.lanes.lane_tasks import LaneTasks
from tasks.lanes.lease import Hold, Leases, share
from tasks.lanes.outlet import Outlets
from tasks.lanes.signals import came_to
from tasks.lanes.writer import Writer
from tasks.resources import Parts

log = logs.logger(__name__)

# For calls to the store: one for the writer, the others for reads and leases, so that a slow page keeps no lease from its beat.
THREADS = 6
# How often to ask how far rows of held lanes exist. That is what a message waits for on its way to a lane that is idle.
POLL_S = 0.01
# At most so long, and eight times what the last answer took: a store that answers slowly is asked less often.
POLL_MOST_S = 0.1
POLL_SHARE = 8
# How often to ask which held keys are to be looked at.
OPENINGS_S = 0.2
# How long to leave a store alone that is away.
AWAY_S = 0.5
# How often accounts' rates are divided among those who send from them. Until then a new one may send at the full rate.
DIVIDE_S = 1.0
# What may be left to be done, beyond a call's time limit, when the process is told to stop.
STOP_S = 5


class LaneRunner:
    """Takes lanes when woken and works on them. `start` it once per process."""

    def __init__(self, parts: Parts, opens: Callable[..., Channel] = open_channel, live: LiveChannels | None = None) -> None:
        """`live`: the accounts as this process watches them; None: it watches them itself. Either is closed with it."""
        self._parts = parts
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="lanes")
        self._leases = Leases(parts.store, self._executor, parts.settings.lease_s)
        self._writer = writer = Writer(parts, self._executor)
        live = live or LiveChannels(parts.settings, parts.store, opens)
        self.outlets = Outlets(
            parts.settings,
            lambda channel, account: Sender(parts, live.of(channel, account).channel, writer, self._executor),
            live,
        )
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lanes", daemon=True)
        self._always: list[asyncio.Task[None]] = []
        self._tasks = LaneTasks()
        self._works: dict[Lane, LaneWork] = {}
        self._again: set[Lane] = set()
        self._stopping = False

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        metrics.LANES_HELD.from_(lambda: _by_channel((lane.channel, 1) for lane in list(self._works)))
        metrics.IN_MEMORY.from_(lambda: _by_channel((lane.channel, work.rows) for lane, work in list(self._works.items())))
        metrics.IN_FLIGHT.from_(lambda: _by_channel((name, each.calls.under_way) for name, each in self.outlets.senders()))
        metrics.BREAKER_OPEN.from_(lambda: {(name,): is_open for name, is_open in self.outlets.broken().items()})
        metrics.ACCOUNT_UNOPENED.from_(lambda: {(name,): unopened for name, unopened in self.outlets.unopened().items()})
        metrics.ACCOUNT_PAUSED.from_(lambda: {(name,): paused for name, paused in self.outlets.paused().items()})
        self._thread.start()

    def stop(self, beyond_s: float = STOP_S) -> None:
        """Take nothing more, finish what was begun, release every lane. Blocks for as long as a call may take, and `beyond_s`.

        What cannot be finished by then, as in an outage of the store, is cut off: the next holder finds it begun.
        """
        patience_s = self._longest_s + beyond_s
        asyncio.run_coroutine_threadsafe(self._finish(patience_s), self._loop).result(patience_s + beyond_s)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(beyond_s)
        self._loop.close()
        self._executor.shutdown(wait=True)

    @property
    def _longest_s(self) -> float:
        """How long a call that was begun may still take."""
        longest_s = max((each.calls.left_s() for _, each in self.outlets.senders()), default=0.0)
        return max(self._parts.settings.provider_timeout_s, longest_s)

    def wake(self, lane: Lane) -> None:
        """Look at this lane soon. Does not block; from any thread."""
        self._loop.call_soon_threadsafe(self._woken, lane)

    def signal(self, signal: Signal) -> None:
        """Show this at once, or never. Does not block; from any thread."""
        self._loop.call_soon_threadsafe(self._signalled, signal)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._always = [
            self._loop.create_task(each) for each in (self._writer.run(), self._poll(), self._divide(), self._poll_openings())
        ]
        self._loop.run_forever()

    def _woken(self, lane: Lane) -> None:
        if self._stopping:
            return
        if lane in self._tasks:
            self._again.add(lane)
            return
        self._tasks.begin(lane, self._look)

    def _signalled(self, signal: Signal) -> None:
        if self._stopping:
            came_to(signal, "dropped")
        else:
            self.outlets.show(signal)

    async def _finish(self, patience_s: float) -> None:
        self._stopping = True
        for work in self._works.values():
            work.stop()
        left = self._tasks.all()
        if left:
            _, late = await asyncio.wait(left, timeout=patience_s)
            if late:
                log.warning("lanes_cut_off", lanes=len(late))
        ending = [*left, *self._always]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self.outlets.close()

    async def _look(self, lane: Lane) -> None:
        """Take the lane if it has work and is free, work on it, and look again."""
        while not self._stopping:
            self._again.discard(lane)
            hold = await self._leases.take(lane)
            if hold:
                if await self._leases.work_on(hold, self._work(hold)):
                    # What came between the last look at the lane and its release was not woken: the lane was held.
                    self._again.add(lane)
            elif lane not in self._again:
                return

    async def _work(self, hold: Hold) -> None:
        lane = hold.lane
        try:
            state = await self._leases.state(lane)
            ways = self.outlets.of(lane.channel)
            work = LaneWork(state, hold, self._parts.store, self._writer, ways, self._executor)
            self._works[lane] = work
            await work.run(self._parts.settings.linger_ms / 1000)
        finally:
            self._works.pop(lane, None)

    async def _poll(self) -> None:
        """Tell held lanes how far rows exist: one read for all of them."""
        took = 0.0
        while True:
            await asyncio.sleep(min(POLL_MOST_S, max(POLL_S, took * POLL_SHARE)))
            begun = time.monotonic()
            works = dict(self._works)
            if not works:
                continue
            try:
                fanned = await self._loop.run_in_executor(self._executor, self._parts.store.fanned, list(works))
            except Temporary:
                await asyncio.sleep(AWAY_S)
                continue
            took = time.monotonic() - begun
            for lane, work in works.items():
                work.fanned(fanned[lane])

    async def _poll_openings(self) -> None:
        """Tell held lanes which of their keys may go on: one read for all of them."""
        while True:
            await asyncio.sleep(OPENINGS_S)
            if not self._works:
                continue
            try:
                openings = await self._loop.run_in_executor(self._executor, self._parts.store.openings)
            except Temporary:
                await asyncio.sleep(AWAY_S)
                continue
            for work in list(self._works.values()):
                work.opened(openings)

    async def _divide(self) -> None:
        """Divide each account's rate among those who send from it, by the lanes that they hold."""
        while True:
            await asyncio.sleep(DIVIDE_S)
            if not self._works:
                continue
            try:
                states = await self._loop.run_in_executor(self._executor, self._parts.store.lanes)
            except Temporary:
                continue
            for channel, sender in self.outlets.senders():
                sender.throttle.share = share(states, channel, self._leases.holder) or sender.throttle.share


def _by_channel(counted: Iterable[tuple[str, int]]) -> Values:
    """How many of each channel; 0 for those of which there are none."""
    found = dict.fromkeys(CHANNELS, 0)
    for channel, number in counted:
        found[channel] = found.get(channel, 0) + number
    return {(channel,): number for channel, number in found.items()}
