"""Updates that wait to be fetched, where a provider's client polls."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ops.simulator.model import Poll, Refused, Update

ANOTHER_FETCH = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
HOOK_SET = "Conflict: terminated by setWebhook request"


class Held:
    """In order of their update_id, until they are acknowledged. `told` hears of those that are.

    A new fetch ends one that still waits, as Telegram's does.
    """

    def __init__(self, told: Callable[[Sequence[Update]], None]) -> None:
        self._told = told
        self._updates: list[Update] = []
        self._more = asyncio.Event()
        self._fetches = 0
        self._why = ""

    def __len__(self) -> int:
        return len(self._updates)

    def add(self, update: Update) -> None:
        """One more."""
        self._updates.append(update)
        self._more.set()

    def take(self, why: str = HOOK_SET) -> list[Update]:
        """All of them, to be told in another way; a fetch that still waits is refused with these words."""
        taken, self._updates = self._updates, []
        self._end_fetch(why)
        return taken

    def _end_fetch(self, why: str) -> int:
        self._why = why
        self._fetches += 1
        self._more.set()
        return self._fetches

    async def fetch(self, poll: Poll) -> Sequence[Any]:
        """What was not acknowledged; waits for the first as long as the poll says. Refused when somebody else fetches."""
        mine = self._end_fetch(ANOTHER_FETCH)
        self._acknowledge(poll.offset)
        if not self._updates and poll.timeout_s > 0:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), poll.timeout_s)
            except TimeoutError:
                return []
            if mine != self._fetches:
                raise Refused(409, 409, words=self._why)
        return [each.content for each in self._updates[: poll.limit]]

    def _acknowledge(self, offset: int) -> None:
        """Forget what is before the offset, or all but the newest where it is negative."""
        first = len(self._updates) + offset if offset < 0 else 0
        gone = [
            each
            for place, each in enumerate(self._updates)
            if (place < first if offset < 0 else each.content["update_id"] < offset)
        ]
        self._updates = self._updates[len(gone) :]
        if gone:
            self._told(gone)
