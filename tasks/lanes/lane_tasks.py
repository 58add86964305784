"""What a process is doing with lanes: one task a lane, on one loop."""

import asyncio
from collections.abc import Awaitable, Callable

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.telemetry import logs

log = logs.logger(__name__)


class LaneTasks:
    """Lives on one loop. Whatever goes wrong with a lane ends its task, is said, and leaves the others alone."""

    def __init__(self) -> None:
        self._tasks: dict[Lane, asyncio.Task[None]] = {}

    def __contains__(self, lane: Lane) -> bool:
        return lane in self._tasks

    def begin(self, lane: Lane, work: Callable[[Lane], Awaitable[None]]) -> None:
        """Do this with a lane that has no task."""
        self._tasks[lane] = asyncio.get_running_loop().create_task(self._done(lane, work))

    def all(self) -> list[asyncio.Task[None]]:
        """Those that have not ended."""
        return list(self._tasks.values())

    async def _done(self, lane: Lane, work: Callable[[Lane], Awaitable[None]]) -> None:
        try:
            await work(lane)
        except Temporary as outage:
            log.warning("lane_unreachable", lane=str(lane), reason=outage.reason)
        except Exception:
            log.exception("lane_failed", lane=str(lane))
        finally:
            del self._tasks[lane]
