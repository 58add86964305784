"""Reads a partition of chat-events again: what is news there, also for who did not read what came before."""

from collections.abc import Sequence
from concurrent.futures import Executor

from google.protobuf.message import DecodeError

from chat4all.model.events import FORWARDED, Event, decode
from chat4all.model.failures import RangeLost
from chat4all.model.forwarded import provider_call_of
from chat4all.model.records import EVENTS, Range, Record
from chat4all.telemetry import logs
from chat4all.v1 import chat_pb2 as pb
from tasks.lanes.writer import insist
from tasks.resources import Parts
from tasks.webhooks.lost import after_lost
from tasks.webhooks.repeats import LATE_MS, Repeats, known_of, late_of

log = logs.logger(__name__)

READ_TIMEOUT_S = 5.0
# What was published before is heard, and not told, so that what it went beyond is known: back to twice the time after which the
# store is asked, and so many records at most.
BEFORE_MS = 2 * LATE_MS
BEFORE_MOST = 20_000
PAGE = 1_000


class Reading:
    """Of one partition by its holder. Whatever it asks is asked again while store or log are away.

    `repeats`: what was told, as far as the holder has read.
    """

    def __init__(self, partition: int, parts: Parts, executor: Executor) -> None:
        self._partition, self._parts, self._executor = partition, parts, executor
        self.repeats = Repeats(-1)

    async def begin(self, position: int, seq: int) -> None:
        """The holder reads from here on; messages up to this seq were told."""
        self.repeats = await self._before(position, Repeats(seq))

    async def live(self, records: Sequence[Record]) -> list[Event]:
        """What of the next records is to be told."""
        return await self._news(records, self.repeats)

    async def again(self, position: int) -> Repeats:
        """For who reads again from here on: what was told before.

        What the holder passed over is no answer: a message up to the seq that is told may have a row that stands for it.
        """
        return await self._before(position, Repeats(-1))

    async def page(self, position: int, end: int, repeats: Repeats) -> tuple[list[Event], int]:
        """What of [position, end) is to be told to who reads it again, and where to go on."""
        try:
            events = await self._news(await self._records(position, end), repeats)
        except RangeLost:
            return [], await insist(self._executor, lambda: after_lost(self._parts.log, self._partition, position))
        # Nobody asks which seqs were told in a second reading.
        repeats.told_below(end)
        return events, end

    async def _before(self, position: int, repeats: Repeats) -> Repeats:
        """`repeats`, which has heard by now what was published shortly before this position."""
        first, _ = (await insist(self._executor, lambda: self._parts.log.ends(EVENTS)))[self._partition]
        lowest, end = max(first, position - BEFORE_MOST), position
        pages: list[list[Record]] = []
        while lowest < end and not (pages and pages[-1] and pages[0][-1].at - pages[-1][0].at > BEFORE_MS):
            start = max(lowest, end - PAGE)
            try:
                pages.append(await self._records(start, end))
            except RangeLost:
                break
            end = start
        for page in reversed(pages):
            for event in filter(None, map(decoded, page)):
                repeats.hear(event)
        return repeats

    async def _news(self, records: Sequence[Record], repeats: Repeats) -> list[Event]:
        """What of these, in the order of the log, is to be told."""
        events = [each for each in map(decoded, records) if each]
        late = late_of(events, repeats)
        known = await insist(self._executor, lambda: known_of(self._parts.store, late)) if late else []
        return [each for each in events if repeats.is_news(each, known)]

    async def _records(self, position: int, end: int) -> list[Record]:
        """Those of [position, end). RangeLost."""
        span = Range(self._partition, position, end - 1)
        return list(await insist(self._executor, lambda: self._parts.log.read(EVENTS, [span], READ_TIMEOUT_S)))


def decoded(record: Record) -> Event | None:
    """The event, or nothing where it cannot be read, which is said."""
    try:
        event = decode(record)
        if event.kind == FORWARDED:
            provider_call_of(event.body)
        else:
            pb.Event.FromString(event.body)
        return event
    except (ValueError, DecodeError) as error:
        log.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
        return None
