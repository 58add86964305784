"""Who lives? Nobody compares times of day, because clocks of machines differ and jump: an observer sees whether a sign of
life changes, and counts on its own clock for how long it has not. Leases, consumer groups, batches and workers are all
judged so.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

Clock = Callable[[], float]


class Observed(Generic[T]):
    """Something that changes as long as somebody is alive, as one observer sees it. `clock`: seconds that only go forward.

    Not seen means nothing: what changed and changed back between two looks has not changed. So signs of life count up.
    """

    __slots__ = ("_clock", "_last", "_since")

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._last: tuple[T] | None = None

    def look(self, sign: T) -> bool:
        """What is seen now; whether it differs from what was seen before. The first look always does."""
        if self._last is not None and self._last[0] == sign:
            return False
        self._last, self._since = (sign,), self._clock()
        return True

    def restart(self) -> None:
        """Count from now on, as if it had changed: whoever is observed was just given something to do."""
        self._since = self._clock()

    @property
    def unchanged_s(self) -> float:
        """For how many seconds it has been seen unchanged."""
        return self._clock() - self._since
