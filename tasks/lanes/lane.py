"""Work on one lane: keys side by side, each key's deliveries in order of seq, and who must wait makes nobody else wait.

Rows are read in (cursor, fanned]. A key that must wait, or has more rows than one key may keep in memory, gets a `Waiting` row
before the cursor passes it; its later rows are passed over while reading and found again through its conversation's messages.
What is written here may reach the store long after the lane was lost: docs/decisions/lanes.md says why that does no harm.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol, TypeVar

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import LAST_INDEX, Delivery, Lane
from chat4all.model.failures import Temporary
from chat4all.ports import LaneState, MessageStore, Waiting, stamps_of
from chat4all.telemetry import logs, metrics
from tasks.lanes.attempt import Outcome, Wait
from tasks.lanes.timetable import Key, Timetable, key_of
from tasks.lanes.waiting_rows import Finder, Place
from tasks.lanes.writer import Committer, Note, Owners

log = logs.logger(__name__)

Result = TypeVar("Result")

READ_ROWS = 500
IN_MEMORY = 2000
OF_ONE_KEY = 50
CATCH_UPS = 32
CURSOR_S = 0.2
OUTAGE_S = 0.5
# A key that failed for a reason that nobody foresaw is tried again after 0.5 s, 1 s, 2 s … and so long at most.
FAILED_MOST_S = 60.0
READING_S = 0.01
# A key that is due sooner than this keeps the lane held.
SOON_S = 2.0


class Attempts(Protocol):
    """What a lane needs of a sender."""

    @property
    def opened(self) -> bool:
        """Whether it has an account to send from. Without one it can tell nothing of what was sent, and all its keys wait."""
        ...

    async def attempt(
        self, row: Delivery, refusals: int, may_begin: Callable[[], bool], may_send: Callable[[], bool]
    ) -> Outcome:
        """Try a delivery once."""
        ...

    def told_again(self, row: Delivery) -> Note | None:
        """What a holder that died may have left undone of a delivery that it ended."""
        ...

    def closed_s(self) -> float | None:
        """Seconds until the account lets a single send through, to see whether it works again; None: it lets all through."""
        ...


class LaneWork:
    """The work of one lane while it is held. Lives on one asyncio loop; the store is called in threads.

    `state` was read after the lane was taken with `fence`; `taken_over`: the holder before did not release it.
    """

    def __init__(
        self,
        state: LaneState,
        store: MessageStore,
        committer: Committer,
        sender: Attempts,
        executor: Executor,
        held: Callable[[], bool],
        fence: int,
        taken_over: bool,
    ) -> None:
        self.lane: Lane = state.lane
        self.news = asyncio.Event()
        self._fanned, self._cursor = state.fanned, state.cursor
        # No cursor that a holder before us may still write is beyond this.
        self._known: Place = (state.fanned, LAST_INDEX)
        self._store, self._committer, self._sender = store, committer, sender
        self._executor, self._held = executor, held
        self._fence, self._taken_over = fence, taken_over
        self._stamps = iter(stamps_of(fence))
        self._read: Place = (state.cursor, LAST_INDEX)
        self._queues: dict[Key, deque[Delivery]] = {}
        self._waits = Timetable()
        self._serving: dict[Key, asyncio.Task[None]] = {}
        self._catching = 0
        self._failed: dict[Key, int] = {}
        self._stale: set[Key] = set()
        self._resting: set[Key] = set()
        self._open: dict[int, int] = {}
        self._keeping: set[asyncio.Future[Owners]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._rows = 0
        self._cursor_at = 0.0

    def fanned(self, seq: int) -> None:
        """Rows up to this seq exist now."""
        if seq > self._fanned:
            self._fanned = seq
            self.news.set()

    async def run(self, linger_s: float) -> None:
        """Work until nothing has been left to do for `linger_s`, or the lane is lost; calls that were begun are finished."""
        await self._load_waiting()
        idle_since = time.monotonic()
        while self._goes_on():
            try:
                await self._read_more()
                await self._move_cursor()
            except Temporary as outage:
                log.warning("lane_waits", lane=str(self.lane), reason=outage.reason)
                await asyncio.sleep(OUTAGE_S)
            if not self._is_idle():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > linger_s:
                break
            await self._news(0.05)
        if self._serving:
            await asyncio.gather(*self._serving.values(), return_exceptions=True)
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._move_cursor(now=True)
        if self._timer:
            self._timer.cancel()

    @property
    def rows(self) -> int:
        """How many deliveries it has in memory."""
        return self._rows

    def stop(self) -> None:
        """Begin nothing more: finish the calls under way, and let the lane go."""
        self._stopped = True
        self.news.set()

    def _goes_on(self) -> bool:
        return self._held() and not self._stopped

    def _is_idle(self) -> bool:
        due = self._waits.due_before(now_ms() + int(SOON_S * 1000))
        return not (self._serving or self._open or due or self._cursor < self._fanned)

    async def _news(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self.news.wait()
        except TimeoutError:
            return
        self.news.clear()

    async def _thread(self, work: Callable[..., Result], *args: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)

    # Reading

    async def _load_waiting(self) -> None:
        """Know who waits. After a holder that may still write, in our own words: what it says late then counts no more."""
        found: Sequence[Waiting] = await self._thread(self._store.waiting, self.lane)
        if self._taken_over and found:
            stamp = next(self._stamps)
            found = [msgspec.structs.replace(each, stamp=stamp) for each in found]
            await self._commit(Note(waiting=found))
        for waiting in found:
            self._waits.put(waiting)
        self._wake()

    def _stamped(self, waiting: Waiting) -> Waiting:
        """The same as our newest word. Who has said all that one holder may say lets the lane go, and takes it anew."""
        stamp = next(self._stamps)
        if stamp + IN_MEMORY >= stamps_of(self._fence)[-1]:
            self.stop()
        return msgspec.structs.replace(waiting, stamp=stamp)

    async def _read_more(self) -> None:
        """Take in rows while there are any and there is room; write down the keys that have too many."""
        while self._rows < IN_MEMORY and self._read < (self._fanned, LAST_INDEX) and self._goes_on():
            up_to = self._fanned
            rows = await self._thread(self._store.lane_rows, self.lane, self._read, up_to, READ_ROWS)
            written = [waiting for row in rows if (waiting := self._take(row))]
            self._read = (rows[-1].key.seq, rows[-1].key.index) if len(rows) == READ_ROWS else (up_to, LAST_INDEX)
            if written:
                await self._commit(Note(waiting=[self._stamped(self._from_first(waiting)) for waiting in written]))
                for waiting in written:
                    self._close(waiting.seq)
                    self._arm(key_of(waiting))

    def _take(self, row: Delivery) -> Waiting | None:
        """Queue a row under its key; the `Waiting` to write if its key has too many, counted open until that is done."""
        key = (row.conversation_id, row.address)
        if row.facts.ended and self._sender.opened:
            self._tell_again(row)
            return None
        waits = self._waits.get(key)
        if waits and (waits.seq, waits.index) <= (row.key.seq, row.key.index):
            return None
        self._open[row.key.seq] = self._open.get(row.key.seq, 0) + 1
        queue = self._queues.setdefault(key, deque()) if not waits else None
        if queue is None or len(queue) >= OF_ONE_KEY:
            # A key that waits at a later row than this one waits from here on.
            waiting = Waiting(self.lane, *key, row.key.seq, row.key.index, now_ms(), 0)
            self._waits.put(waiting)
            return waiting
        queue.append(row)
        self._rows += 1
        self._serve(key)
        return None

    def _from_first(self, waiting: Waiting) -> Waiting:
        """As it is written: from the key's first row in memory, which whoever comes after a crash must find as well."""
        queue = self._queues.get(key_of(waiting))
        if not queue:
            return waiting
        return msgspec.structs.replace(waiting, seq=queue[0].key.seq, index=queue[0].key.index)

    def _tell_again(self, row: Delivery) -> None:
        """An ended row behind the cursor: whoever ended it may have died before it did what follows."""
        note = self._sender.told_again(row)
        if note:
            self._open[row.key.seq] = self._open.get(row.key.seq, 0) + 1
            self._keep(note, row.key.seq)

    def _close(self, seq: int) -> None:
        self._open[seq] -= 1
        if not self._open[seq]:
            del self._open[seq]
            self.news.set()

    async def _move_cursor(self, now: bool = False) -> None:
        """Write how far everything is ended or written down: not at every step, but always before the lane goes.

        Never after the lane was lost: what we wrote down then may have come too late for the next holder to find it.
        """
        if self._serving and not now and time.monotonic() - self._cursor_at < CURSOR_S:
            return
        seq, index = self._read
        reached = min(self._open) - 1 if self._open else seq if index == LAST_INDEX else seq - 1
        if reached > self._cursor and self._held():
            await self._thread(self._store.raise_cursor, self.lane, reached, self._fence)
            self._cursor, self._cursor_at = reached, time.monotonic()

    # Keys

    def _serve(self, key: Key) -> None:
        """Deliver a key's rows in memory, unless somebody is at it or it failed a moment ago."""
        if key not in self._serving and key not in self._resting and self._goes_on():
            self._serving[key] = asyncio.get_running_loop().create_task(self._served(key, self._drain))

    async def _served(self, key: Key, work: Callable[[Key], Awaitable[None]]) -> None:
        pause_s = 0.0
        try:
            await work(key)
            self._failed.pop(key, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, only this key waits for it
            pause_s = self._pause_s(key, error)
            self._stale.add(key)
        finally:
            del self._serving[key]
            self.news.set()
            self._after(key, pause_s)

    def _pause_s(self, key: Key, error: Exception) -> float:
        """How long to leave a key alone that could not be served: an outage is nobody's fault, else less and less often."""
        if isinstance(error, Temporary):
            log.warning("key_waits", lane=str(self.lane), reason=error.reason)
            return OUTAGE_S
        times = self._failed[key] = self._failed.get(key, 0) + 1
        metrics.KEYS_FAILED.of(self.lane.channel).add()
        log.warning("key_failed", lane=str(self.lane), times=times, exc_info=error)
        return min(FAILED_MOST_S, OUTAGE_S * 2.0 ** min(times - 1, 16))

    def _after(self, key: Key, pause_s: float) -> None:
        """What came up while the key was being served."""
        if self._queues.get(key) and pause_s:
            self._resting.add(key)
            asyncio.get_running_loop().call_later(pause_s, self._rested, key)
        elif self._queues.get(key):
            self._serve(key)
        else:
            self._arm(key, now_ms() + int(pause_s * 1000) if pause_s else 0)

    def _rested(self, key: Key) -> None:
        self._resting.discard(key)
        self._serve(key)

    async def _drain(self, key: Key) -> None:
        """Deliver the rows in memory, in order, until one must wait."""
        queue = self._queues.get(key)
        if queue and key in self._stale:
            await self._reload(queue)
        self._stale.discard(key)
        refusals = 0
        while queue and self._goes_on():
            row = queue[0]
            outcome = await self._attempt(row, refusals)
            if isinstance(outcome, Wait):
                await self._give_way(key, row, outcome)
                return
            queue.popleft()
            self._rows -= 1
            self._keep(outcome.note, row.key.seq)
        if not queue:
            self._queues.pop(key, None)

    async def _reload(self, queue: deque[Delivery]) -> None:
        """What failed may have written facts before it did: the rows in memory do not know them."""
        rows = await self._thread(self._store.deliveries, [row.key for row in queue])
        for at, row in enumerate(queue):
            queue[at] = rows.get(row.key, row)

    async def _attempt(self, row: Delivery, refusals: int) -> Outcome:
        return await self._sender.attempt(row, refusals, self._goes_on, self._held)

    def _keep(self, note: Note | None, seq: int) -> None:
        """The row is done with once its note is durable; a failed write leaves it open, for the next holder."""
        if note is None:
            self._close(seq)
            return

        def written(future: "asyncio.Future[Owners]") -> None:
            if not future.cancelled() and not future.exception():
                self._close(seq)

        self._commit(note).add_done_callback(written)

    def _commit(self, note: Note) -> "asyncio.Future[Owners]":
        """Have it written; this lane does not end before it is."""
        future = self._committer.commit(note)
        self._keeping.add(future)
        future.add_done_callback(self._keeping.discard)
        return future

    async def _give_way(self, key: Key, row: Delivery, wait: Wait) -> None:
        """The key waits from this row on: written down, then forgotten here."""
        await self._wait(key, row, wait)
        if not self._goes_on():
            return
        rows = self._queues.pop(key)
        self._rows -= len(rows)
        for each in rows:
            self._close(each.key.seq)

    async def _wait(self, key: Key, row: Delivery, wait: Wait) -> None:
        """Write down that a key waits from this row on. A lost lane writes down nothing but facts."""
        noted = self._commit(wait.note) if wait.note else None
        if self._goes_on():
            waiting = self._stamped(Waiting(self.lane, *key, row.key.seq, row.key.index, wait.at, wait.refusals))
            self._waits.put(waiting, wait.ends)
            await self._commit(Note(waiting=[waiting]))
        if noted:
            await noted

    # Waiting keys

    def _arm(self, key: Key, not_before: int = 0) -> None:
        if key in self._waits and key not in self._serving and not self._queues.get(key):
            self._waits.arm(key, not_before)
            self._wake()

    def _wake(self) -> None:
        """Catch up with the keys whose time has come: a few at once, and only one where an account is being tried."""
        closed_s = self._sender.closed_s()
        most = CATCH_UPS if closed_s is None or closed_s > 0 else 1
        now = now_ms()
        while self._goes_on() and self._catching < most and (key := self._waits.take(now)):
            if closed_s and self._waits.put_off(key, now, now + int(closed_s * 1000) + 1):
                continue
            if key not in self._serving and not self._queues.get(key):
                self._catching += 1
                self._serving[key] = asyncio.get_running_loop().create_task(self._served(key, self._caught_up))
        self._wake_again(now if self._catching < most else None)

    def _wake_again(self, now: int | None) -> None:
        """At the next key's time; where there is no room for one, whoever makes room wakes the next."""
        if self._timer:
            self._timer.cancel()
        at = self._waits.next_at()
        self._timer = None
        if at is not None and now is not None and self._goes_on():
            self._timer = asyncio.get_running_loop().call_later(max(0, at - now) / 1000 + 0.001, self._wake)

    async def _caught_up(self, key: Key) -> None:
        try:
            await self._catch_up(key)
        finally:
            self._catching -= 1
            asyncio.get_running_loop().call_soon(self._wake)

    async def _catch_up(self, key: Key) -> None:
        """Deliver a waiting key's rows, found by other ways than reading, up to where the lane has been read."""
        waiting = self._waits.get(key)
        if not waiting:
            return
        place, refusals, finder = (waiting.seq, waiting.index), waiting.refusals, Finder(self._store, waiting)
        while self._goes_on():
            limit = self._read
            found = await self._thread(finder.rows, place, limit)
            kept: list[asyncio.Future[Owners]] = []
            for row in found.rows:
                outcome = await self._attempt(row, refusals)
                if isinstance(outcome, Wait):
                    # Not before all rows before it are known to be ended.
                    await asyncio.gather(*kept)
                    if self._waits.get(key) is waiting:
                        await self._wait(key, row, outcome)
                    return
                refusals = 0
                if outcome.note:
                    kept.append(self._commit(outcome.note))
            await asyncio.gather(*kept)
            place = found.after or (limit[0], limit[1] + 1)
            if self._waits.get(key) is not waiting:
                # A row before it was found meanwhile.
                return
            if found.after is None and limit == self._read and self._goes_on():
                if limit >= self._known:
                    self._waits.remove(key)
                    self._commit(Note(resumed=[self._stamped(waiting)]))
                    return
                await asyncio.sleep(READING_S)
