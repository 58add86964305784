"""One reader's stream, whatever carries it: history up to the horizon, live events above it, and what changed meanwhile."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing

from bridges.past import Past
from bridges.subscriptions import Cursor, Hub, Parcel, Step, Subscription
from chat4all import tracing


def left(step: Step, way: str) -> None:
    """The events of this step left the system, over `way`: the last of their steps that a trace shows."""
    if tracing.spans():
        for each in step.parcels:
            tracing.mark("stream", each.trace, each.message_id, kind=each.kind, channel=way)


class CutOff(Exception):
    """The reader does not keep up. It resumes with its last cursor."""


class Closing(Exception):
    """The server stops. The reader resumes with its last cursor, here or elsewhere."""


class Sessions:
    """Makes the streams of this process. Used on the loop; the store is read on `pool`."""

    def __init__(self, hub: Hub, past: Past, pool: Executor) -> None:
        self._hub = hub
        self._past = past
        self._pool = pool
        self._bells: set[asyncio.Event] = set()
        self._is_closing = False

    def close(self) -> None:
        """End all streams."""
        self._is_closing = True
        for bell in self._bells:
            bell.set()

    async def follow(self, user: str, cursor: Cursor) -> AsyncGenerator[Step]:
        """What `user` may see from `cursor` on. Each step must be sent, or at least asked for, before the next is taken.

        An empty step says that the reader has caught up. CutOff, Closing, or a failure of the store end the stream.
        """
        bell = asyncio.Event()
        self._bells.add(bell)
        subscription = self._hub.subscribe(user, cursor.positions, bell.set)
        try:
            async with aclosing(self._catch_up(subscription, cursor)) as steps:
                async for step in steps:
                    self._check(subscription)
                    yield step
            while True:
                self._check(subscription)
                bell.clear()
                while parcels := subscription.take():
                    # What waited may have been overtaken by what the store said.
                    yield Step([each for each in parcels if self._hub.states.are_news(each)], cursor, with_time=True)
                    self._check(subscription)
                await bell.wait()
        finally:
            self._hub.unsubscribe(subscription)
            self._bells.discard(bell)

    async def _catch_up(self, subscription: Subscription, cursor: Cursor) -> AsyncGenerator[Step]:
        is_live = False
        while not is_live:
            async for parcels in self._steps(self._past.messages(subscription.user, cursor, subscription.horizon)):
                yield Step(parcels, cursor)
            for partition, seq in subscription.horizon.items():
                cursor.reach(partition, seq)
            is_live = subscription.go_live(self._hub.highest)
        # Before the store is asked for states: what it says must come after the older ones that wait here.
        while parcels := subscription.take():
            yield Step(parcels, cursor)
        asked_at = int(time.time() * 1000)
        async for parcels in self._steps(self._past.changes(subscription.user, cursor.at)):
            for each in parcels:
                self._hub.states.hear(each)
            yield Step(parcels, cursor)
        cursor.at = max(cursor.at, asked_at)
        yield Step([], cursor)

    async def _steps(self, blocking: Iterator[list[Parcel]]) -> AsyncGenerator[list[Parcel]]:
        loop = asyncio.get_running_loop()
        following: Callable[[], list[Parcel] | None] = lambda: next(blocking, None)  # noqa: E731
        while (parcels := await loop.run_in_executor(self._pool, following)) is not None:
            yield parcels

    def _check(self, subscription: Subscription) -> None:
        if subscription.is_cut:
            raise CutOff
        if self._is_closing:
            raise Closing
