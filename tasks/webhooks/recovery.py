"""Recoveries: events told to an endpoint once more, with the same ids, in order in each conversation and not with live ones."""

import asyncio
from concurrent.futures import Executor
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.failures import RangeLost, Temporary
from chat4all.model.records import EVENTS, Range
from chat4all.ports.webhooks import Recovery
from chat4all.telemetry import logs
from tasks.lanes.lease import Hold
from tasks.lanes.threads import in_thread
from tasks.resources import Parts
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.endpoints import Endpoints
from tasks.webhooks.lost import after_lost
from tasks.webhooks.matching import wants
from tasks.webhooks.reading import decoded
from tasks.webhooks.recovery_page import RecoveryPage
from tasks.webhooks.telling import Telling

log = logs.logger(__name__)

LOOK_S = 2.0
PAGE = 100
READ_TIMEOUT_S = 5.0


class Recoveries:
    """Those of one partition, for as long as its lane is held."""

    def __init__(self, hold: Hold, parts: Parts, executor: Executor, endpoints: Endpoints) -> None:
        self._hold, self._parts, self._executor, self._endpoints = hold, parts, executor, endpoints
        self._partition, self._scale = hold.lane.partition, parts.settings.webhook_schedule_scale
        self._running: dict[str, asyncio.Task[None]] = {}
        self._beyond: dict[str, set[int]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except Temporary as outage:
                    log.warning("recoveries_unreadable", reason=outage.reason)
                await asyncio.sleep(LOOK_S * min(1.0, self._scale * 10))
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _look(self) -> None:
        self._running = {name: task for name, task in self._running.items() if not task.done()}
        there = await in_thread(self._executor, lambda: self._parts.store.recoveries(self._partition))
        self._beyond = {name: self._beyond[name] for name in self._beyond.keys() & {each.recovery_id for each in there}}
        for each in there:
            if each.recovery_id not in self._running and each.retry_at <= now_ms() and self._hold.goes_on():
                self._running[each.recovery_id] = asyncio.get_running_loop().create_task(self._work(each))

    async def _work(self, recovery: Recovery) -> None:
        """Go on with it until it is done, or must wait. An outage leaves it where it is."""
        try:
            while recovery.position < recovery.until and self._hold.goes_on():
                endpoint = self._endpoints.enabled.get(recovery.webhook_id)
                if endpoint is None:
                    # Nobody is there to be told.
                    await self._move(replace(recovery, position=recovery.until))
                    return
                following = await self._page(recovery, endpoint)
                await self._move(following)
                if following.retry_at > now_ms():
                    return
                recovery = following
        except Temporary as outage:
            log.warning("recovery_waits", recovery_id=recovery.recovery_id, reason=outage.reason)
        except Exception:
            log.exception("recovery_failed", recovery_id=recovery.recovery_id)

    async def _page(self, recovery: Recovery, endpoint: Endpoint) -> Recovery:
        """Tell the next events; where it stands then."""
        end = min(recovery.position + PAGE, recovery.until)
        span = Range(self._partition, recovery.position, end - 1)
        try:
            records = await in_thread(self._executor, lambda: self._parts.log.read(EVENTS, [span], READ_TIMEOUT_S))
        except RangeLost:
            following = await in_thread(self._executor, after_lost, self._parts.log, self._partition, recovery.position)
            return replace(recovery, position=min(recovery.until, following))
        asked = replace(endpoint.webhook, starts={})
        events = [event for event in map(decoded, records) if event]
        known = await self._endpoints.knowledge.of([asked], events, partial(in_thread, self._executor))
        telling = [Telling(event) for event in events if wants(asked, event, known)]
        page = RecoveryPage(recovery, endpoint, self._endpoints.call, self._hold.goes_on, self._done(recovery))
        return page.where_it_stands(end, await page.tell(telling), self._scale)

    def _done(self, recovery: Recovery) -> set[int]:
        """What was told beyond where it stands: a conversation whose event failed holds back no other."""
        done = self._beyond.setdefault(recovery.recovery_id, set())
        done.difference_update([each for each in done if each < recovery.position])
        return done

    async def _move(self, recovery: Recovery) -> None:
        if self._hold.valid():
            await in_thread(self._executor, lambda: self._parts.store.move_recovery(recovery))
