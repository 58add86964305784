"""Updates that wait to be fetched, where a provider's client polls."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ops.simulator.model import Poll


class Held:
    """In order of their update_id, until they are acknowledged."""

    def __init__(self) -> None:
        self._updates: list[Any] = []
        self._more = asyncio.Event()

    def add(self, update: Any) -> None:
        """One more."""
        self._updates.append(update)
        self._more.set()

    async def fetch(self, poll: Poll) -> Sequence[Any]:
        """What was not acknowledged; waits for the first as long as the poll says."""
        self._updates = [each for each in self._updates if each["update_id"] >= poll.offset]
        if not self._updates and poll.timeout_s > 0:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), poll.timeout_s)
            except TimeoutError:
                return []
        return self._updates[: poll.limit]
