"""Webhooks on their way to the gateway: in order, many updates in one, repeated until they are taken."""

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from zlib import crc32

import aiohttp

from chat4all.telemetry import logs
from ops.simulator.model import Update
from ops.simulator.providers.provider import Provider

LANES = 2
GATHER_S = 0.02
TIMEOUT_S = 10.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
GIVE_UP_S = 600.0

_log = logs.logger(__name__)


class Outbox:
    """One provider's webhooks. What is told under one key (an address, a message) is posted in order of its due time."""

    def __init__(self, provider: Provider, url: str, counts: Counter[str], told: Callable[[Sequence[Update]], None]) -> None:
        self._provider = provider
        self.url = url
        self._counts = counts
        self._told = told
        self._numbers = itertools.count()
        self._session: aiohttp.ClientSession | None = None
        self._lanes: list[_Lane] = []

    def start(self) -> None:
        """Begin to post, on the running loop."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        self._lanes = [_Lane(self) for _ in range(LANES)]

    def put(self, key: str, update: Update, after_ms: float = 0) -> None:
        """Tell this `after_ms` from now."""
        update.due, update.number = time.monotonic() + after_ms / 1000, next(self._numbers)
        self._lanes[crc32(key.encode()) % LANES].put(update)

    def waiting(self) -> int:
        """Updates that no webhook has taken yet."""
        return sum(lane.waiting for lane in self._lanes)

    def take(self) -> list[Update]:
        """All that waits, in order, to be told in another way or dropped. What is on its way at this moment still arrives."""
        return sorted((each for lane in self._lanes for each in lane.take()), key=lambda update: update.number)

    async def close(self) -> None:
        """Stop posting."""
        for lane in self._lanes:
            await lane.stop()
        if self._session is not None:
            await self._session.close()

    async def post(self, updates: Sequence[Update]) -> bool:
        """One try. True when the gateway took them."""
        contents = [each.content for each in updates]
        body = self._provider.webhook(contents)
        hook, proof = self._provider.addressed(contents, body)
        headers = {"Content-Type": "application/json", **proof}
        self._counts["webhooks"] += 1
        if self._session is None:
            return False
        try:
            async with self._session.post(hook or self.url, data=body, headers=headers) as response:
                await response.read()
                trouble = (
                    "" if response.status == 200 else f"Wrong response from the webhook: {response.status} {response.reason}"
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            trouble = "Connection failed"
        if trouble:
            self._counts["webhooks_refused"] += 1
            self._provider.webhook_failed(trouble)
            return False
        self._counts["updates"] += len(updates)
        self._told(updates)
        return True

    def apart(self, updates: Sequence[Update]) -> list[list[Update]]:
        """These, by the webhook that each goes into."""
        return [[updates[place] for place in some] for some in self._provider.apart([each.content for each in updates])]

    async def insist(self, updates: Sequence[Update]) -> None:
        """Post until it is taken, ever less often; after ten minutes the updates are dropped and counted."""
        pause, until = FIRST_PAUSE_S, time.monotonic() + GIVE_UP_S
        while not await self.post(updates):
            if time.monotonic() > until:
                self._counts["updates_given_up"] += len(updates)
                _log.warning("webhook_given_up", channel=self._provider.name, updates=len(updates))
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    @property
    def batch(self) -> int:
        """How many updates the provider puts into one webhook."""
        return self._provider.batch


class _Lane:
    """One post at a time; what becomes due meanwhile goes together into the next."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._heap: list[Update] = []
        self._sending: list[Update] = []
        self._earlier = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def put(self, update: Update) -> None:
        heapq.heappush(self._heap, update)
        if self._heap[0] is update:
            self._earlier.set()

    @property
    def waiting(self) -> int:
        return len(self._heap) + len(self._sending)

    def take(self) -> list[Update]:
        taken, self._heap, self._sending = [*self._sending, *self._heap], [], []
        self._task.cancel()
        self._task = asyncio.create_task(self._run())
        return taken

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wait()
            due = time.monotonic()
            while self._heap and self._heap[0].due <= due and len(self._sending) < self._outbox.batch:
                self._sending.append(heapq.heappop(self._heap))
            if self._sending:
                for together in self._outbox.apart(self._sending):
                    await self._outbox.insist(together)
                self._sending = []
                if self._outbox.batch > 1:
                    await asyncio.sleep(GATHER_S)

    async def _wait(self) -> None:
        while not self._heap or self._heap[0].due > time.monotonic():
            self._earlier.clear()
            left = self._heap[0].due - time.monotonic() if self._heap else None
            try:
                await asyncio.wait_for(self._earlier.wait(), left)
            except TimeoutError:
                return
