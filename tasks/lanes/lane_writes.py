"""The writes of one lane, and which of its rows are finished once they are durable."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from chat4all.model.deliveries import Delivery
from chat4all.ports import Waiting
from tasks.lanes.lease import Hold
from tasks.lanes.window import Window
from tasks.lanes.writer import Write, Writer


class LaneWrites:
    """A lane's way to the writer of its process. A row is closed in its window when what ends it is durable."""

    def __init__(self, hold: Hold, window: Window, writer: Writer, news: Callable[[], None]) -> None:
        """`news` wakes the lane: something was done with, so that its cursor may move."""
        self._hold, self._window, self._writer, self.news = hold, window, writer, news
        self._under_way: set[asyncio.Future[None]] = set()

    def write(self, write: Write) -> "asyncio.Future[None]":
        """Have it written; the lane does not end before it is."""
        future = self._writer.write(write)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def stamped(self, waiting: Waiting) -> Waiting:
        """The same as our newest word about its key."""
        return replace(waiting, stamp=self._hold.stamp())

    def end(self, row: Delivery, write: Write | None) -> None:
        """The row is done with once this is durable; a failed write leaves it open, for the next holder."""
        if write is None:
            self.close(row)
            return

        def written(future: "asyncio.Future[None]") -> None:
            if not future.cancelled() and not future.exception():
                self.close(row)

        self.write(write).add_done_callback(written)

    def close(self, row: Delivery) -> None:
        """The row is done with."""
        if self._window.close(row.key.seq):
            self.news()

    async def finished(self) -> None:
        """Until all is written that was begun."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
