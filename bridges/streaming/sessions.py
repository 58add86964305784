"""One reader's stream, over gRPC or SSE: history up to the horizon, live events above it, and what changed meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from time import monotonic

from bridges.streaming.backlog import Backlog
from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from bridges.streaming.history import HistoryReader, must_reload, reload_event
from bridges.streaming.hub import Hub, Subscription
from chat4all.model.callers import MANAGE, Caller
from chat4all.model.clock import now_ms
from chat4all.model.conversations import UserKind
from chat4all.model.events import Event
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.passing import is_late
from chat4all.model.presence import Readers
from chat4all.model.workspaces import everything_of
from chat4all.telemetry import metrics, tracing


def left(frame: Frame, way: str) -> None:
    """The events of this step left the system, over `way`: the last of their steps that a trace shows."""
    if tracing.spans():
        for each in frame.events:
            tracing.mark("stream", each.trace, each.message_id, kind=each.kind, channel=way)


class CutOff(Exception):
    """The reader does not keep up. It resumes with its last cursor."""


class Closing(Exception):
    """The server stops. The reader resumes with its last cursor, here or elsewhere."""


class NotAllowed(Exception):
    """The caller may not have this stream. The text may be shown to them."""


class Sessions:
    """Makes the streams of this process. Used on the loop; store and log are read on `pool`."""

    def __init__(
        self, hub: Hub, history: HistoryReader, pool: Executor, backlog: Backlog | None = None, readers: Readers | None = None
    ) -> None:
        self._hub = hub
        self._history = history
        self._pool = pool
        self._backlog = backlog
        self._readers = readers or Readers("")
        self._bells: set[asyncio.Event] = set()
        self._is_closing = False

    def close(self) -> None:
        """End all streams."""
        self._is_closing = True
        for bell in self._bells:
            bell.set()

    def of(self, caller: Caller, cursor: Cursor, everything: bool) -> AsyncGenerator[Frame]:
        """The caller's stream, or that of every conversation, from a cursor on.

        NotAllowed when they may not read everything; ValueError when the cursor is of the other kind of stream.
        """
        if everything and not caller.has(MANAGE):
            raise NotAllowed("a stream of all conversations needs scope manage")
        if (cursor.at or cursor.positions) and everything != bool(cursor.events):
            raise ValueError("the cursor belongs to another kind of stream")
        who = caller.stored_id if caller.kind is UserKind.PERSON else ""
        if everything:
            return self.follow_all(cursor, who, caller.workspace)
        return self.follow(caller.stored_id, cursor, who)

    async def follow(self, user: str, cursor: Cursor, who: str = "") -> AsyncGenerator[Frame]:
        """What `user` may see from `cursor` on. Each step must be sent, or at least asked for, before the next is taken.

        `who`: the person who is there meanwhile, if it is one. An empty frame says that the reader has caught up. CutOff,
        Closing, or a failure of the store end the stream.
        """
        bell = asyncio.Event()
        subscription = self._hub.subscribe(user, cursor.positions, bell.set)
        async with aclosing(self._serve(subscription, cursor, bell, self._catch_up(subscription, cursor), who)) as frames:
            async for frame in frames:
                yield frame

    async def follow_all(self, cursor: Cursor, who: str = "", workspace: str = DEFAULT_WORKSPACE) -> AsyncGenerator[Frame]:
        """The same of every conversation of a workspace, from the log: an empty cursor begins now.

        For who may read everything there.
        """
        bell = asyncio.Event()
        subscription = self._hub.subscribe(everything_of(workspace) or None, cursor.positions, bell.set)
        history = self._catch_up_all(subscription, cursor, dict(self._hub.events), workspace)
        async with aclosing(self._serve(subscription, cursor, bell, history, who)) as frames:
            async for frame in frames:
                yield frame

    async def _serve(
        self, subscription: Subscription, cursor: Cursor, bell: asyncio.Event, history: AsyncGenerator[Frame], who: str
    ) -> AsyncGenerator[Frame]:
        self._bells.add(bell)
        if who:
            self._readers.opened(who)
        try:
            async with aclosing(history) as frames:
                async for frame in frames:
                    self._check(subscription)
                    yield frame
            while True:
                self._check(subscription)
                bell.clear()
                while events := subscription.take():
                    # What waited may have been overtaken by what the store said.
                    yield Frame(self._news(events), cursor, with_time=True)
                    self._check(subscription)
                await bell.wait()
        finally:
            self._hub.unsubscribe(subscription)
            self._bells.discard(bell)
            if who:
                self._readers.closed(who, monotonic(), now_ms())

    async def _catch_up(self, subscription: Subscription, cursor: Cursor) -> AsyncGenerator[Frame]:
        """Messages up to the horizon, then what was learned since; again for what the buffer had to let go of meanwhile."""
        user = subscription.user or ""
        if reason := must_reload(cursor):
            metrics.RELOADS.of(reason).add()
            yield Frame([reload_event(reason)], cursor)
        is_live = False
        while not is_live:
            asked_at = now_ms()
            async for events in self._steps(self._history.messages(user, cursor, subscription.horizon, subscription.names)):
                yield Frame(events, cursor)
            for partition, seq in subscription.horizon.items():
                cursor.reach(partition, seq)
            while events := subscription.take():
                yield Frame(self._news(events), cursor)
            async for events in self._steps(self._history.changes(user, cursor, subscription.names)):
                for each in events:
                    self._hub.states.hear(each)
                yield Frame(events, cursor)
            cursor.catch_up(asked_at)
            is_live = subscription.go_live(self._hub.highest)
        yield Frame([], cursor)

    async def _catch_up_all(
        self, subscription: Subscription, cursor: Cursor, horizon: dict[int, int], workspace: str
    ) -> AsyncGenerator[Frame]:
        """The log up to this horizon, which is where the subscription began; again for what the buffer had to let go of."""
        if self._backlog is None:
            raise ValueError("streams of all conversations need the log")
        if not cursor.events:
            cursor.events = dict(horizon)
            cursor.positions = dict(subscription.horizon)
        is_live = False
        while not is_live:
            async for events in self._steps(self._backlog.between(cursor, horizon, workspace)):
                yield Frame([each for each in events if self._hub.states.are_news(each)], cursor)
            cursor.events = {**cursor.events, **horizon}
            horizon = dict(self._hub.events)
            is_live = subscription.go_live(self._hub.highest)
        yield Frame([], cursor)

    async def _steps(self, blocking: Iterator[list[Event]]) -> AsyncGenerator[list[Event]]:
        loop = asyncio.get_running_loop()
        following: Callable[[], list[Event] | None] = lambda: next(blocking, None)  # noqa: E731
        while (events := await loop.run_in_executor(self._pool, following)) is not None:
            yield events

    def _news(self, events: Iterable[Event]) -> list[Event]:
        """Those that nobody has overtaken, and that are not too late."""
        now = now_ms()
        return [each for each in events if self._hub.states.are_news(each) and not is_late(each, now)]

    def _check(self, subscription: Subscription) -> None:
        if subscription.is_cut:
            raise CutOff
        if self._is_closing:
            raise Closing
