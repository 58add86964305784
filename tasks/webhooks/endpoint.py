"""An endpoint as this process knows it: how many calls may be under way, at what pace, and whether it is down."""

import asyncio
import time

from aiolimiter import AsyncLimiter

from chat4all.model.clock import now_ms
from chat4all.ports.webhooks import Webhook
from tasks.webhooks.caller import GONE, Answer

# Calls of one endpoint under way at once, in this process.
CALLS = 8
# So many calls in a row that failed, and the endpoint is down: one probe then stands for all.
DOWN = 5


class Endpoint:
    """Shared by all lanes of the process. 1,000 idle ones are 1,000 of these, and nothing else.

    `down`: after so many calls in a row that failed it is down.
    """

    __slots__ = ("_down", "_limiter", "_slots", "failing_since", "in_a_row", "is_gone", "is_sealed", "returns", "webhook")

    def __init__(self, webhook: Webhook, down: int = DOWN) -> None:
        self.webhook = webhook
        self._down = down
        # How often it came back after it was down.
        self.in_a_row = self.returns = 0
        self.failing_since = webhook.failing_since
        self.is_gone = self.is_sealed = False
        self._slots: asyncio.Semaphore | None = None
        self._limiter: AsyncLimiter | None = None

    def changed(self, webhook: Webhook) -> None:
        """Its newest version."""
        if webhook.throttle != self.webhook.throttle:
            self._limiter = None
        self.webhook = webhook

    @property
    def is_down(self) -> bool:
        """Whether one call stands for all until one succeeds."""
        return self.in_a_row >= self._down

    @property
    def failed_down(self) -> int:
        """How many calls in a row have failed since it is down, with the one that brought it down."""
        return self.in_a_row - self._down + 1

    @property
    def slots(self) -> asyncio.Semaphore:
        """A place among its calls under way."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(CALLS)
        return self._slots

    async def turn(self) -> None:
        """Wait for its pace."""
        rate = self.webhook.throttle
        if rate:
            if self._limiter is None:
                self._limiter = AsyncLimiter(max(1.0, rate), max(1.0, rate) / rate)
            await self._limiter.acquire()

    def answered(self, answer: Answer) -> None:
        """What the last call came to."""
        self.is_sealed = answer.error == "sealed"
        self.is_gone = self.is_gone or answer.status == GONE
        if answer.is_told:
            self.returns += self.is_down
            self.in_a_row, self.failing_since = 0, 0
        else:
            self.in_a_row += 1
            self.failing_since = self.failing_since or now_ms()

    def is_due_to_end(self, given_up_s: float) -> str:
        """Why it is to be disabled now; empty: it is not."""
        if self.is_gone:
            return "gone"
        since = self.failing_since
        return "failing" if since and time.time() - since / 1000 > given_up_s else ""
