"""A run under way, as a fault function gets it: time passes, something is harmed, and what is noticed is written down."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psutil

from ops.faults.crowd import Crowd
from ops.faults.load import Load
from ops.faults.outcome import Outcome
from ops.faults.stack import Stack
from ops.harness.readers import Readers
from ops.harness.system import System
from ops.harness.waiting import wait_until

RESTART_S = 40.0
LATE_S = 1.5
CALM_S = 60.0
GROWTH_MIB = 128
# It remembers all that it was ever sent, to be asked about it.
SIMULATOR = "simulator"


class Course:
    """`hits`: when harm was done or ended (ms UTC); recovery counts from the last. `kills`: processes killed.

    `figures` go into the row as they are; a `wrong` is a promise that was seen broken, in words; `late`: one about time.
    `later`: what a fault asks for once all has settled. `prepared`: what its `prepare` gave.
    """

    def __init__(self, stack: Stack, crowd: Crowd, load: Load, outcome: Outcome, readers: Readers, seed: int) -> None:
        self.stack, self.crowd, self.load, self.outcome, self.readers = stack, crowd, load, outcome, readers
        self.seed = seed
        self.random = Random(seed)
        self.later: list[Callable[[], None]] = []
        self.hits: list[int] = []
        self.kills = 0
        self.figures: dict[str, float | int | str] = {}
        self.wrong: list[str] = []
        self.late: list[str] = []
        self.prepared: Any = None

    @property
    def system(self) -> System:
        """The running system."""
        return self.stack.system

    def go(self, seconds: float) -> None:
        """Let the load flow."""
        time.sleep(seconds)

    def hit(self) -> int:
        """Harm was done, or ended, now."""
        self.hits.append(int(time.time() * 1000))
        return self.hits[-1]

    def kill(self, part: str) -> None:
        """Kill -9 one part, and wait until its supervisor has started it again."""
        self.hit()
        old = self.system.kill9(part)
        self.kills += 1
        self.system.wait_restarted(part, old, RESTART_S)

    def kill_often(self, part: str, times: int, shortest_s: float = 1.0, longest_s: float = 4.0) -> None:
        """Kill a part at random moments, `times` times; KILLS in the environment for fewer."""
        for _ in range(min(times, int(os.environ.get("KILLS", times)))):
            self.go(self.random.uniform(shortest_s, longest_s))
            self.kill(part)

    def memory(self) -> dict[str, int]:
        """MiB that each part and its children have in memory now."""
        found = {}
        for part in self.system.parts():
            pid = self.system.pid(part)
            if pid and psutil.pid_exists(pid):
                root = psutil.Process(pid)
                found[part] = sum(_resident(each) for each in [root, *root.children(recursive=True)]) >> 20
        return found

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Inside, something is away while messages keep coming: no part may gather them in memory."""
        before = self.memory()
        yield
        after = self.memory()
        grown = {part: after[part] - each for part, each in before.items() if part in after and part != SIMULATOR}
        worst = max(grown, key=lambda part: grown[part])
        self.figures["grew_most"] = f"{worst} {grown[worst]} MiB"
        if grown[worst] > GROWTH_MIB:
            self.wrong.append(f"{worst} grew by {grown[worst]} MiB while something was away")

    def until_calm(self) -> float:
        """Let the load flow until nothing is late any more, so that the next harm meets a system that has come to itself.

        How long that took, in seconds.
        """
        began = time.monotonic()

        def nothing_is_late() -> bool:
            before = int((time.time() - LATE_S) * 1000)
            return not self.outcome.missing(before)

        try:
            wait_until("nothing is late", nothing_is_late, CALM_S, 0.5)
        except TimeoutError:
            self.figures["never_calm"] = 1
        return round(time.monotonic() - began, 1)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
