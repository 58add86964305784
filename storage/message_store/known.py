"""A bounded cache of what a process knows to be written."""

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any


class Known:
    """What this process has written not long ago and need not write again. Forgets all of it when it becomes too much."""

    def __init__(self, keep_s: float = 3600.0, most: int = 100_000) -> None:
        self._keep_s, self._most = keep_s, most
        self._at: dict[Hashable, float] = {}

    def missing(self, things: Iterable[Hashable]) -> list[Any]:
        """Those that were not written, or too long ago."""
        since = time.monotonic() - self._keep_s
        return [each for each in dict.fromkeys(things) if self._at.get(each, -self._keep_s) <= since]

    def add(self, things: Sequence[Hashable]) -> None:
        """These are written now."""
        if len(self._at) + len(things) > self._most:
            self._at = {}
        now = time.monotonic()
        for each in things:
            self._at[each] = now
