"""A page of a recovery: conversations beside each other, a few at a time, each in order."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.ports.webhooks import Recovery
from tasks.webhooks import schedule
from tasks.webhooks.caller import Answer
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.telling import Telling

# Of the calls that an endpoint may have under way, half are left to what happens now.
AT_ONCE = 4

Call = Callable[[Endpoint, Sequence[Telling], int, str], Awaitable[Answer]]


class RecoveryPage:
    """`done`: offsets that were told before, beyond where the recovery stands; what is told now comes to them."""

    def __init__(self, recovery: Recovery, endpoint: Endpoint, call: Call, goes_on: Callable[[], bool], done: set[int]) -> None:
        self._recovery, self._endpoint, self._call, self._goes_on = recovery, endpoint, call, goes_on
        self._done = done
        self._failed: dict[int, Answer | None] = {}

    async def tell(self, events: Sequence[Telling]) -> dict[int, Answer | None]:
        """Tell these. What was not told, by its offset: the first of each conversation, with the answer; None: not asked."""
        queues: dict[str, deque[Telling]] = {}
        for each in events:
            if each.offset not in self._done:
                queues.setdefault(each.key, deque()).append(each)
        waiting = deque(queues.values())
        await asyncio.gather(*(self._work(waiting) for _ in range(min(AT_ONCE, len(waiting)))))
        return self._failed

    def where_it_stands(self, end: int, failed: dict[int, Answer | None], scale: float) -> Recovery:
        """The recovery after this page, which ends before `end`: at the first event that was not told."""
        if not failed:
            return replace(self._recovery, position=end, refusals=0, retry_at=0)
        first = min(failed)
        refusals = self._refusals(first) + (failed[first] is not None)
        answers = [each for _, each in sorted(failed.items()) if each is not None]
        if not answers:
            return replace(self._recovery, position=first, refusals=refusals, retry_at=now_ms())
        wait_s = schedule.wait_s(max(1, refusals), random.random(), scale, answers[0].asked_s) or 0.0  # noqa: S311 - spreads load
        return replace(self._recovery, position=first, refusals=refusals, retry_at=now_ms() + int(wait_s * 1000) + 1)

    async def _work(self, waiting: "deque[deque[Telling]]") -> None:
        while waiting:
            queue = waiting.popleft()
            while queue and await self._tell(queue[0]):
                self._done.add(queue.popleft().offset)

    async def _tell(self, event: Telling) -> bool:
        """Whether the next of its conversation may be told: this one was, or has had all its tries."""
        refusals, answer = self._refusals(event.offset), None
        if not (self._failed and self._endpoint.is_down):
            async with self._endpoint.slots:
                await self._endpoint.turn()
                if self._goes_on():
                    answer = await self._call(self._endpoint, [event], refusals + 1, "recovery")
        if answer is not None and (answer.is_told or schedule.wait_s(refusals + 1, 0.0, 1.0) is None):
            return True
        self._failed[event.offset] = answer
        return False

    def _refusals(self, offset: int) -> int:
        return self._recovery.refusals if self._recovery.position == offset else 0
