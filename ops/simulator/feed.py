"""What the phones page is told: everything that arrives or is said, and every receipt, as it happens."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import msgspec

from ops.simulator.model import Arrival, Said

HISTORY = 300
BACKLOG = 2000
# A page that has gone is noticed by writing to it.
KEEP_ALIVE_S = 15.0

_encode = msgspec.json.Encoder().encode


class Feed:
    """Server-Sent Events for any number of pages. Costs nothing while nobody looks."""

    def __init__(self) -> None:
        self._pages: set[asyncio.Queue[bytes]] = set()

    def show(self, what: Arrival | Said) -> None:
        """Something new, or changed. A page that does not keep up misses it, and sees it when it is loaded again."""
        if self._pages:
            self._tell(_event(what))

    def reset(self) -> None:
        """All was forgotten."""
        self._tell(b"event: reset\ndata: {}\n\n")

    def _tell(self, event: bytes) -> None:
        for page in self._pages:
            if not page.full():
                page.put_nowait(event)

    async def events(self, known: Iterable[Arrival | Said]) -> AsyncGenerator[bytes, None]:
        """What is known, oldest first, a mark that this was all, then what comes."""
        page: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self._pages.add(page)
        try:
            for each in sorted(known, key=lambda each: each.at)[-HISTORY:]:
                yield _event(each)
            yield b"event: caught-up\ndata: {}\n\n"
            while True:
                try:
                    yield await asyncio.wait_for(page.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._pages.discard(page)


def _event(what: Arrival | Said) -> bytes:
    kind = b"arrival" if isinstance(what, Arrival) else b"said"
    return b"event: %s\ndata: %s\n\n" % (kind, _encode(what))
