"""Looks up which users own addresses, for many at once."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor

from chat4all.model.conversations import Identity
from chat4all.ports import MessageStore
from tasks.lanes.writer import insist

Address = tuple[str, str]
Found = Mapping[Address, Identity]


class Owners:
    """Answers for one process's attempts. What is asked in one turn of the loop is one read, begun after all was asked.

    An outage is waited out: who asks has written down an attempt, whose outcome would be unknown otherwise.
    """

    def __init__(self, store: MessageStore, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._next: tuple[set[Address], asyncio.Task[Found]] | None = None
        self._reads: set[asyncio.Task[Found]] = set()

    async def owner(self, channel: str, address: str) -> Identity | None:
        """Whose this address is now; None: nobody's. CancelledError once it is closed."""
        place = (channel, address)
        asked, read = self._next = self._next or self._begun()
        asked.add(place)
        # Others ask with us: who is cancelled does not take their answer away.
        return (await asyncio.shield(read)).get(place)

    async def close(self) -> None:
        """Read no more. Nobody asks any more, or who asks is to end."""
        for each in self._reads:
            each.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)

    def _begun(self) -> tuple[set[Address], "asyncio.Task[Found]"]:
        asked: set[Address] = set()
        # It begins to run in the loop's next turn.
        read = asyncio.get_running_loop().create_task(self._read(asked))
        self._reads.add(read)
        read.add_done_callback(self._over)
        return asked, read

    async def _read(self, asked: set[Address]) -> Found:
        self._next = None
        return await insist(self._executor, lambda: self._store.owners(list(asked)), addresses=len(asked))

    def _over(self, read: "asyncio.Task[Found]") -> None:
        self._reads.discard(read)
        if not read.cancelled():
            # It is who asked that fails; where nobody does any more, nobody needs to hear of it.
            read.exception()
