"""One endpoint in one partition: in order per conversation; what cannot be told now has a waiting row that stands for it.

Live events go through queues, one for each conversation. A conversation whose event failed waits: a row with the offset of
that event stands for it and all that follow. An endpoint that is down, or behind, waits as a whole: one row stands for all
conversations that have none of their own. What waits is told by a `Scan`, which reads the log again (tasks/webhooks/scan.py).
"""

import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from chat4all.model.deliveries import Lane
from chat4all.ports import Waiting
from tasks.lanes.lease import Hold
from tasks.webhooks import schedule
from tasks.webhooks.bounds import Bounds
from tasks.webhooks.caller import Answer
from tasks.webhooks.endpoint import Endpoint
from tasks.webhooks.telling import Telling, together

TOLD_MOST = 1000


class Host(Protocol):
    """What a listener needs of its lane."""

    hold: Hold

    @property
    def bounds(self) -> Bounds:
        """How much each of its listeners may have."""

    def now(self) -> int:
        """The time, ms UTC."""

    @property
    def scale(self) -> float:
        """What waits are multiplied by."""

    def begun(self, offset: int) -> None:
        """Somebody is to be told of this."""

    def done(self, offset: int) -> None:
        """They were, or a row stands for it."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have this done beside the rest."""

    async def write(self, waiting: Iterable[Waiting], resumed: Iterable[Waiting] = ()) -> None:
        """Make these durable."""

    async def tell(
        self, endpoint: Endpoint, events: Sequence[Telling], number: int, still: Callable[[], bool]
    ) -> Answer | None:
        """One call with these, when its turn has come; None: it was not made."""

    async def give_up(self, endpoint: Endpoint, event: Telling, number: int, why: str) -> None:
        """An event has come to its end."""


class Refused(Struct):
    """What this process remembers of refusals. `returns`: of the endpoint, that were seen. `alone_below`: what was refused
    together is told by itself below this offset. `asked`: the conversations that wait for as long as they were asked to.
    """

    returns: int
    alone_below: int = 0
    asked: set[str] = field(default_factory=set)


class Listener:
    """Lives on one loop. `read`: how far the lane has been read when it began to listen."""

    def __init__(self, endpoint: Endpoint, lane: Lane, host: Host) -> None:
        self.endpoint, self.host = endpoint, host
        self.whole: Waiting | None = None
        self.keys: dict[str, Waiting] = {}
        # Told already, though a row may stand for them: they overtook an event of another conversation.
        self.taken: set[int] = set()
        self.refused = Refused(endpoint.returns)
        self.is_scanning = self.is_dropped = False
        self.waits_since = 0
        self._lane = lane
        self._queues: dict[str, deque[Telling]] = {}
        self._loaded = 0

    # What is so

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in memory and nothing waits."""
        return not (self._queues or self.keys or self.whole or self.is_scanning)

    @property
    def is_quiet(self) -> bool:
        """Whether no live event is under way."""
        return not self._queues

    @property
    def since(self) -> int:
        """Since when something is untold, ms UTC; 0: nothing is. What waited before counts from when the lane was taken."""
        oldest = [queue[0].at for queue in list(self._queues.values()) if queue]
        return min([*oldest, *filter(None, [self.waits_since])], default=0)

    def rows(self) -> list[Waiting]:
        """All that waits."""
        return [*self.keys.values(), *filter(None, [self.whole])]

    def is_due(self, now: int) -> bool:
        """Whether a row's time has come. As a whole it goes on when what was begun before has ended."""
        due_keys = any(each.retry_at <= now for each in self.keys.values())
        return due_keys or (self.whole is not None and self.whole.retry_at <= now and self.is_quiet)

    def hurry(self, now: int) -> None:
        """When the endpoint is back after it was down, what waited is due: it was refused because of that."""
        if self.refused.returns != self.endpoint.returns:
            self.refused.returns, asked = self.endpoint.returns, self.refused.asked
            late = {name: each for name, each in self.keys.items() if each.retry_at > now and name not in asked}
            self.keys |= {name: self.restamped(each, retry_at=now) for name, each in late.items()}

    def goes_on(self) -> bool:
        """Whether a call may still be begun."""
        return not self.is_dropped and not self.endpoint.is_gone and self.host.hold.goes_on()

    # Live events

    def offer(self, event: Telling) -> None:
        """An event that it wants, in the order of the log."""
        if self.whole or event.key in self.keys:
            return
        self.host.begun(event.offset)
        queue = self._queues.get(event.key)
        if self._loaded >= self.host.bounds.in_memory:
            # Too much is in memory: from here on it reads the log itself, when that is told.
            self.begin_whole(event.offset, self.host.now(), 0)
            self.host.spawn(self._behind(event.offset))
            return
        self._loaded += 1
        if queue is not None:
            queue.append(event)
        else:
            self._queues[event.key] = deque([event])
            self.host.spawn(self._work(event.key))

    async def _behind(self, offset: int) -> None:
        await self._written()
        self.host.done(offset)

    async def _work(self, conversation: str) -> None:
        queue = self._queues[conversation]
        # So many were refused together: each goes by itself now.
        alone = 0
        while queue:
            events = list(islice(queue, 1 if alone else together(queue, self.endpoint.webhook.batch)))
            answer = await self.host.tell(self.endpoint, events, 1, partial(self._is_free, events[-1]))
            if answer is not None and answer.is_told:
                for _ in events:
                    self._took(queue)
                alone = max(0, alone - 1)
            elif self.is_dropped or not self.host.hold.goes_on():
                # A stopped lane leaves all as it is: the next holder begins at the cursor. One that is dropped is told no more.
                break
            elif len(events) > 1 and not (answer and answer.asked_s):
                alone = len(events)
            else:
                self._failed(events[0], answer)
                break
        await self._left(conversation, queue)

    def _is_free(self, event: Telling) -> bool:
        """Whether it may still be told from memory."""
        held_back = self.endpoint.is_down or (self.whole is not None and event.offset >= self.whole.seq)
        return self.goes_on() and not held_back

    def _took(self, queue: deque[Telling]) -> None:
        event = queue.popleft()
        self._loaded -= 1
        self.taken.add(event.offset)
        if len(self.taken) > TOLD_MOST or not (self.whole or queue or len(self._queues) > 1):
            self.forget_told(event.offset + 1)
        self.host.done(event.offset)

    def _failed(self, event: Telling, answer: Answer | None) -> None:
        """A row stands for it and what follows, from now on."""
        if self.whole and event.offset >= self.whole.seq:
            # The row has been there before this event came to its call, or since.
            self.whole = self.restamped(self.whole, retry_at=max(self.whole.retry_at, self.probe_at(answer)))
            return
        if answer is None or self.endpoint.is_down or len(self.keys) >= self.host.bounds.keys:
            lowest = min([event.offset, *(queue[0].offset for queue in self._queues.values() if queue)])
            refusals = self.endpoint.in_a_row if self.endpoint.is_down else 0
            self.begin_whole(lowest, self.probe_at(answer), refusals)
        else:
            self.wait(event, 1, answer)

    def forget_told(self, below: int) -> None:
        """Nothing below this offset will be looked at again, but for what is in memory and what rows stand for."""
        heads = [each[0].offset for each in self._queues.values() if each]
        lowest = min([below, *heads, *(each.seq for each in self.rows())])
        self.taken = {each for each in self.taken if each >= lowest}

    async def _left(self, conversation: str, queue: deque[Telling]) -> None:
        """What is left in a queue has a row by now, or the lane goes, or the endpoint does."""
        del self._queues[conversation]
        self._loaded -= len(queue)
        if not self.is_dropped and not self.host.hold.goes_on():
            return
        if queue:
            await self._written()
        for event in queue:
            self.host.done(event.offset)

    # Rows

    def begin_whole(self, offset: int, retry_at: int, refusals: int) -> None:
        """The whole endpoint waits, from here on. Written by `_written`."""
        if self.whole is None or offset < self.whole.seq:
            self.whole = self.row("", offset, retry_at, refusals)

    def wait(self, event: Telling, refusals: int, answer: Answer) -> bool:
        """A conversation waits at this event; False: the event has had all its tries."""
        wait_s = schedule.wait_s(refusals, random.random(), self.host.scale, answer.asked_s)  # noqa: S311 - spreads load
        if wait_s is None:
            return False
        retry_at = self.host.now() + int(wait_s * 1000)
        others = self.refused.asked & self.keys.keys() - {event.key}
        self.refused.asked = others | {event.key} if answer.asked_s else others
        self.keys[event.key] = self.row(event.key, event.offset, retry_at, refusals)
        return True

    def probe_at(self, answer: Answer | None) -> int:
        """When an endpoint that is down is asked again."""
        if not self.endpoint.is_down:
            return self.host.now()
        asked_s = answer.asked_s if answer else 0.0
        chance = random.random()  # noqa: S311 - spreads load
        return self.host.now() + int(schedule.probe_s(self.endpoint.failed_down, chance, self.host.scale, asked_s) * 1000)

    def row(self, conversation: str, offset: int, retry_at: int, refusals: int) -> Waiting:
        """A row of it, newer than all that were written."""
        self.waits_since = self.waits_since or self.host.now()
        return Waiting(
            self._lane, conversation, self.endpoint.webhook.webhook_id, offset, 0, retry_at, refusals, self.host.hold.stamp()
        )

    def restamped(self, row: Waiting, **changes: Any) -> Waiting:
        """The row with changes, newer than all that were written."""
        return replace(row, stamp=self.host.hold.stamp(), **changes)

    async def _written(self) -> None:
        """All its rows are durable."""
        await self.host.write(self.rows())

    async def drop(self) -> None:
        """The endpoint is disabled or deleted: it is told no more, and nothing waits."""
        self.is_dropped = True
        rows = self.rows()
        self.keys, self.whole = {}, None
        await self.host.write([], [self.restamped(each) for each in rows])
