"""Sends a lane's keys at the same time, and each key's rows one after the other, until one must wait."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from functools import cache
from typing import Protocol

from msgspec.structs import replace

from chat4all.model.backoff import Backoff
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery
from chat4all.model.failures import Temporary
from chat4all.ports import MessageStore, Waiting
from chat4all.ports.holds import HeldKey, LaneKey, Opening
from chat4all.telemetry import logs, metrics
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.keys import Keys, account_of, key_of_row, place_of
from tasks.lanes.lane_writes import LaneWrites
from tasks.lanes.lease import Hold
from tasks.lanes.openings import Openings, opened_key
from tasks.lanes.outcome import Outcome, Wait
from tasks.lanes.timetable import Key, key_of, waits_at
from tasks.lanes.waiting_rows import Finder
from tasks.lanes.window import Window
from tasks.lanes.writer import Ended, Resumed, Waits

log = logs.logger(__name__)

# A key that failed for a reason that nobody foresaw is tried again after 0.5 s, 1 s, 2 s … and so long at most.
FAILED_MOST_S = 60.0
# How soon to look whether the lane has been read to where it was when we took it. A page takes about as long to be read.
READING_S = 0.01

Writes = list["asyncio.Future[None]"]


class Attempts(Protocol):
    """What a lane needs of the sender of an account."""

    @property
    def opened(self) -> bool:
        """Whether it has an account to send from. Without one it can tell nothing of what was sent, and all its keys wait."""
        ...

    async def attempt(self, row: Delivery, refusals: int, hold: Hold) -> Outcome:
        """Try a delivery once."""
        ...

    def told_again(self, row: Delivery) -> Ended | None:
        """What a holder that died may have left undone of a delivery that it ended."""
        ...

    def passes(self, row: Delivery) -> bool:
        """Whether this is looked at while its key is held."""
        ...

    async def is_shut(self, row: Delivery) -> bool:
        """Whether a delivery that was just held is still to be."""
        ...

    def closed_s(self) -> float | None:
        """Seconds until the account lets a single send through, to see whether it works again; None: it lets all through."""
        ...


class Ways(Protocol):
    """What a lane needs of its channel: the sender of each account."""

    @property
    def several(self) -> bool:
        """Whether the channel sends from more than one account."""
        ...

    def of(self, account: str) -> Attempts:
        """The sender of this account; empty: the environment's."""
        ...


class Deliverer:
    """Serves keys as `Keys` gives them out. Lives on its lane's loop; the store is called in threads."""

    def __init__(
        self,
        hold: Hold,
        keys: Keys,
        window: Window,
        writes: LaneWrites,
        store: MessageStore,
        ways: Ways,
        executor: Executor,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._bounds = bounds
        self._hold, self._keys, self._window, self._writes = hold, keys, window, writes
        self._store, self._ways, self._executor = store, ways, executor
        self.serving: dict[Key, asyncio.Task[None]] = {}
        # Keys that are held, as far as this holder knows.
        self._held_keys: set[Key] = set()
        self._openings = Openings()
        self._timer: asyncio.TimerHandle | None = None

    async def finished(self) -> None:
        """Until what was begun is done. Nothing is begun any more."""
        await asyncio.gather(*self.serving.values(), return_exceptions=True)
        if self._timer:
            self._timer.cancel()

    async def cut_off(self) -> None:
        """End what was begun, wherever it stands: there is no time to finish it."""
        self._hold.stop()
        for each in self.serving.values():
            each.cancel()
        await self.finished()

    # Whose turn it is

    def serve(self) -> None:
        """Begin with the keys whose turn it is, and come back at the time of the next."""
        now, closed = now_ms(), cache(self._closed_ms)
        loop = asyncio.get_running_loop()
        while self._hold.goes_on() and (key := self._keys.next(now, closed)):
            self._openings.begun(key)
            self.serving[key] = loop.create_task(self._serve(key))
        if self._timer:
            self._timer.cancel()
        at, self._timer = self._keys.next_at(closed), None
        if at is not None and self._hold.goes_on():
            self._timer = loop.call_later(max(0, at - now) / 1000 + 0.001, self.serve)

    def _closed_ms(self, account: str) -> int | None:
        closed_s = self._ways.of(account).closed_s()
        return int(closed_s * 1000) + 1 if closed_s else None if closed_s is None else 0

    # What is held

    def holds(self, keys: Sequence[HeldKey]) -> None:
        """These were held by who had the lane before."""
        self._held_keys.update((each.key.conversation_id, each.key.address, each.key.account) for each in keys)

    def passed(self, row: Delivery) -> None:
        """A row came to a key that waits. Where that is held, what needs no window goes on at once."""
        key = key_of_row(row)
        if key in self._held_keys and not row.holds and self._ways.of(row.account).passes(row):
            self._keys.hurry(key, now_ms())

    def opened(self, openings: Sequence[Opening]) -> None:
        """Look at these keys. What waits no more is forgotten by whoever said so."""
        news = self._openings.hear(openings)
        gone = [each for each in news if not self._keys.hurry(opened_key(each), now_ms())]
        for each in gone:
            self._openings.drop(each)
        if gone:
            self._writes.write(Resumed((), [self._held_key(opened_key(each), 0) for each in gone]))
            self._forget(gone)
        if news:
            self.serve()

    def _forget(self, openings: Sequence[Opening]) -> None:
        """They were looked at. One that cannot be forgotten now is heard again."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, self._store.forget_openings, openings)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _held_key(self, key: Key, since: int) -> HeldKey:
        conversation_id, address, account = key
        return HeldKey(LaneKey(self._hold.lane, conversation_id, address, account), since, 0, self._hold.stamp())

    async def _serve(self, key: Key) -> None:
        pause_s, is_well = 0.0, False
        try:
            await self._deliver(key)
            self._keys.succeeded(key)
            is_well = self._hold.goes_on()
        except Exception as error:  # noqa: BLE001 - whatever it is, only this key waits for it
            pause_s = self._pause_s(key, error)
        finally:
            del self.serving[key]
            if over := self._openings.served(key, is_well):
                self._forget(over)
            self._writes.news()
            if self._keys.served(key, now_ms(), int(pause_s * 1000)):
                self.serve()

    def _pause_s(self, key: Key, error: Exception) -> float:
        """How long to leave a key alone that could not be served: an outage is nobody's fault, else less and less often."""
        times = self._keys.failed(key, by_itself=not isinstance(error, Temporary))
        if isinstance(error, Temporary):
            log.warning("key_waits", lane=str(self._hold.lane), reason=error.reason)
            return self._bounds.outage_s
        metrics.KEYS_FAILED.of(self._hold.lane.channel).add()
        log.warning("key_failed", lane=str(self._hold.lane), times=times, exc_info=error)
        return Backoff(self._bounds.outage_s, FAILED_MOST_S).after(times)

    # One key's rows

    async def _deliver(self, key: Key) -> None:
        """Deliver a key's rows: those in memory, else those that were passed over while the lane was read."""
        waiting = None if self._keys.head(key) else self._keys.waiting(key)
        refusals, writes = waiting.refusals if waiting else 0, Writes()
        sender = self._ways.of(account_of(key))
        # Rows that are held: those behind them that need no window go on.
        waits: list[tuple[Delivery, Wait]] = []
        async with aclosing(self._passed_over(waiting, writes, waits) if waiting else self._in_memory(key)) as rows:
            async for row in rows:
                if waits and not sender.passes(row):
                    continue
                outcome = await sender.attempt(row, refusals, self._hold)
                if isinstance(outcome, Wait) and outcome.is_held and waiting:
                    writes += [self._writes.write(outcome.write)] if outcome.write else []
                    waits.append((row, replace(outcome, write=None)))
                    continue
                if isinstance(outcome, Wait):
                    waits.append((row, outcome))
                    break
                refusals = 0
                if not waiting:
                    self._writes.end(row, outcome.write)
                elif outcome.write:
                    writes.append(self._writes.write(outcome.write))
        if waits:
            # Not before all rows before it are known to be ended.
            await asyncio.gather(*writes)
            if waiting is None or self._keys.waiting(key) is waiting:
                await self._give_way(key, *first_to_wait(waits))

    async def _in_memory(self, key: Key) -> AsyncGenerator[Delivery, None]:
        """A key's rows in memory. One is there until it is done with."""
        stale = self._keys.stale(key)
        if stale:
            rows = await asyncio.get_running_loop().run_in_executor(self._executor, self._store.deliveries, stale)
            self._keys.renew(key, rows)
        while self._hold.goes_on() and (row := self._keys.head(key)):
            yield row
            self._keys.pop(key)

    async def _passed_over(self, waiting: Waiting, writes: Writes, waits: Sequence[object]) -> AsyncGenerator[Delivery, None]:
        """A waiting key's rows up to where the lane has been read. Afterwards it waits no more, unless some are `held`.

        `writes` are those of the rows that were given out. The key waits where it does until they are durable.
        """
        key, place, finder = key_of(waiting), (waiting.seq, waiting.index), Finder(self._store, waiting, self._bounds.messages)
        while self._hold.goes_on():
            limit = self._window.read
            found = await asyncio.get_running_loop().run_in_executor(self._executor, finder.rows, place, limit)
            for row in found.rows:
                yield row
            await asyncio.gather(*writes)
            writes.clear()
            # Where the lane has not been read to it yet, this goes back: rows before it may come up, and go first.
            place = found.after or (limit[0], limit[1] + 1)
            if self._keys.waiting(key) is not waiting:
                # A row before it was found meanwhile.
                return
            if found.after is None and limit == self._window.read and self._hold.goes_on():
                if limit >= self._window.known:
                    if not waits:
                        self._resume(key, waiting)
                    return
                await asyncio.sleep(READING_S)

    def _resume(self, key: Key, waiting: Waiting) -> None:
        """It waits no more: nothing of it is left."""
        self._keys.resume(key)
        waits = [self._held_key(key, 0)] if key in self._held_keys else []
        self._held_keys.discard(key)
        self._writes.write(Resumed([self._writes.stamped(waiting)], waits))

    async def _give_way(self, key: Key, row: Delivery, wait: Wait) -> None:
        """The key waits from this row on: written down, then forgotten here. A lost lane writes down nothing but facts."""
        noted = self._writes.write(wait.write) if wait.write else None
        if self._hold.goes_on():
            waiting = self._writes.stamped(waits_at(self._hold.lane, key, place_of(row), wait.at, wait.refusals))
            self._keys.wait(waiting, wait.ends)
            waits = [self._held_key(key, row.accepted_at)] if wait.is_held else []
            await self._writes.write(Waits([waiting], waits))
        if noted:
            await noted
        if self._hold.goes_on():
            forgotten = self._keys.forget(key)
            for each in forgotten:
                self._writes.close(each)
            if wait.is_held:
                await self._look_once_more(key, row, len(forgotten) > 1)

    async def _look_once_more(self, key: Key, row: Delivery, has_more: bool) -> None:
        """The person may have written while it was written down that the key is held; and what is behind may need no window."""
        self._held_keys.add(key)
        if has_more or not await self._ways.of(row.account).is_shut(row):
            self._keys.hurry(key, now_ms())


def first_to_wait(waits: Sequence[tuple[Delivery, Wait]]) -> tuple[Delivery, Wait]:
    """From which row on a key waits that has several that wait, and how: it is looked at when the first of them is due."""
    (row, first), (_, last) = waits[0], waits[-1]
    return row, replace(first, at=min(each.at for _, each in waits), refusals=last.refusals, write=last.write)
