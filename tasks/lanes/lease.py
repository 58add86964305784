"""The lease of a lane: which process may send on it. One process at a time; clocks of different processes are not compared.

A lease is compared as a whole. A process that has seen it unchanged for `lease_s` on its own clock may take it; the holder
stops sending a fifth earlier, counted from before its last successful renewal. The death of a holder on this machine is
seen at once.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.model.liveness import Observed
from chat4all.ports import LaneState, Lease, MessageStore, stamps_of
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

PROC = Path("/proc")

# How often the lease of another is looked at: twenty looks in a lease of 5 s, so that a lane is free for that much at most.
WATCH_S = 0.25
# The part of a lease for which its holder believes in it. The rest is for a call to leave that was decided on, and for clocks
# of two machines that do not run equally fast.
TRUSTED = 0.8
# A lease is renewed so many times while it lasts: three beats in a row may be lost before its holder gives it up.
BEATS = 5
# A holder with fewer stamps left lets the lane go: what is in its memory may still need one each, to say that its keys wait.
STAMPS_SPARED = 2000


class Hold:
    """The right to send on a lane. The one answer to "is it still ours?", for whatever is about to be begun, sent or written.

    `goes_on` is asked before something is begun; `valid` last, right before a call leaves or a word about the lane is written.
    """

    def __init__(
        self,
        lane: Lane,
        lease: Lease,
        asked_at: float,
        lease_s: float,
        taken_over: bool,
        clock: Callable[[], float] = time.monotonic,
        spared: int = STAMPS_SPARED,
    ) -> None:
        """`asked_at`: when the store was asked, on `clock`. `taken_over`: the holder before did not release the lane."""
        self.lane, self.lease, self.taken_over = lane, lease, taken_over
        self._clock, self._trusted_s = clock, lease_s * TRUSTED
        self._until = asked_at + self._trusted_s
        self._ended = self._stopped = False
        self._stamps = iter(stamps_of(lease.fence))
        self._last_stamp = stamps_of(lease.fence)[-1] - spared

    def valid(self) -> bool:
        """Whether we may still send. Once no, always no: work that has stopped must not find itself half going on."""
        if not self._ended and self._clock() >= self._until:
            self._ended = True
            metrics.FENCED_WRITES.of(self.lane.channel, "sends").add()
        return not self._ended

    def goes_on(self) -> bool:
        """Whether something new may be begun."""
        return self.valid() and not self._stopped

    def stop(self) -> None:
        """Begin nothing more: what is under way is finished, and the lane let go."""
        self._stopped = True

    def end(self) -> None:
        """Ours no longer."""
        self._ended = True

    def renewed(self, lease: Lease, asked_at: float) -> None:
        """The store took our beat, which we asked for at `asked_at`."""
        self.lease, self._until = lease, asked_at + self._trusted_s

    def stamp(self) -> int:
        """The place of our next word about a key. Who has said nearly all that one holder may say begins nothing more."""
        stamp = next(self._stamps)
        if stamp >= self._last_stamp:
            self.stop()
        return stamp


class Leases:
    """Takes, renews and releases lanes for this process. Lives on one asyncio loop; the store is called in threads."""

    def __init__(
        self, store: MessageStore, executor: Executor, lease_s: float, wanted: Callable[[], bool] = lambda: False
    ) -> None:
        """`wanted`: whether lanes are to be held even without rows that say so."""
        self._wanted = wanted
        self._store, self._executor, self._lease_s = store, executor, lease_s
        self.holder = me()

    async def state(self, lane: Lane) -> LaneState:
        """How far the lane is, and who holds it."""
        states = await asyncio.get_running_loop().run_in_executor(self._executor, self._store.lanes, [lane])
        return states[lane]

    async def take(self, lane: Lane) -> Hold | None:
        """The lane, if it has work and nobody alive holds it."""
        state, observed = await self.state(lane), Observed[Lease]()
        observed.look(state.lease)
        while await self._has_work(state):
            seen = state.lease
            if observed.look(seen):
                return None
            if not seen.holder or is_dead(seen.holder) or observed.unchanged_s >= self._lease_s:
                return await self._take_from(lane, seen)
            await asyncio.sleep(WATCH_S)
            state = await self.state(lane)
        return None

    async def keep(self, hold: Hold, done: asyncio.Event) -> None:
        """Beat until the lane is lost or `done`."""
        while not await _is_set(done, self._lease_s / BEATS):
            wanted = Lease(hold.lease.holder, hold.lease.fence, hold.lease.beat + 1)
            asked_at = time.monotonic()
            try:
                if await self._swap(hold.lane, hold.lease, wanted):
                    hold.renewed(wanted, asked_at)
                elif not await self._still_ours(hold):
                    return
            except Temporary as outage:
                log.warning("lease_not_renewed", lane=str(hold.lane), reason=outage.reason)

    async def work_on(self, hold: Hold, work: Awaitable[None]) -> bool:
        """Do this while the lane is renewed, then let it go. Whether it was ours until then."""
        done = asyncio.Event()
        renewing = asyncio.get_running_loop().create_task(self.keep(hold, done))
        try:
            await work
        finally:
            # Not cancelled: a beat under way would be taken all the same, and the release would compare with the one before.
            done.set()
            await renewing
        if not hold.valid():
            return False
        await self.release(hold)
        return True

    async def release(self, hold: Hold) -> None:
        """Free at once for the next holder, who would have to wait for the lease to end otherwise."""
        hold.end()
        if not await self._swap(hold.lane, hold.lease, _free(hold.lease)) and await self._still_ours(hold):
            await self._swap(hold.lane, hold.lease, _free(hold.lease))

    async def _has_work(self, state: LaneState) -> bool:
        if state.fanned > state.cursor or self._wanted():
            return True
        now = now_ms()
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._executor, self._store.due, [state.lane], now):
            return True
        openings = await loop.run_in_executor(self._executor, self._store.openings)
        return any(each.key.lane == state.lane for each in openings)

    async def _take_from(self, lane: Lane, seen: Lease) -> Hold | None:
        wanted = seen.taken_by(self.holder, now_ms())
        asked_at = time.monotonic()
        if not await self._swap(lane, seen, wanted):
            return None
        if seen.holder:
            metrics.LANES_TAKEN_OVER.of(lane.channel).add()
            log.warning("lane_taken_over", lane=str(lane), fence=wanted.fence)
        return Hold(lane, wanted, asked_at, self._lease_s, taken_over=bool(seen.holder))

    async def _still_ours(self, hold: Hold) -> bool:
        """After a refused beat: an earlier one, whose answer was lost, may have been taken. Otherwise we lost the lane."""
        lease = (await self.state(hold.lane)).lease
        if (lease.holder, lease.fence) == (hold.lease.holder, hold.lease.fence):
            hold.lease = lease
            return True
        hold.end()
        metrics.FENCED_WRITES.of(hold.lane.channel, "beat").add()
        log.warning("lane_lost", lane=str(hold.lane), fence=hold.lease.fence)
        return False

    async def _swap(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._store.swap_lease, lane, seen, wanted)


def _free(lease: Lease) -> Lease:
    return Lease("", lease.fence, lease.beat + 1)


async def _is_set(event: asyncio.Event, within_s: float) -> bool:
    """Wait for an event, so long at most."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True


def me() -> str:
    """This process: machine (this boot, these process ids), process id and start time: never another one's name."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(holder: str) -> bool:
    """Whether this holder certainly does not run any more. False when we cannot know."""
    machine, _, process = holder.partition("/")
    pid, _, started = process.partition("/")
    if not pid.isdigit() or not machine or machine != _machine():
        return False
    try:
        return _started(int(pid)) != started
    except OSError:
        return False


def share(lanes: Mapping[Lane, LaneState], channel: str, holder: str) -> float:
    """Which part of a channel's held lanes are this holder's: 0 to 1. All of it where nobody holds any."""
    holders = [state.lease.holder for lane, state in lanes.items() if lane.channel == channel and state.lease.holder]
    return holders.count(holder) / len(holders) if holders else 1.0


def _machine() -> str:
    """Names a set of process ids: the boot and the pid namespace. Empty where the system does not tell."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{boot}:{namespace}"


def _started(pid: int) -> str:
    """When the process began, in ticks since boot; empty when there is none, or only its corpse. OSError: cannot be known."""
    try:
        after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]
