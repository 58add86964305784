"""Several processes that hold one lane after each other, each of which may be frozen at any of its calls to the store."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.ports import MessageStore
from tasks.lanes.attempt import Sender
from tasks.lanes.bounds import Bounds
from tasks.lanes.lane import LaneWork
from tasks.lanes.lease import Hold
from tasks.lanes.outlet import Outlet
from tasks.lanes.writer import Writer
from tasks.resources import Parts
from tests.tasks.test_attempt import Fake
from tests.tasks.world import Alone, World, release, take

LANE = Lane("whatsapp", 0)
# What a call of a frozen process waits for at most, so that a failing test ends.
THAW_S = 20.0
# A key that waits keeps no lane held.
QUIET = Bounds(soon_s=0.0)


class Slow:
    """The store as a process sees it that is frozen at some call: the call reaches the store when it thaws, or never.

    `holds(name, arguments)` says which; `lost`: nothing of it ever arrives, for the process was killed.
    """

    def __init__(self, store: MessageStore, compares: bool) -> None:
        """`compares`: whether the store compares fences; Cassandra does not."""
        self._store, self._compares = store, compares
        self.holds: Callable[[str, tuple[Any, ...]], bool] = lambda name, given: False
        self.slow: Callable[[str, tuple[Any, ...]], float] = lambda name, given: 0.0
        self.thaw, self.stuck, self.lost = threading.Event(), threading.Event(), False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)

        def call(*given: Any, **more: Any) -> Any:
            if not self.thaw.is_set() and self.holds(name, given):
                self.stuck.set()
                self.thaw.wait(THAW_S)
            time.sleep(self.slow(name, given))
            if name == "raise_cursor" and not self._compares:
                given = (*given[:2], 2**62)
            if self.lost:
                raise Temporary("store", "killed")
            return real(*given, **more)

        return call


class Process:
    """One channel worker with its own way to the store, its own writer, threads and channel account.

    The test takes the lane from it (`lose`) when it lets another process have it.
    """

    def __init__(self, road: World, name: str, channel: Fake | None = None, bounds: Bounds = QUIET) -> None:
        self.bounds = bounds
        self.pool = ThreadPoolExecutor(6)
        self.store = cast("Any", Slow(road.store, road.compares))
        parts = road.parts
        self.parts = Parts(parts.settings, parts.log, self.store, parts.partitions, parts.objects)
        self.writer = Writer(self.parts, self.pool)
        opens = lambda: Sender(self.parts, channel or Fake(), self.writer, self.pool)  # noqa: E731
        self.outlet = Outlet("whatsapp", parts.settings, opens)
        self.road, self.name = road, name
        self.hold: Hold | None = None
        self.lane: LaneWork | None = None
        self._working: asyncio.Task[None] | None = None
        self._writing = asyncio.get_running_loop().create_task(self.writer.run())

    def begin(self, linger_s: float = 0.05) -> None:
        """Take the lane, whoever has it, and work on it beside what else goes on."""
        self._working = asyncio.get_running_loop().create_task(self.work(linger_s))

    @property
    def is_done(self) -> bool:
        """Whether it has let the lane go."""
        return self._working is not None and self._working.done()

    async def work(self, linger_s: float = 0.05) -> None:
        """Take the lane, whoever has it, work until it is idle, and release it if it is still ours."""
        store = self.road.store
        state, self.hold = take(store, LANE, self.name)
        self.lane = LaneWork(state, self.hold, self.store, self.writer, Alone(self.outlet), self.pool, self.bounds)
        await self.lane.run(linger_s)
        if self.hold.valid():
            self.hold.end()
            release(store, self.hold)

    def lose(self) -> None:
        """From now on the lane may be another's, and it knows."""
        if self.hold:
            self.hold.end()

    async def thawed(self) -> None:
        """Wake: what was frozen arrives, and it finds that the lane is not its own any more."""
        self.lose()
        self.store.thaw.set()
        await self._gone(wait=True)

    async def killed(self) -> None:
        """Be gone: nothing that is not at the store by now arrives there."""
        self.lose()
        self.store.lost = True
        self.store.thaw.set()
        await self._gone(wait=False)

    async def _gone(self, wait: bool) -> None:
        tasks = [self._working] if self._working else []
        if not wait:
            tasks += list(self.lane.deliverer.serving.values()) if self.lane else []
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self.pool.shutdown)
