"""What is worth something for seconds, beside the feed: who types, who is there.

It reads chat-signals on a thread of its own, so that nothing waits for it, and has the readers of this process reported. What
comes late is dropped: nobody is promised any of it. While nobody is connected anywhere nothing is said.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Protocol

from bridges.streaming.hub import Hub
from bridges.streaming.presence_news import PresenceNews
from bridges.streaming.presence_reports import PresenceReports
from bridges.streaming.times import TIMES
from chat4all.model.backoff import Backoff
from chat4all.model.clock import now_ms
from chat4all.model.event_naming import with_bare_ids
from chat4all.model.events import Event, decode, kind_of
from chat4all.model.failures import Failure, RangeLost, Temporary
from chat4all.model.passing import is_late
from chat4all.model.presence import Present, Readers
from chat4all.model.records import SIGNALS, Record, is_newer
from chat4all.ports import Consumer, EventLog, MessageStore
from chat4all.services.presence import REPORT, WISH, hear
from chat4all.telemetry import metrics
from chat4all.telemetry.logs import logger

log_to = logger(__name__)

BATCH = 1_000
WAIT_S = (0.1, 5.0)
# Between two looks while something comes, and when it is quiet. A look wakes a thread, which costs more than the look.
BUSY_S, QUIET_S, QUIET_AFTER_S = 0.05, 0.5, 5.0


class Dispatcher(Protocol):
    """Hands events of conversations to whom they concern."""

    async def dispatch(self, events: Sequence[Event]) -> None:
        """In order, once the memberships that they need are known."""


class SignalFeed:
    """Lives on the loop on which it is made. `readers`: told of streams by those who serve them. `tick_s`: how often it is
    looked whether there is something to say.
    """

    def __init__(
        self, log: EventLog, store: MessageStore, hub: Hub, feed: Dispatcher, readers: Readers, tick_s: float = TIMES.presence_s
    ) -> None:
        self._log, self._feed, self._tick_s = log, feed, tick_s
        self._threads = ThreadPoolExecutor(2, "signals")
        self._reports = PresenceReports(log, store, readers, self._threads)
        self._news = PresenceNews(store, hub, self._threads)
        self.present = Present()
        # Since when a report of this process should have come back by the log; None: there is nothing to report.
        self._unheard_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._tasks: list[asyncio.Future[None]] = []
        self._taking: Future[None] | None = None

    async def start(self) -> None:
        """Begin. What was said within the last hour is read first; nobody is told of that."""
        metrics.USERS_ONLINE.from_(lambda: {(): self.present.online})
        metrics.PRESENCE_UNHEARD.from_(lambda: {(): self._unheard_s()})
        following = self._loop.run_in_executor(self._threads, self._follow)
        self._tasks = [following, *(self._loop.create_task(each) for each in (self._tick(), self._news.run()))]

    async def stop(self) -> None:
        """Read no more, say no more. Whoever was here comes back elsewhere, or is missed after a while."""
        self._stopping.set()
        if self._taking:
            # It may wait for the store.
            self._taking.cancel()
        following, *always = self._tasks
        for task in always:
            task.cancel()
        await asyncio.gather(*always, return_exceptions=True)
        await asyncio.wait([following])
        self._threads.shutdown()

    def _follow(self) -> None:
        waits = Backoff(*WAIT_S)
        positions: dict[int, int] = {}
        while not self._stopping.is_set():
            try:
                positions = positions or {partition: first for partition, (first, _) in self._log.ends(SIGNALS).items()}
                with closing(self._log.follow(SIGNALS, positions)) as consumer:
                    self._read(consumer, positions, waits)
            except RangeLost:
                positions = {}
            except Temporary as failure:
                log_to.warning("signals_unreadable", reason=failure.reason)
                self._stopping.wait(waits.failed())
            except Exception:
                log_to.exception("signals_failed")
                self._stopping.wait(waits.failed())

    def _read(self, consumer: Consumer, positions: dict[int, int], waits: Backoff) -> None:
        heard_at = float("-inf")
        while not self._stopping.is_set():
            records = consumer.poll(BATCH, 0.0)
            if records:
                heard_at = time.monotonic()
                self._taking = asyncio.run_coroutine_threadsafe(self.take(records), self._loop)
                with suppress(CancelledError):
                    self._taking.result()
                positions.update({each.partition: each.offset + 1 for each in records})
                waits.succeeded()
            else:
                is_quiet = time.monotonic() - heard_at > QUIET_AFTER_S
                self._stopping.wait(QUIET_S if is_quiet else BUSY_S)

    async def take(self, records: Sequence[Record]) -> None:
        """Hand on what these say. What cannot be read, or is newer than this code, is passed over."""
        typing = []
        for record in records:
            kind = "" if is_newer(record.headers) else kind_of(record)
            if kind == REPORT:
                self._news.of(hear(self.present, record, at_once=True))
                if record.key == self._reports.readers.process:
                    self._unheard_since = time.monotonic()
            elif kind == WISH:
                self._reports.readers.changed_mind(record.key)
            elif kind == "typing":
                typing += _unless_late(record)
        if typing and self._news.is_heard:
            await self._feed.dispatch(typing)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            if not self._reports.readers.is_to_be_heard:
                self._unheard_since = None
            elif self._unheard_since is None:
                self._unheard_since = time.monotonic()
            try:
                await self._reports.say()
                gone = self.present.silent(time.monotonic())
                if gone:
                    self._news.of(gone)
                    await self._reports.keep({each.user_id: each.last_seen for each in gone})
            except Failure as failure:
                self._reports.readers.not_heard()
                log_to.warning("presence_not_told", reason=failure.reason)
            except Exception:
                # It goes on: else nobody here would be seen until this process ends.
                self._reports.readers.not_heard()
                log_to.exception("presence_failed")

    def _unheard_s(self) -> float:
        """On any thread."""
        since = self._unheard_since
        return 0.0 if since is None else time.monotonic() - since


def _unless_late(record: Record) -> list[Event]:
    try:
        event = decode(record)
    except ValueError as error:
        log_to.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
        return []
    return [] if is_late(event, now_ms()) else [with_bare_ids(event)]
