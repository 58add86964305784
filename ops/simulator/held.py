"""Updates that wait to be fetched, where a provider's client polls."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ops.simulator.model import Poll, Refused


class Held:
    """In order of their update_id, until they are acknowledged. A new fetch ends one that still waits, as Telegram's does."""

    def __init__(self) -> None:
        self._updates: list[Any] = []
        self._more = asyncio.Event()
        self._fetches = 0

    def add(self, update: Any) -> None:
        """One more."""
        self._updates.append(update)
        self._more.set()

    async def fetch(self, poll: Poll) -> Sequence[Any]:
        """What was not acknowledged; waits for the first as long as the poll says. Refused when somebody else fetches."""
        self._fetches = mine = self._fetches + 1
        self._more.set()
        self._updates = [each for each in self._updates if each["update_id"] >= poll.offset]
        if not self._updates and poll.timeout_s > 0:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), poll.timeout_s)
            except TimeoutError:
                return []
            if mine != self._fetches:
                raise Refused(409, 409)
        return self._updates[: poll.limit]
