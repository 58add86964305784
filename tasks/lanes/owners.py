"""Looks up which users own addresses, for many at once."""

import asyncio
from concurrent.futures import Executor

from chat4all.model.conversations import Identity
from chat4all.ports import MessageStore
from tasks.lanes.writer import insist

Address = tuple[str, str]


class Owners:
    """Answers for one process's attempts. What is asked in one turn of the loop is one read, begun after all was asked.

    An outage is waited out: who asks has written down an attempt, whose outcome would be unknown otherwise.
    """

    def __init__(self, store: MessageStore, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._asked: dict[Address, asyncio.Future[Identity | None]] = {}
        self._reads: set[asyncio.Task[None]] = set()

    async def owner(self, channel: str, address: str) -> Identity | None:
        """Whose this address is now; None: nobody's."""
        place = (channel, address)
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._begin)
        if place not in self._asked:
            self._asked[place] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._asked[place])

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.get_running_loop().create_task(self._read(asked))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read(self, asked: dict[Address, "asyncio.Future[Identity | None]"]) -> None:
        try:
            found = await insist(self._executor, lambda: self._store.owners(list(asked)), addresses=len(asked))
        except Exception as error:  # noqa: BLE001 - it is who asked that fails
            for future in asked.values():
                future.set_exception(error)
            return
        for place, future in asked.items():
            future.set_result(found.get(place))
