"""The lanes that this process holds: taking, renewing and releasing them. One asyncio loop in a thread of its own.

A lease is compared as a whole, and with no clock. Who has seen it unchanged for `lease_s` on its own clock may take it;
the holder stops sending a fifth earlier, counted from before its last successful renewal.
"""

import asyncio
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import uvloop

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.ports import LaneState, Lease
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.lanes.attempt import Sender
from tasks.lanes.lane import LaneWork
from tasks.lanes.lease import is_dead, me, share
from tasks.lanes.outlet import Outlet
from tasks.lanes.writer import Committer
from tasks.resources import Parts

log = logs.logger(__name__)

THREADS = 6
POLL_S = 0.01
POLL_MOST_S = 0.1
POLL_SHARE = 8
WATCH_S = 0.25
DIVIDE_S = 1.0
TRUSTED = 0.8


class Hold:
    """A lease that we hold, for as long as our own clock says that nobody else may have taken it."""

    def __init__(self, lane: Lane, lease: Lease, asked_at: float, lease_s: float, taken_over: bool) -> None:
        """`taken_over`: the holder before did not release the lane, so it may still write."""
        self.lane, self.lease, self.taken_over = lane, lease, taken_over
        self._trusted_s = lease_s * TRUSTED
        self._until = asked_at + self._trusted_s
        self._ended = False

    def valid(self) -> bool:
        """Whether we may still send. Once no, always no: work that has stopped must not find itself half going on."""
        if not self._ended and time.monotonic() >= self._until:
            self._ended = True
            metrics.FENCED_WRITES.of(self.lane.channel, "sends").add()
        return not self._ended

    def renewed(self, lease: Lease, asked_at: float) -> None:
        """The store took our beat, which we asked for at `asked_at`."""
        self.lease, self._until = lease, asked_at + self._trusted_s

    def end(self) -> None:
        """Ours no longer."""
        self._ended = True


class Courier:
    """Takes lanes when poked and works on them. `start` it once per process."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._store = parts, parts.store
        self._lease_s = parts.settings.lease_s
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="courier")
        self._loop = uvloop.new_event_loop()
        self._tasks: dict[Lane, asyncio.Task[None]] = {}
        self._works: dict[Lane, LaneWork] = {}
        self._outlets: dict[str, Outlet] = {}
        self._again: set[Lane] = set()
        self._committer = Committer(parts, self._executor)
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._stopping = False
        self._always: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        metrics.LANES_HELD.from_(lambda: self._by_channel((lane.channel, 1) for lane in list(self._works)))
        metrics.IN_MEMORY.from_(lambda: self._by_channel((lane.channel, work.rows) for lane, work in list(self._works.items())))
        metrics.IN_FLIGHT.from_(lambda: self._by_channel((name, each.calls) for name, each in self._senders()))
        metrics.BREAKER_OPEN.from_(lambda: {(name,): each.is_open for name, each in self._senders()})
        metrics.ACCOUNT_UNOPENED.from_(lambda: {(name,): each.sender is None for name, each in list(self._outlets.items())})
        self._thread.start()

    @staticmethod
    def _by_channel(counted: Iterable[tuple[str, int]]) -> Values:
        found = dict.fromkeys(CHANNELS, 0)
        for channel, number in counted:
            found[channel] = found.get(channel, 0) + number
        return {(channel,): number for channel, number in found.items()}

    def stop(self) -> None:
        """Take nothing more, finish what was begun, release every lane. Blocks for as long as a call may take."""
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(self._parts.settings.provider_timeout_s + 5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        self._executor.shutdown(wait=True)

    def poke(self, lane: Lane) -> None:
        """Look at this lane soon. Does not block; from any thread."""
        self._loop.call_soon_threadsafe(self._poked, lane)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._always = [self._loop.create_task(each) for each in (self._committer.run(), self._poll(), self._divide())]
        self._loop.run_forever()

    def _poked(self, lane: Lane) -> None:
        if self._stopping:
            return
        if lane in self._tasks:
            self._again.add(lane)
            return
        self._tasks[lane] = self._loop.create_task(self._look(lane))

    async def _finish(self) -> None:
        self._stopping = True
        for work in self._works.values():
            work.stop()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for task in self._always:
            task.cancel()
        await asyncio.gather(*self._always, return_exceptions=True)
        for _, sender in self._senders():
            await sender.close()

    async def _look(self, lane: Lane) -> None:
        try:
            while not self._stopping:
                self._again.discard(lane)
                hold = await self._take(lane)
                if hold:
                    await self._work(hold)
                elif lane not in self._again:
                    return
        except Temporary as outage:
            log.warning("lane_unreachable", lane=str(lane), reason=outage.reason)
        except Exception:
            log.exception("lane_failed", lane=str(lane))
        finally:
            del self._tasks[lane]

    async def _state(self, lane: Lane) -> LaneState:
        states = await self._loop.run_in_executor(self._executor, self._store.lanes, [lane])
        return states[lane]

    async def _has_work(self, state: LaneState) -> bool:
        if state.fanned > state.cursor:
            return True
        now = now_ms()
        return bool(await self._loop.run_in_executor(self._executor, self._store.due, [state.lane], now))

    async def _swap(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        return await self._loop.run_in_executor(self._executor, self._store.swap_lease, lane, seen, wanted)

    # Taking

    async def _take(self, lane: Lane) -> Hold | None:
        """The lane, if it has work and nobody alive holds it."""
        state = await self._state(lane)
        first, since = state.lease, time.monotonic()
        while await self._has_work(state):
            seen = state.lease
            if seen != first:
                return None
            free = not seen.holder or is_dead(seen.holder) or time.monotonic() - since >= self._lease_s
            if free:
                return await self._take_from(lane, seen)
            await asyncio.sleep(WATCH_S)
            state = await self._state(lane)
        return None

    async def _take_from(self, lane: Lane, seen: Lease) -> Hold | None:
        wanted = seen.taken_by(me(), now_ms())
        asked_at = time.monotonic()
        if not await self._swap(lane, seen, wanted):
            return None
        if seen.holder:
            metrics.LANES_TAKEN_OVER.of(lane.channel).add()
            log.warning("lane_taken_over", lane=str(lane), fence=wanted.fence)
        return Hold(lane, wanted, asked_at, self._lease_s, taken_over=bool(seen.holder))

    # Holding

    async def _work(self, hold: Hold) -> None:
        lane, done = hold.lane, asyncio.Event()
        renewing = self._loop.create_task(self._renew(hold, done))
        try:
            work = LaneWork(
                await self._state(lane),
                self._store,
                self._committer,
                self._outlet(lane.channel),
                self._executor,
                hold.valid,
                hold.lease.fence,
                hold.taken_over,
            )
            self._works[lane] = work
            await work.run(self._parts.settings.linger_ms / 1000)
        finally:
            self._works.pop(lane, None)
            # Not cancelled: a beat under way would be taken all the same, and the release would compare with the one before.
            done.set()
            await renewing
        if hold.valid():
            await self._release(hold)
            self._again.add(lane)

    async def _release(self, hold: Hold) -> None:
        """Free at once for the next holder, who would have to wait for the lease to end otherwise."""
        hold.end()
        if not await self._swap(hold.lane, hold.lease, _free(hold.lease)) and await self._still_ours(hold):
            await self._swap(hold.lane, hold.lease, _free(hold.lease))

    def _outlet(self, channel: str) -> Outlet:
        if channel not in self._outlets:
            self._outlets[channel] = Outlet(channel, self._parts.settings, lambda: self._opened(channel))
        return self._outlets[channel]

    def _opened(self, channel: str) -> Sender:
        return Sender(self._parts, open_channel(channel, self._parts.settings), self._committer, self._executor)

    def _senders(self) -> list[tuple[str, Sender]]:
        return [(name, each.sender) for name, each in list(self._outlets.items()) if each.sender]

    async def _renew(self, hold: Hold, done: asyncio.Event) -> None:
        """Beat until the lane is lost or `done`."""
        while not await _is_set(done, self._lease_s / 5):
            wanted = Lease(hold.lease.holder, hold.lease.fence, hold.lease.beat + 1)
            asked_at = time.monotonic()
            try:
                if await self._swap(hold.lane, hold.lease, wanted):
                    hold.renewed(wanted, asked_at)
                elif not await self._still_ours(hold):
                    return
            except Temporary as outage:
                log.warning("lease_not_renewed", lane=str(hold.lane), reason=outage.reason)

    async def _still_ours(self, hold: Hold) -> bool:
        """After a refused beat: an earlier one, whose answer was lost, may have been taken. Otherwise we lost the lane."""
        lease = (await self._state(hold.lane)).lease
        if (lease.holder, lease.fence) == (hold.lease.holder, hold.lease.fence):
            hold.lease = lease
            return True
        hold.end()
        metrics.FENCED_WRITES.of(hold.lane.channel, "beat").add()
        log.warning("lane_lost", lane=str(hold.lane), fence=hold.lease.fence)
        return False

    async def _poll(self) -> None:
        """Tell held lanes how far rows exist: one read for all of them. A store that answers slowly is asked less often."""
        took = 0.0
        while True:
            await asyncio.sleep(min(POLL_MOST_S, max(POLL_S, took * POLL_SHARE)))
            begun = time.monotonic()
            works = dict(self._works)
            if not works:
                continue
            try:
                fanned = await self._loop.run_in_executor(self._executor, self._store.fanned, list(works))
            except Temporary:
                await asyncio.sleep(POLL_S * 50)
                continue
            took = time.monotonic() - begun
            for lane, work in works.items():
                work.fanned(fanned[lane])

    async def _divide(self) -> None:
        """Divide each account's rate among those who send from it, by the lanes that they hold."""
        while True:
            await asyncio.sleep(DIVIDE_S)
            if not self._works:
                continue
            try:
                states = await self._loop.run_in_executor(self._executor, self._store.lanes)
            except Temporary:
                continue
            for channel, sender in self._senders():
                sender.share = share(states, channel, me()) or sender.share


def _free(lease: Lease) -> Lease:
    return Lease("", lease.fence, lease.beat + 1)


async def _is_set(event: asyncio.Event, within_s: float) -> bool:
    """Wait for an event, so long at most."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True
