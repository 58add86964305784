"""One partition of chat-events while it is held: one reading for all endpoints, and the cursor below which all is told.

An event is open until each endpoint that wants it was told, or has a row that stands for it. The cursor goes up to the first
open one; before it goes the endpoints are looked at again, so that one that came meanwhile begins where it should.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import takewhile
from typing import Any, Protocol

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.events import Event
from chat4all.model.failures import Temporary
from chat4all.model.ids import made_id
from chat4all.model.records import EVENTS, Record, is_newer
from chat4all.model.workspaces import everybody
from chat4all.ports import DeadLetter, LaneState, Waiting
from chat4all.telemetry import logs, metrics
from tasks.lanes.lease import Hold
from tasks.lanes.threads import in_thread
from tasks.lanes.writer import Resumed, Waits, Writer, insist
from tasks.resources import Parts
from tasks.webhooks.bounds import BOUNDS
from tasks.webhooks.caller import Answer
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.knowledge import Knowledge
from tasks.webhooks.listener import Listener
from tasks.webhooks.lost import lost
from tasks.webhooks.matching import Known, wants
from tasks.webhooks.reading import Reading
from tasks.webhooks.repeats import Repeats
from tasks.webhooks.scan import Scan
from tasks.webhooks.telling import Telling

log = logs.logger(__name__)

TICK_S = 0.2
READ_TIMEOUT_S = 5.0
# An endpoint that changed so short a time before a lane was taken may not have been known to the holder before.
YOUNG_MS = 60_000


class Directory(Protocol):
    """The endpoints, as the process knows them."""

    version: int
    enabled: dict[str, Endpoint]
    knowledge: Knowledge

    async def call(self, endpoint: Endpoint, events: Sequence[Telling], number: int, manual: str = "") -> Answer:
        """Tell an endpoint of these events in one request, and note what came of it."""

    def outdated(self) -> None:
        """Look at all of them again, soon."""


class WebhookLane:
    """Lives on one loop. `dispatch` is called with what follows `read`, by one caller."""

    bounds = BOUNDS

    def __init__(
        self, state: LaneState, hold: Hold, parts: Parts, writer: Writer, executor: Executor, endpoints: Directory
    ) -> None:
        self.hold = hold
        self.listeners: dict[str, Listener] = {}
        self.read = self._cursor = state.cursor
        self._parts, self._writer, self._executor, self._endpoints = parts, writer, executor, endpoints
        self._reading = Reading(hold.lane.partition, parts, executor)
        self._open: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_stopped = False

    @property
    def partition(self) -> int:
        """Of chat-events."""
        return self.hold.lane.partition

    def now(self) -> int:
        """The time, ms UTC."""
        return now_ms()

    @property
    def scale(self) -> float:
        """What waits are multiplied by."""
        return self._parts.settings.webhook_schedule_scale

    async def begin(self) -> None:
        """Read what waits, and find where to begin. Raises Temporary."""
        lane, store = self.hold.lane, self._parts.store
        seqs, waiting, ends = await in_thread(
            self._executor, lambda: (store.told_seqs(), store.waiting(lane), self._parts.log.ends(EVENTS)[self.partition])
        )
        starts = [each.webhook.starts.get(self.partition, 0) for each in self._endpoints.enabled.values()]
        self.read = min(max(self._cursor, min(starts, default=ends[1])), ends[1])
        self._pass_over(ends[0])
        await self._reading.begin(self.read, seqs.get(self.partition, -1))
        gone = [row for row in waiting if row.address not in self._endpoints.enabled]
        for row in waiting:
            if row.address in self._endpoints.enabled:
                listener = self._listener(self._endpoints.enabled[row.address])
                if row.conversation_id:
                    listener.keys[row.conversation_id] = row
                else:
                    listener.whole = row
                listener.waits_since = listener.waits_since or now_ms()
        if gone:
            await self.write([], [_restamped(row, self.hold) for row in gone])
        for endpoint in self._endpoints.enabled.values():
            if now_ms() - endpoint.webhook.changed_at < YOUNG_MS:
                await self.heard_of(endpoint)

    async def heard_of(self, endpoint: Endpoint) -> None:
        """An endpoint that may have come after events that it should hear were read: it reads those itself."""
        start = endpoint.webhook.starts.get(self.partition, 0)
        listener = self.listeners.get(endpoint.webhook.webhook_id)
        if start < self.read and (listener is None or not listener.rows()):
            listener = self._listener(endpoint)
            listener.begin_whole(start, now_ms(), 0)
            await self.write(listener.rows())

    async def run(self) -> None:
        """Work until the lane is lost or stopped, or nobody wants to hear. What was begun is finished."""
        while self.hold.goes_on() and self._endpoints.enabled:
            self._tick()
            try:
                await self._move_cursor()
            except Temporary as outage:
                log.warning("webhook_lane_waits", lane=str(self.hold.lane), reason=outage.reason)
            await asyncio.sleep(TICK_S)
        for listener in list(self.listeners.values()):
            if not self._endpoints.enabled and self.hold.valid():
                await listener.drop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=self._parts.settings.webhook_timeout_s + 5)
        for task in self._tasks:
            task.cancel()
        if self.hold.valid():
            await self._move_cursor()

    async def forget(self, webhook_id: str) -> None:
        """This endpoint is disabled or deleted."""
        listener = self.listeners.pop(webhook_id, None)
        if listener:
            await listener.drop()

    # What comes

    async def dispatch(self, records: Sequence[Record]) -> None:
        """The next records of the log."""
        ours = list(takewhile(lambda each: not is_newer(each.headers), records))
        if len(ours) < len(records) and not self.is_stopped:
            newer = records[len(ours)]
            log.error("newer_record", record=f"{EVENTS}:{newer.partition}:{newer.offset}", todo="upgrade the workers")
            self.is_stopped = True
        events = await self._reading.live(ours)
        while True:
            version, known = self._endpoints.version, await self._known(self._endpoints.enabled.values(), events)
            if version == self._endpoints.version:
                # Nobody came meanwhile, whose filter might ask for more.
                break
        for event in events:
            self._offer(event, known)
        if ours:
            self.read = ours[-1].offset + 1

    async def _known(self, endpoints: Iterable[Endpoint], events: Sequence[Event]) -> Known:
        return await self._endpoints.knowledge.of([each.webhook for each in endpoints], events, partial(insist, self._executor))

    def _offer(self, event: Event, known: Known) -> None:
        telling = None
        for endpoint in self._endpoints.enabled.values():
            if wants(endpoint.webhook, event, known):
                telling = telling or Telling(event)
                self._listener(endpoint).offer(telling)

    async def skip(self) -> None:
        """What comes next is no longer in the log: go on at the first that is."""
        first, _ = (await in_thread(self._executor, lambda: self._parts.log.ends(EVENTS)))[self.partition]
        self._pass_over(first)

    def _pass_over(self, first: int) -> None:
        if first > self.read:
            lost(self.partition, self.read, first)
            self.read = first

    # What listeners need

    def begun(self, offset: int) -> None:
        """Somebody is to be told of this."""
        self._open[offset] = self._open.get(offset, 0) + 1

    def done(self, offset: int) -> None:
        """They were, or a row stands for it."""
        self._open[offset] -= 1
        if not self._open[offset]:
            del self._open[offset]

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have this done beside the rest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def write(self, waiting: Iterable[Waiting], resumed: Iterable[Waiting] = ()) -> None:
        """Make these durable. Nothing is written by who has lost the lane."""
        rows, gone = list(waiting), list(resumed)
        if not self.hold.valid():
            return
        if rows:
            await self._writer.write(Waits(rows))
        if gone:
            await self._writer.write(Resumed(gone))

    async def tell(
        self, endpoint: Endpoint, events: Sequence[Telling], number: int, still: Callable[[], bool]
    ) -> Answer | None:
        """One call, when its turn has come; None: it was not made."""
        async with endpoint.slots:
            if not still():
                return None
            await endpoint.turn()
            if not still() or not self.hold.valid():
                return None
            return await self._endpoints.call(endpoint, events, number)

    async def give_up(self, endpoint: Endpoint, event: Telling, number: int, why: str) -> None:
        """An event has come to its end: a dead letter."""
        webhook_id = endpoint.webhook.webhook_id
        letter = DeadLetter(
            letter_id=made_id("webhook", webhook_id, event.envelope.event_id),
            at=now_ms(),
            stage="webhook",
            reason=why,
            detail=f"{event.envelope.type} for endpoint {webhook_id}",
            topic=EVENTS,
            partition=self.partition,
            offset=event.offset,
            conversation_id=event.conversation_id or everybody(webhook_id),
            message_id=event.event.message_id,
            attempts=number,
            first_at=event.at,
        )
        await insist(self._executor, lambda: self._parts.store.add_dead_letters([letter]))
        metrics.WEBHOOK_EVENTS_GIVEN_UP.add()

    async def repeats(self, position: int) -> Repeats:
        """For who reads again from here on: what was told before."""
        return await self._reading.again(position)

    async def page(self, position: int, end: int, listener: Listener, repeats: Repeats) -> tuple[list[Telling], int]:
        """What an endpoint wants of [position, end), and where to go on."""
        events, end = await self._reading.page(position, end, repeats)
        known = await self._known([listener.endpoint], events)
        return [Telling(each) for each in events if wants(listener.endpoint.webhook, each, known)], end

    # In the background

    def _listener(self, endpoint: Endpoint) -> Listener:
        webhook_id = endpoint.webhook.webhook_id
        found = self.listeners.get(webhook_id)
        if found is None:
            found = self.listeners[webhook_id] = Listener(endpoint, self.hold.lane, self)
        return found

    def _tick(self) -> None:
        """Go on with what is due, and forget who has nothing."""
        now = now_ms()
        for webhook_id, listener in list(self.listeners.items()):
            if not listener.rows():
                listener.waits_since = 0
            if not listener.is_scanning:
                listener.hurry(now)
            if listener.is_idle:
                del self.listeners[webhook_id]
            elif not listener.is_scanning and listener.is_due(now) and listener.goes_on():
                listener.is_scanning = True
                self.spawn(self._scan(listener))

    async def _scan(self, listener: Listener) -> None:
        try:
            await Scan(listener, self).run()
        finally:
            listener.is_scanning = False

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            # What it was about is open, or has its row: the next holder begins there.
            log.error("webhook_lane_failed", lane=str(self.hold.lane), error=repr(task.exception()))
            self.hold.stop()

    async def _move_cursor(self) -> None:
        """Nothing is written while nothing moves."""
        reached = min(next(iter(self._open), self.read), self.read)
        if reached <= self._cursor or not self.hold.valid():
            return
        store = self._parts.store
        if await in_thread(self._executor, store.webhooks_changed) != self._endpoints.version:
            # Somebody may have come who should hear what is below: they are looked at first.
            self._endpoints.outdated()
            return
        await in_thread(self._executor, store.raise_cursor, self.hold.lane, reached, self.hold.lease.fence)
        self._cursor = reached
        seq = self._reading.repeats.told_below(reached)
        if seq > self._reading.repeats.raised and await in_thread(self._executor, self._is_beyond, reached):
            await in_thread(self._executor, store.raise_told_seqs, {self.partition: seq})
            self._reading.repeats.raised = seq

    def _is_beyond(self, reached: int) -> bool:
        """Whether the cursor was taken. The next holder reads from there, and passes over what is up to the seq that was told:

        of what the cursor is not beyond it must not be said, though it was told, or waits in a row.
        """
        return self._parts.store.lanes([self.hold.lane])[self.hold.lane].cursor >= reached


def _restamped(row: Waiting, hold: Hold) -> Waiting:
    return replace(row, stamp=hold.stamp())
