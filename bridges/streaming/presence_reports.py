"""Says who reads here: to all processes by the log, and to the store when somebody was last there."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TypeVar

from chat4all.model.presence import Readers
from chat4all.model.records import SIGNALS
from chat4all.ports import EventLog, MessageStore
from chat4all.services.presence import report_record

APPEND_S = 2.0

T = TypeVar("T")


class PresenceReports:
    """Lives on one loop; log and store are asked on `threads`. `readers`: who reads here."""

    def __init__(self, log: EventLog, store: MessageStore, readers: Readers, threads: Executor) -> None:
        self._log, self._store, self._threads = log, store, threads
        self.readers = readers
        self._partitions = log.topic(SIGNALS).partitions

    async def say(self) -> None:
        """Whatever is to be said now. Raises a Failure: then call `readers.not_heard`."""
        asked = self.readers.to_ask
        known = await self._asked(lambda: self._store.presences(asked)) if asked else {}
        hidden = {user_id for user_id, seen in known.items() if seen.hidden}
        reports = self.readers.reports(asked, hidden, time.monotonic())
        if reports:
            await self.keep({user_id: at for each in reports for user_id, at in each.left.items() if at})
            records = [report_record(each, self._partitions) for each in reports]
            await self._asked(lambda: self._log.append(records, APPEND_S))

    async def keep(self, seen: Mapping[str, int]) -> None:
        """Users were there at these times (ms UTC)."""
        if seen:
            await self._asked(lambda: self._store.raise_last_seen(seen))

    async def _asked(self, blocking: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, blocking)
