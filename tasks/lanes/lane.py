"""Work on one lane: its keys at the same time, each key's deliveries in order of seq. A key that must wait delays no other key.

Rows are read in (cursor, fanned]. A key that must wait, or has more rows than one key may keep in memory, gets a `Waiting` row
before the cursor passes it; its later rows are skipped while reading and found again through its conversation's messages.
What is written here may reach the store long after the lane was lost: docs/decisions/lanes.md says why that does no harm.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import TypeVar

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import LAST_INDEX, Delivery
from chat4all.model.failures import Temporary
from chat4all.ports import LaneState, MessageStore, Waiting
from chat4all.ports.holds import HeldKey, LaneKey, Opening
from chat4all.telemetry import logs
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.deliverer import Deliverer, Ways
from tasks.lanes.keys import Keys, place_of
from tasks.lanes.lane_writes import LaneWrites
from tasks.lanes.lease import Hold
from tasks.lanes.threads import in_thread
from tasks.lanes.timetable import key_of
from tasks.lanes.window import Window
from tasks.lanes.writer import Waits, Writer

log = logs.logger(__name__)

Result = TypeVar("Result")

# How often a lane writes its cursor. So much a new holder reads again.
CURSOR_S = 0.2
# How long to wait for news before the lease and the clock are looked at again.
NEWS_S = 0.05


class LaneWork:
    """The work of one lane while it is held. Lives on one asyncio loop; the store is called in threads."""

    def __init__(
        self,
        state: LaneState,
        hold: Hold,
        store: MessageStore,
        writer: Writer,
        ways: Ways,
        executor: Executor,
        bounds: Bounds = BOUNDS,
    ) -> None:
        """`state` was read after the lane was taken."""
        self._bounds = bounds
        self._hold, self._store, self._ways, self._executor = hold, store, ways, executor
        self._news = asyncio.Event()
        self._window = Window(state.fanned, state.cursor)
        self._keys = Keys(hold.lane, bounds, lambda: ways.several)
        self._writes = LaneWrites(hold, self._window, writer, self._news.set)
        self.deliverer = Deliverer(hold, self._keys, self._window, self._writes, store, ways, executor, bounds)
        self._cursor_at, self._is_loaded = 0.0, False

    def fanned(self, seq: int) -> None:
        """Rows up to this seq exist now."""
        if self._window.grow(seq):
            self._news.set()

    def opened(self, openings: Sequence[Opening]) -> None:
        """A person may have written, in whatever lane: keys that are held may go on. Called again until ours were looked at."""
        mine = [each for each in openings if each.key.lane == self._hold.lane]
        if mine and self._is_loaded:
            self.deliverer.opened(mine)
            self._news.set()

    @property
    def rows(self) -> int:
        """How many deliveries it has in memory."""
        return self._keys.rows

    def stop(self) -> None:
        """Begin nothing more: finish the calls under way, and let the lane go."""
        self._hold.stop()
        self._news.set()

    async def run(self, linger_s: float) -> None:
        """Work until nothing has been left to do for `linger_s`, or the lane is lost; calls that were begun are finished.

        So they are after an error. When it is cancelled they are cut off.
        """
        try:
            await self._work(linger_s)
        except asyncio.CancelledError:
            await self.deliverer.cut_off()
            raise
        except Exception:
            self._hold.stop()
            await self._finished()
            raise

    async def _work(self, linger_s: float) -> None:
        await self._load_waiting()
        idle_since = time.monotonic()
        while self._hold.goes_on():
            try:
                await self._read()
                await self._move_cursor()
            except Temporary as outage:
                log.warning("lane_waits", lane=str(self._hold.lane), reason=outage.reason)
                await asyncio.sleep(self._bounds.outage_s)
            if not self._is_idle():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > linger_s:
                break
            await self._wait_for_news()
        await self._finished()
        await self._move_cursor(now=True)

    async def _finished(self) -> None:
        """Until what was begun is done, and durable."""
        await self.deliverer.finished()
        await self._writes.finished()

    def _is_idle(self) -> bool:
        return self._window.is_clean and not self._keys.has_due(now_ms() + int(self._bounds.soon_s * 1000))

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(NEWS_S):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _load_waiting(self) -> None:
        """Know who waits. After a holder that may still write, in our own words: what it says late then counts no more."""
        found: Sequence[Waiting] = await in_thread(self._executor, self._store.waiting, self._hold.lane)
        held_keys = await in_thread(self._executor, self._held_keys, found) if found else []
        if self._hold.taken_over and found:
            stamp = self._hold.stamp()
            found = [replace(each, stamp=stamp) for each in found]
            await self._writes.write(Waits(found, [replace(each, stamp=stamp) for each in held_keys]))
        self.deliverer.holds(held_keys)
        for waiting in found:
            self._keys.wait(waiting)
        self._is_loaded = True
        self.opened(await in_thread(self._executor, self._store.openings))
        self.deliverer.serve()

    def _held_keys(self, waiting: Sequence[Waiting]) -> list[HeldKey]:
        """Those of the keys that wait that are held. Blocks."""
        keys = {LaneKey(each.lane, each.conversation_id, each.address, each.account) for each in waiting}
        return [each for each in self._store.held_keys([each.place for each in keys]) if each.key in keys]

    async def _read(self) -> None:
        """Take in rows while there are any and there is room; write down the keys that have too many."""
        window, most = self._window, self._bounds.read_rows
        while self._keys.has_place() and window.has_unread and self._hold.goes_on():
            up_to = window.fanned
            rows = await in_thread(self._executor, self._store.lane_rows, self._hold.lane, window.read, up_to, most)
            overflow = [(row, waiting) for row in rows if (waiting := self._take(row))]
            window.pass_to(place_of(rows[-1]) if len(rows) == most else (up_to, LAST_INDEX))
            self.deliverer.serve()
            if overflow:
                await self._write_down(overflow)

    def _take(self, row: Delivery) -> Waiting | None:
        """Take in a row. What is to be written down, if its key waits from it on: it is open until that is done."""
        if row.facts.ended and self._ways.of(row.account).opened:
            self._tell_again(row)
            return None
        if self._keys.covers(row):
            self.deliverer.passed(row)
            return None
        self._window.take(row.key.seq)
        return self._keys.add(row, now_ms())

    def _tell_again(self, row: Delivery) -> None:
        """An ended row behind the cursor: whoever ended it may have died before it did what follows."""
        again = self._ways.of(row.account).told_again(row)
        if again:
            self._window.take(row.key.seq)
            self._writes.end(row, again)

    async def _write_down(self, overflow: Sequence[tuple[Delivery, Waiting]]) -> None:
        """Have it durable that these rows' keys wait: what follows of them is passed over from now on."""
        await self._writes.write(Waits([self._writes.stamped(waiting) for _, waiting in overflow]))
        for row, waiting in overflow:
            self._writes.close(row)
            self._keys.arm(key_of(waiting))
        self.deliverer.serve()

    async def _move_cursor(self, now: bool = False) -> None:
        """Write how far everything is ended or written down: not at every step, but always before the lane goes.

        Never after the lane was lost: what we wrote down then may have come too late for the next holder to find it.
        """
        if not now and time.monotonic() - self._cursor_at < CURSOR_S:
            return
        reached = self._window.reached()
        if reached > self._window.cursor and self._hold.valid():
            await in_thread(self._executor, self._store.raise_cursor, self._hold.lane, reached, self._hold.lease.fence)
            self._window.cursor, self._cursor_at = reached, time.monotonic()
