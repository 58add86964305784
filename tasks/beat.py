"""When the beat sends the tasks of `beat_schedule`: each at the beat's start, and then so many seconds after the last time.

Celery's own scheduler reckons with dates and time zones and keeps them in a file. That was most of the beat's CPU, and nothing
here depends on what was sent before a restart.
"""

import time
from typing import Any

from celery.beat import Scheduler

from chat4all.model.liveness import Clock


class IntervalScheduler(Scheduler):  # type: ignore[misc]
    """Counts seconds of the monotonic clock, which nobody sets. Schedules are numbers of seconds."""

    def __init__(self, *arguments: Any, clock: Clock = time.monotonic, **more: Any) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        super().__init__(*arguments, **more)

    def tick(self, *_: Any, **__: Any) -> float:
        """Send what is due; the seconds until the next look. A broker that is away misses one turn, which Celery logs."""
        for name, entry in self.schedule.items():
            if self._due.get(name, 0.0) <= self._clock():
                self._due[name] = self._clock() + entry.schedule.seconds
                self.apply_entry(entry, producer=self.producer)
        soonest = min(self._due.values())
        return max(0.0, soonest - self._clock())
