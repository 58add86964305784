"""Who types and who is there, told to endpoints that ask for it by name: at once or never.

Nothing of this waits, is tried again or moves a cursor. One process does it, the one that holds the first partition; where no
endpoint asks, it does nothing.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial

from chat4all.model.clock import now_ms
from chat4all.model.events import Event, decode, kind_of
from chat4all.model.failures import Temporary
from chat4all.model.passing import is_late, presence_event
from chat4all.model.presence import Change, Present
from chat4all.model.records import Record, is_newer
from chat4all.ports.webhooks import Webhook
from chat4all.services.passing import Heard
from chat4all.services.presence import hear
from chat4all.telemetry import logs, metrics
from tasks.lanes.threads import in_thread
from tasks.resources import Parts
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.endpoints import Endpoints
from tasks.webhooks.matching import wants
from tasks.webhooks.telling import Telling

log = logs.logger(__name__)

TYPES = frozenset({"typing.updated", "presence.updated"})
# How often is looked whether anything was said, and whether anybody asks for it.
LOOK_S, IDLE_S = 0.25, 1.0
# Calls of one endpoint under way for this, and how many may wait for their turn until they are late.
AT_ONCE, WAITING_MOST = 4, 100
# Who came or went so long ago is not told.
STALE_MS = 60_000


class PassingNews:
    """Lives on one loop, for as long as its task does."""

    def __init__(self, parts: Parts, executor: Executor, endpoints: Endpoints) -> None:
        self._parts, self._executor, self._endpoints = parts, executor, endpoints
        self._begun: Counter[str] = Counter()
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(partial(asyncio.Semaphore, AT_ONCE))
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(IDLE_S)
                if self._asking():
                    await self._listen()
        finally:
            for each in self._calls:
                each.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _listen(self) -> None:
        """While anybody asks. What was said before is heard, so that it is known who is there, and not told."""
        heard, present, is_first = Heard(self._parts.log), Present(), True
        while asking := self._asking():
            try:
                records = await in_thread(self._executor, heard.since_last)
            except Temporary as outage:
                log.warning("signals_unreadable", reason=outage.reason)
                await asyncio.sleep(IDLE_S)
                continue
            events = list(_events(present, records))
            if events and not is_first:
                await self._tell(asking, events)
            is_first = False
            await asyncio.sleep(LOOK_S)

    def _asking(self) -> list[Endpoint]:
        return [each for each in self._endpoints.enabled.values() if TYPES.intersection(each.webhook.events)]

    async def _tell(self, asking: Sequence[Endpoint], events: Sequence[Event]) -> None:
        webhooks: list[Webhook] = [each.webhook for each in asking]
        known = await self._endpoints.knowledge.of(webhooks, events, partial(in_thread, self._executor))
        for event in events:
            telling = Telling(event)
            for endpoint in asking:
                if wants(endpoint.webhook, event, known):
                    self._call_at_once(endpoint, telling)

    def _call_at_once(self, endpoint: Endpoint, telling: Telling) -> None:
        webhook_id = endpoint.webhook.webhook_id
        if endpoint.is_down or self._begun[webhook_id] >= WAITING_MOST:
            metrics.WEBHOOK_PASSING_DROPPED.add()
            return
        self._begun[webhook_id] += 1
        task = asyncio.get_running_loop().create_task(self._call(endpoint, telling))
        self._calls.add(task)
        task.add_done_callback(partial(self._ended, webhook_id))

    async def _call(self, endpoint: Endpoint, telling: Telling) -> None:
        async with self._turns[endpoint.webhook.webhook_id], endpoint.slots:
            await endpoint.turn()
            if is_late(telling.event, now_ms()):
                metrics.WEBHOOK_PASSING_DROPPED.add()
            else:
                await self._endpoints.call(endpoint, [telling], 1)

    def _ended(self, webhook_id: str, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._begun[webhook_id] -= 1
        if not task.cancelled() and task.exception():
            log.error("signal_not_told", webhook_id=webhook_id, error=repr(task.exception()))


def _events(present: Present, records: Iterable[Record]) -> Iterable[Event]:
    """What these say, in time, and who went with processes that are silent."""
    for record in records:
        if is_newer(record.headers):
            continue
        if kind_of(record) == "typing":
            event = _typing(record)
            if event and not is_late(event, now_ms()):
                yield event
        yield from map(_presence, _fresh(hear(present, record, at_once=True)))
    yield from map(_presence, _fresh(present.silent(time.monotonic())))


def _typing(record: Record) -> Event | None:
    try:
        return decode(record)
    except ValueError as error:
        log.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
        return None


def _fresh(changes: Iterable[Change]) -> list[Change]:
    oldest = now_ms() - STALE_MS
    return [each for each in changes if each.at >= oldest]


def _presence(change: Change) -> Event:
    event = presence_event(change.user_id, change.at, online=change.online, last_seen=change.last_seen)
    event.at = now_ms()
    return event
