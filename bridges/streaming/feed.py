"""The one consumer of chat-events in a process: it reads on a thread, hands batches to the loop, and waits until they are sent.

Where it begins, so that nothing is lost between the store and the log. Let `end` be the end of chat-events, read first, and
P the progress of chat-incoming, read after it. Messages up to P are stored and were published. So P is a true horizon:
history has everything up to it, and an event at or below it is a repeat. But a message above P may have been published
before `end` already, by a stage that had not yet raised progress, and then nobody may publish it again. Such an event is
younger than record P + 1 of chat-incoming. So the feed begins at an event that is older than that record, and the server
opens only when it has come to `end`: the horizon is then the highest message seen. When there is no record P + 1, nothing
above P can have been published, and the feed begins at `end`. A backlog costs reading the events since it began, once.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from msgspec import Struct

from bridges.newer import StoppedPartitions
from bridges.streaming.audience import Memberships
from bridges.streaming.hub import Hub
from chat4all.model.backoff import Backoff
from chat4all.model.clock import now_ms
from chat4all.model.conversations import Membership
from chat4all.model.deliveries import RANK, DeliveryKey, state
from chat4all.model.event_naming import with_bare_ids
from chat4all.model.events import FORWARDED, Event, decode, member_of
from chat4all.model.failures import RangeLost, Temporary
from chat4all.model.messages import seq_at
from chat4all.model.records import EVENTS, INCOMING, Range, Record
from chat4all.ports import Consumer, EventLog, MessageStore
from chat4all.ports.progress import undone
from chat4all.telemetry import metrics
from chat4all.telemetry.logs import logger
from tasks.outcomes.events import as_one

log_to = logger(__name__)

CLOCKS_APART_MS = 60_000
# A state or position that was published so long after it was learned may be older than one that was told already.
LATE_MS = 30_000
READ_TIMEOUT_S = 5.0
BATCH = 1_000
POLL_S = 0.5
WAIT_S = (0.1, 5.0)

T = TypeVar("T")


class Start(Struct, frozen=True):
    """Where to follow chat-events from, up to where before the server opens, and what is known to be published (-1: none)."""

    positions: dict[int, int]
    ends: dict[int, int]
    published: dict[int, int]


def starting_point(log: EventLog, store: MessageStore, apart_ms: int = CLOCKS_APART_MS, step: int = BATCH) -> Start:
    """Where a server that starts now begins. See the module's text for why.

    `apart_ms`: how far apart the clocks of two machines may be. `step`: how many events to go back at first.
    """
    spans = log.ends(EVENTS)
    progress = store.progress(INCOMING)
    published = {partition: seq_at(progress[partition].done) if partition in progress else -1 for partition in spans}
    incoming = log.ends(INCOMING)
    positions: dict[int, int] = {}
    for partition, (first, end) in spans.items():
        start = undone(progress, partition)
        since = _appended_at(log, partition, start, incoming.get(partition, (0, 0)))
        positions[partition] = end if since is None else _before(log, partition, (first, end), since - apart_ms, step)
    return Start(positions, {partition: end for partition, (_, end) in spans.items()}, published)


def _appended_at(log: EventLog, partition: int, offset: int, span: tuple[int, int]) -> int | None:
    """When this record of chat-incoming was appended; None when there is none yet, 0 when it is gone."""
    if offset >= span[1]:
        return None
    found = _one(log, INCOMING, partition, offset)
    return found.at if found else 0


def _before(log: EventLog, partition: int, span: tuple[int, int], at: int, step: int) -> int:
    """An offset of chat-events from which on everything appended after `at` is to be found."""
    first, position = span
    while position > first:
        position = max(first, position - step)
        found = _one(log, EVENTS, partition, position)
        if found and found.at < at:
            break
        step *= 2
    return position


def _one(log: EventLog, topic: str, partition: int, offset: int) -> Record | None:
    try:
        return next(iter(log.read(topic, [Range(partition, offset, offset)], READ_TIMEOUT_S)), None)
    except RangeLost:
        return None


class Feed:
    """Runs from `start` to `stop`. `is_open` is set once everything up to the starting end has been dispatched.

    `ended` is done when the feed is, with what ended it: without it nobody hears anything, so the process must end.
    """

    ended: asyncio.Future[None]

    def __init__(self, log: EventLog, store: MessageStore, start: Start, hub: Hub) -> None:
        self._log = log
        self._store = store
        self._ends = start.ends
        self._positions = dict(start.positions)
        # What a newer event says may not be for everybody.
        self._stopped = StoppedPartitions(EVENTS, "stream server")
        self._hub = hub
        self._memberships = Memberships()
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(2, "feed")
        self._stopping = threading.Event()
        self.is_open = asyncio.Event()

    def start(self) -> None:
        """Begin to read."""
        self.show()
        self.ended = self._loop.run_in_executor(self._threads, self._follow)

    async def stop(self) -> None:
        """Read no more. Returns when the thread has ended."""
        self._stopping.set()
        await asyncio.wait([self.ended])
        self._threads.shutdown()

    def _follow(self) -> None:
        waits = Backoff(*WAIT_S)
        while not self._stopping.is_set():
            before = dict(self._positions)
            consumer = self._log.follow(EVENTS, self._positions)
            try:
                self._read(consumer)
            except Temporary as failure:
                if before != self._positions:
                    waits.succeeded()
                wait = waits.failed()
                log_to.warning("events_unreadable", reason=failure.reason, wait_s=wait)
                self._stopping.wait(wait)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer) -> None:
        self._open_when_there()
        while not self._stopping.is_set():
            records = self._stopped.known(consumer.poll(BATCH, POLL_S))
            if not records:
                self._open_when_there()
                continue
            asyncio.run_coroutine_threadsafe(self.dispatch(_decoded(records)), self._loop).result()
            metrics.EVENT_SECONDS.of()(max(0.0, time.time() - records[0].at / 1000))
            for record in records:
                self._positions[record.partition] = record.offset + 1
            self._open_when_there()

    def show(self) -> None:
        """Let every scrape see how far behind this is."""
        metrics.STREAM_LAG.from_(lambda: {(): self._behind()})

    def _behind(self) -> int:
        ends = self._log.ends(EVENTS)
        return sum(max(0, end - self._positions.get(partition, 0)) for partition, (_, end) in ends.items())

    def _open_when_there(self) -> None:
        ends = {partition: end for partition, end in self._ends.items() if partition not in self._stopped}
        if not self.is_open.is_set() and _covers(self._positions, ends):
            self._loop.call_soon_threadsafe(self.is_open.set)

    async def dispatch(self, events: Sequence[Event]) -> None:
        """Hand these to whom they concern, in order, once the memberships that they need are known."""
        fresh = [event for event in events if not self._hub.is_repeat(event)]
        if self._hub.subscribers:
            await self._look_up([each for each in fresh if not self._hub.states.knows(each.about) and _is_late(each)])
            now = now_ms()
            stale = self._memberships.stale(fresh, now)
            if stale:
                self._memberships.put(await self._load(sorted(stale)), now)
        else:
            self._memberships.forget(event.conversation_id for event in fresh if event.kind == "conversation")
        for event in events:
            self._hub.dispatch(event, self._memberships.audience(event))

    async def _look_up(self, late: Sequence[Event]) -> None:
        """What was published long after it was learned may have been overtaken by what another process told: ask the store."""
        keys = [DeliveryKey.parse(each.subject) for each in late if each.kind == "state"]
        names = sorted({each.conversation_id for each in late if each.kind == "position"})
        if not late:
            return
        rows, marks = await self._asked(
            lambda: (as_one(self._store, list(self._store.deliveries(keys).values())), self._store.watermarks(names))
        )
        for row in rows:
            self._hub.states.know(str(row.key), RANK[state(row.facts)])
        for mark in chain.from_iterable(marks.values()):
            self._hub.states.know(member_of(mark.conversation_id, mark.user_id), mark.delivered_up_to, mark.read_up_to)

    async def _load(self, names: list[str]) -> list[Membership]:
        """The newest memberships."""
        return list((await self._asked(lambda: self._store.memberships(names))).values())

    async def _asked(self, question: Callable[[], T]) -> T:
        """The store's answer, however long it is away: an event must not pass by who may read it."""
        loop = asyncio.get_running_loop()
        waits = Backoff(*WAIT_S)
        while True:
            try:
                return await loop.run_in_executor(self._threads, question)
            except Temporary as failure:
                if self._stopping.is_set():
                    raise
                wait = waits.failed()
                log_to.warning("store_unreadable", reason=failure.reason, wait_s=wait)
            await asyncio.sleep(wait)


def _decoded(records: Sequence[Record]) -> list[Event]:
    events = []
    for record in records:
        try:
            event = decode(record)
        except ValueError as error:
            log_to.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
            continue
        if event.kind != FORWARDED:
            events.append(with_bare_ids(event))
    return events


def _is_late(event: Event) -> bool:
    """Whether a state or position was published so long after it was learned that others may have told a newer one before."""
    return bool(event.about) and event.at - event.learned_at > LATE_MS


def _covers(positions: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(positions.get(partition, 0) >= end for partition, end in ends.items())
