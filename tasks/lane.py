"""Work on one lane: keys side by side, each key's deliveries in order of seq, and who must wait makes nobody else wait.

Rows are read in (cursor, fanned]. A key that must wait, or has more rows than one key may keep in memory, gets a `Waiting` row
before the cursor passes it; its later rows are passed over while reading and found again through its conversation's messages.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

import msgspec

from chat4all import telemetry
from chat4all.deliveries import LAST_INDEX, Delivery, DeliveryKey, Lane
from chat4all.failures import Temporary
from chat4all.ports import LaneState, MessageStore, Waiting
from tasks.committer import Committer, Note, Owners
from tasks.sending import Outcome, Wait, now_ms

log = telemetry.logger(__name__)

Key = tuple[str, str]
Place = tuple[int, int]
Result = TypeVar("Result")

READ_ROWS = 500
IN_MEMORY = 2000
OF_ONE_KEY = 50
CATCH_UPS = 32
PAGE = 100
CURSOR_S = 0.2
OUTAGE_S = 0.5
# A key that is due sooner than this keeps the lane held.
SOON_S = 2.0


class Attempts(Protocol):
    """What a lane needs of a sender."""

    async def attempt(self, row: Delivery, refusals: int, may_send: Callable[[], bool]) -> Outcome:
        """Try a delivery once."""
        ...

    def told_again(self, row: Delivery) -> Note | None:
        """What a holder that died may have left undone of a delivery that it ended."""
        ...


class LaneWork:
    """The work of one lane while it is held. Lives on one asyncio loop; the store is called in threads."""

    def __init__(
        self,
        state: LaneState,
        store: MessageStore,
        committer: Committer,
        sender: Attempts,
        executor: Executor,
        held: Callable[[], bool],
    ) -> None:
        self.lane: Lane = state.lane
        self.news = asyncio.Event()
        self._fanned, self._cursor = state.fanned, state.cursor
        self._store, self._committer, self._sender = store, committer, sender
        self._executor, self._held = executor, held
        self._read: Place = (state.cursor, LAST_INDEX)
        self._queues: dict[Key, deque[Delivery]] = {}
        self._waiting: dict[Key, Waiting] = {}
        self._serving: dict[Key, asyncio.Task[None]] = {}
        self._open: dict[int, int] = {}
        self._keeping: set[asyncio.Future[Owners]] = set()
        self._stopped = False
        self._rows = 0
        self._catch_ups = asyncio.Semaphore(CATCH_UPS)
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
        soon = now_ms() + int(SOON_S * 1000)
        due = any(each.retry_at < soon for each in self._waiting.values())
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
        for waiting in await self._thread(self._store.waiting, self.lane):
            self._put_waiting(waiting)

    async def _read_more(self) -> None:
        """Take in rows while there are any and there is room; write down the keys that have too many."""
        while self._rows < IN_MEMORY and self._read < (self._fanned, LAST_INDEX) and self._goes_on():
            up_to = self._fanned
            rows = await self._thread(self._store.lane_rows, self.lane, self._read, up_to, READ_ROWS)
            full = [waiting for row in rows if (waiting := self._take(row))]
            self._read = (rows[-1].key.seq, rows[-1].key.index) if len(rows) == READ_ROWS else (up_to, LAST_INDEX)
            if full:
                await self._commit(Note(waiting=[self._from_first(waiting) for waiting in full]))
                for waiting in full:
                    self._close(waiting.seq)
                    self._arm(waiting)

    def _take(self, row: Delivery) -> Waiting | None:
        """Queue a row under its key; the `Waiting` to write if its key has too many, counted open until that is done."""
        key = (row.conversation_id, row.address)
        if row.facts.ended:
            self._tell_again(row)
            return None
        if key in self._waiting:
            return None
        self._open[row.key.seq] = self._open.get(row.key.seq, 0) + 1
        queue = self._queues.setdefault(key, deque())
        if len(queue) >= OF_ONE_KEY:
            self._waiting[key] = Waiting(self.lane, *key, row.key.seq, row.key.index, now_ms(), 0)
            return self._waiting[key]
        queue.append(row)
        self._rows += 1
        self._serve(key)
        return None

    def _from_first(self, waiting: Waiting) -> Waiting:
        """As it is written: from the key's first row in memory, which whoever comes after a crash must find as well."""
        first = self._queues[waiting.conversation_id, waiting.address][0].key
        return msgspec.structs.replace(waiting, seq=first.seq, index=first.index)

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
        """Write how far everything is ended or written down: not at every step, but always before the lane goes."""
        if self._serving and not now and time.monotonic() - self._cursor_at < CURSOR_S:
            return
        seq, index = self._read
        reached = min(self._open) - 1 if self._open else seq if index == LAST_INDEX else seq - 1
        if reached > self._cursor:
            await self._thread(self._store.raise_cursor, self.lane, reached)
            self._cursor, self._cursor_at = reached, time.monotonic()

    # Keys

    def _serve(self, key: Key) -> None:
        if key not in self._serving and self._goes_on():
            self._serving[key] = asyncio.get_running_loop().create_task(self._serve_key(key))

    async def _serve_key(self, key: Key) -> None:
        try:
            await self._drain(key)
            waiting = self._waiting.get(key)
            if waiting and waiting.retry_at <= now_ms():
                async with self._catch_ups:
                    await self._catch_up(key, waiting)
        except Exception as error:
            log.warning("key_failed", lane=str(self.lane), exc_info=error)
            await asyncio.sleep(OUTAGE_S)
        finally:
            del self._serving[key]
            self.news.set()
            self._after(key)

    def _after(self, key: Key) -> None:
        """What came up while the key was being served."""
        if self._queues.get(key):
            self._serve(key)
        elif key in self._waiting:
            self._arm(self._waiting[key])

    async def _drain(self, key: Key) -> None:
        """Deliver the rows in memory, in order, until one must wait."""
        queue = self._queues.get(key)
        refusals = 0
        while queue and self._goes_on():
            row = queue[0]
            outcome = await self._sender.attempt(row, refusals, self._goes_on)
            if isinstance(outcome, Wait):
                await self._give_way(key, row, outcome)
                return
            queue.popleft()
            self._rows -= 1
            self._keep(outcome.note, row.key.seq)
        if not queue:
            self._queues.pop(key, None)

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
        """The key waits from this row on: written down, then forgotten here. A lost lane writes down nothing but facts."""
        if not self._goes_on():
            await self._commit_wait(wait)
            return
        waiting = Waiting(self.lane, *key, row.key.seq, row.key.index, wait.at, wait.refusals)
        self._waiting[key] = waiting
        await self._commit_wait(wait, waiting)
        rows = self._queues.pop(key)
        self._rows -= len(rows)
        for each in rows:
            self._close(each.key.seq)

    async def _commit_wait(self, wait: Wait, *waiting: Waiting) -> None:
        if wait.note:
            self._commit(wait.note)
        if waiting:
            await self._commit(Note(waiting=waiting))

    # Waiting keys

    def _put_waiting(self, waiting: Waiting) -> None:
        self._waiting[waiting.conversation_id, waiting.address] = waiting
        self._arm(waiting)

    def _arm(self, waiting: Waiting) -> None:
        """Serve the key when its time comes. Looks again then: the key may wait for something else, or not at all."""
        delay = max(0, waiting.retry_at - now_ms()) / 1000
        asyncio.get_running_loop().call_later(delay + 0.001, self._due, (waiting.conversation_id, waiting.address))

    def _due(self, key: Key) -> None:
        waiting = self._waiting.get(key)
        if waiting and waiting.retry_at <= now_ms():
            self._serve(key)

    async def _catch_up(self, key: Key, waiting: Waiting) -> None:
        """Deliver a waiting key's rows, found through its conversation, up to where the lane has been read."""
        place, refusals = (waiting.seq, waiting.index), waiting.refusals
        while self._goes_on():
            limit = self._read
            rows, place_after = await self._thread(self._rows_of, waiting, place, limit)
            kept: list[asyncio.Future[Owners]] = []
            for row in rows:
                outcome = await self._sender.attempt(row, refusals, self._goes_on)
                if isinstance(outcome, Wait) and not self._goes_on():
                    await self._commit_wait(outcome)
                    return
                if isinstance(outcome, Wait):
                    again = Waiting(self.lane, *key, row.key.seq, row.key.index, outcome.at, outcome.refusals)
                    self._waiting[key] = again
                    await self._commit_wait(outcome, again)
                    return
                refusals = 0
                if outcome.note:
                    kept.append(self._commit(outcome.note))
            await asyncio.gather(*kept)
            if place_after is None and limit == self._read:
                del self._waiting[key]
                self._commit(Note(resumed=[waiting]))
                return
            place = place_after or (limit[0], limit[1] + 1)

    def _rows_of(self, waiting: Waiting, place: Place, limit: Place) -> tuple[list[Delivery], Place | None]:
        """A page of a key's rows in [place, limit], and where the next page begins; None when there is none. In a thread."""
        page = self._store.page(waiting.conversation_id, place[0] - 1, limit[0] + 1, PAGE)
        keys = [
            DeliveryKey(self.lane, message.seq, index)
            for message in page
            for index, each in enumerate(message.recipients)
            if each.channel == self.lane.channel and each.address == waiting.address and place <= (message.seq, index) <= limit
        ]
        found = self._store.deliveries(keys) if keys else {}
        after = (page[-1].seq + 1, 0) if len(page) == PAGE else None
        return [found[key] for key in sorted(found)], after
