"""The partitions whose events this process tells to endpoints, on one asyncio loop in a thread of its own."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import uvloop

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.services.accounts.live import LiveChannels
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.lanes.lane_tasks import LaneTasks
from tasks.lanes.lease import Hold, Leases
from tasks.lanes.writer import Writer
from tasks.resources import Parts
from tasks.webhooks.caller import Caller, HeadersOf
from tasks.webhooks.endpoints import Endpoints
from tasks.webhooks.follower import Follower
from tasks.webhooks.lane import WebhookLane
from tasks.webhooks.passing import PassingNews
from tasks.webhooks.recovery import Recoveries
from tasks.webhooks.schedule import GIVEN_UP_S

log = logs.logger(__name__)

THREADS = 4
# How often is looked whether an endpoint changed, while anything is held.
LOOK_S = 1.0
# How often the log of calls is written.
NOTE_S = 0.25
STOP_S = 5.0
# Whoever holds this partition tells what is in none.
FIRST = 0


class WebhookRunner:
    """Takes lanes when woken and works on them for as long as an endpoint is enabled. `start` it once per process."""

    def __init__(
        self, parts: Parts, headers: HeadersOf, given_up_s: float = GIVEN_UP_S, live: LiveChannels | None = None
    ) -> None:
        """`live`: the accounts as this process watches them; None: it asks for them each time."""
        self._parts = parts
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        self._leases = Leases(parts.store, self._executor, parts.settings.lease_s, lambda: bool(self.endpoints.enabled))
        self._writer = Writer(parts, self._executor)
        self.endpoints = Endpoints(parts, Caller(parts.settings, headers), self._executor, given_up_s, live)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._lanes: dict[int, WebhookLane] = {}
        self._follower = Follower(parts.log, self._lanes, self._loop)
        self._tasks = LaneTasks()
        self._always: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Begin, in threads that end with the process."""
        metrics.WEBHOOK_OLDEST_SECONDS.from_(self._oldest)
        metrics.WEBHOOK_ENDPOINTS_WAITING.from_(self._waiting)
        metrics.WEBHOOK_ENDPOINTS_SEALED.from_(self._sealed)
        self._thread.start()
        self._follower.start()

    def wake(self, lane: Lane) -> None:
        """Look at this lane soon. Does not block; from any thread."""
        self._loop.call_soon_threadsafe(self._woken, lane)

    def stop(self) -> None:
        """Begin nothing more, finish the calls under way, release every lane. Blocks for as long as a call may take."""
        self._follower.stop()
        patience_s = self._parts.settings.webhook_timeout_s + 3 * STOP_S
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(patience_s)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()
        self._executor.shutdown(wait=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._always = [self._loop.create_task(each) for each in (self._writer.run(), self._look(), self._note())]
        self._loop.run_forever()

    def _woken(self, lane: Lane) -> None:
        if not self._stopping and lane not in self._tasks:
            self._tasks.begin(lane, self._take)

    async def _take(self, lane: Lane) -> None:
        await self._look_once()
        hold = await self._leases.take(lane)
        if hold:
            await self._leases.work_on(hold, self._work(hold))

    async def _work(self, hold: Hold) -> None:
        partition = hold.lane.partition
        beside: list[asyncio.Task[None]] = []
        try:
            state = await self._leases.state(hold.lane)
            lane = WebhookLane(state, hold, self._parts, self._writer, self._executor, self.endpoints)
            await lane.begin()
            self._lanes[partition] = lane
            self._follower.changed()
            beside = [self._loop.create_task(Recoveries(hold, self._parts, self._executor, self.endpoints).run())]
            if partition == FIRST:
                beside.append(self._loop.create_task(PassingNews(self._parts, self._executor, self.endpoints).run()))
            await lane.run()
        finally:
            self._lanes.pop(partition, None)
            self._follower.changed()
            for each in beside:
                each.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _look(self) -> None:
        """One question a second for all lanes; none where nothing is held."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._lanes:
                try:
                    await self._look_once()
                except Temporary as outage:
                    log.warning("webhooks_unreadable", reason=outage.reason)

    async def _look_once(self) -> None:
        new, gone = await self.endpoints.look()
        for lane in list(self._lanes.values()):
            for webhook_id in [*gone, *(each.webhook.webhook_id for each in new)]:
                await lane.forget(webhook_id)
            for endpoint in new:
                await lane.heard_of(endpoint)

    async def _note(self) -> None:
        while True:
            await asyncio.sleep(NOTE_S)
            try:
                await self.endpoints.note()
            except Temporary as outage:
                log.warning("webhooks_unwritable", reason=outage.reason)

    async def _finish(self) -> None:
        self._stopping = True
        for lane in self._lanes.values():
            lane.hold.stop()
        left = self._tasks.all()
        if left:
            await asyncio.wait(left, timeout=self._parts.settings.webhook_timeout_s + STOP_S)
        ending = [*left, *self._always]
        try:
            await asyncio.wait_for(self.endpoints.note(), STOP_S)
        except (Temporary, TimeoutError):
            log.warning("webhook_calls_not_logged")
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self.endpoints.close()

    def _oldest(self) -> Values:
        """Of the endpoint that is furthest behind: what it waits for, and since when."""
        now = now_ms()
        ages = [
            now - since
            for lane in list(self._lanes.values())
            for listener in list(lane.listeners.values())
            if (since := listener.since)
        ]
        return {(): max(ages, default=0) / 1000}

    def _sealed(self) -> Values:
        return {(): sum(each.is_sealed for each in list(self.endpoints.enabled.values()))}

    def _waiting(self) -> Values:
        names = {name for lane in list(self._lanes.values()) for name, each in list(lane.listeners.items()) if each.rows()}
        return {(): len(names)}
