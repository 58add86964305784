"""Places among an account's calls in flight: a semaphore whose size may change while calls are under way."""

import asyncio
from collections import deque


class Places:
    """`async with` takes a place, or waits for one in turn. On one loop."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def resize(self, most: int) -> None:
        """So many from now on. Calls that are under way go on, also where they are more."""
        self._most = most
        self._let_in()

    async def __aenter__(self) -> None:
        if self._taken < self._most and not self._waiting:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place was given to who does not take it any more.
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._taken -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._taken < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
