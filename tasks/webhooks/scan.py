"""Tells an endpoint what it waits for: one reading of the log, from the lowest of its rows that are due to where it is live.

Rows of this scan move with it. A conversation that fails gets a row at that event, and is told no more by this scan; where the
endpoint is down, or too many conversations wait, the scan ends, and one row stands for what is left.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from chat4all.ports import Waiting
from tasks.webhooks import schedule
from tasks.webhooks.caller import Answer
from tasks.webhooks.listener import Listener
from tasks.webhooks.repeats import Repeats
from tasks.webhooks.telling import Telling, together


class Reader(Protocol):
    """The lane, as a scan reads it again."""

    @property
    def read(self) -> int:
        """The offset that comes to the queues next."""

    async def repeats(self, position: int) -> Repeats:
        """For who reads again from here on: what was told before."""

    async def page(self, position: int, end: int, listener: Listener, repeats: Repeats) -> tuple[list[Telling], int]:
        """What the endpoint wants of [position, end), and where to go on."""


class Scan:
    """One reading, of what is due."""

    def __init__(self, listener: Listener, reader: Reader) -> None:
        now = listener.host.now()
        self._of, self._reader = listener, reader
        self._due = {name for name, row in listener.keys.items() if row.retry_at <= now}
        self._takes_all = listener.whole is not None and listener.whole.retry_at <= now and listener.is_quiet
        self._ended = False

    async def run(self) -> None:
        """Until it is live again, or must wait again."""
        of = self._of
        position = min(each.seq for each in self._rows())
        repeats = await self._reader.repeats(position)
        while position < self._reader.read and not self._ended and of.goes_on():
            end = min(position + of.host.bounds.page, self._reader.read)
            events, end = await self._reader.page(position, end, of, repeats)
            mine = [each for each in events if self._is_mine(each)]
            await self._tell(mine)
            if not of.goes_on():
                return
            if not self._ended and any(self._is_mine(each) for each in mine):
                # Another lane found it down meanwhile: what is behind these must not be told before them.
                self._end(Answer())
            self._move(mine, end)
            of.forget_told(end)
            position = end
            if self._ended or position < self._reader.read:
                await of.host.write(of.rows())
        if not self._ended and of.goes_on():
            await self._resume()

    def _rows(self) -> list[Waiting]:
        rows = [self._of.keys[name] for name in self._due if name in self._of.keys]
        return [*rows, self._of.whole] if self._takes_all and self._of.whole else rows

    def _is_mine(self, event: Telling) -> bool:
        """Whether a row of this scan stands for it, and it was not told."""
        if event.offset in self._of.taken:
            return False
        key = self._of.keys.get(event.key)
        if key is not None:
            return event.key in self._due and event.offset >= key.seq
        return self._takes_all and self._of.whole is not None and event.offset >= self._of.whole.seq

    async def _tell(self, events: Sequence[Telling]) -> None:
        """Each conversation's in order, conversations beside each other; of an endpoint that is down the first one alone."""
        if events and self._of.endpoint.is_down:
            await self._singly(events[:1], probes=True)
        if self._of.endpoint.webhook.batch > 1 and not self._ended:
            await self._together([each for each in events if each.offset not in self._of.taken])
        if not self._ended:
            await self._singly([each for each in events if each.offset not in self._of.taken])

    async def _singly(self, events: Sequence[Telling], probes: bool = False) -> None:
        by_name: dict[str, list[Telling]] = {}
        for each in events:
            by_name.setdefault(each.key, []).append(each)
        await asyncio.gather(*(self._sequence(name, some, probes) for name, some in by_name.items()))

    async def _together(self, events: Sequence[Telling]) -> None:
        """Several in a request, one request after the other, without conversations of which one was refused: it goes by itself.

        A request that is refused is told again, event by event: so the one that it was refused for is found, and only its
        conversation waits.
        """
        of = self._of
        apart = {each.key for each in events if each.offset < of.refused.alone_below or _is_refused(of.keys.get(each.key))}
        left = [each for each in events if each.key not in apart]
        while left and not self._ended:
            some = left[: together(left, of.endpoint.webhook.batch)]
            answer = await of.host.tell(of.endpoint, some, 1, lambda: self._goes_on(False))
            if answer is None:
                return
            if answer.is_told:
                of.taken.update(each.offset for each in some)
            elif of.endpoint.is_down or answer.asked_s:
                of.refused.alone_below = some[-1].offset + 1
                self._end(answer)
            else:
                await self._singly(some)
            left = [each for each in left[len(some) :] if each.key not in of.keys or each.key in self._due]

    async def _sequence(self, name: str, events: Sequence[Telling], probes: bool = False) -> None:
        for event in events:
            if self._ended or (name in self._of.keys and name not in self._due):
                return
            key = self._of.keys.get(name)
            number = key.refusals + 1 if key and key.seq == event.offset else 1
            answer = await self._of.host.tell(self._of.endpoint, [event], number, lambda: self._goes_on(probes))
            if answer is None:
                return
            if answer.is_told:
                self._of.taken.add(event.offset)
            else:
                await self._failed(event, number, answer)

    def _goes_on(self, probes: bool) -> bool:
        return self._of.goes_on() and not self._ended and (probes or not self._of.endpoint.is_down)

    async def _failed(self, event: Telling, number: int, answer: Answer) -> None:
        """It waits, or has come to its end, and perhaps all wait."""
        of, host = self._of, self._of.host
        down, is_key = of.endpoint.is_down, event.key in of.keys
        if down and not is_key:
            self._end(answer)
            if host.now() - event.at > schedule.WHOLE_S * host.scale * 1000:
                await host.give_up(of.endpoint, event, number, answer.why)
                of.taken.add(event.offset)
            return
        if not is_key and len(of.keys) >= host.bounds.keys:
            self._end(answer)
        elif of.wait(event, number, answer):
            self._due.discard(event.key)
        else:
            await host.give_up(of.endpoint, event, number, answer.why)
            of.taken.add(event.offset)
        if down:
            self._end(answer)

    def _end(self, answer: Answer) -> None:
        """What is left waits again, as a whole."""
        self._ended = True
        of = self._of
        soonest = min((each.retry_at for each in of.keys.values()), default=0)
        asked_at = of.host.now() + int(min(answer.asked_s, schedule.ASKED_MOST_S) * 1000)
        retry_at = of.probe_at(answer) if of.endpoint.is_down else max(of.host.now() + 1000, soonest, asked_at)
        if of.whole is None:
            # Nothing but due conversations was read: what is live from now on waits with them.
            of.whole = of.row("", self._reader.read, retry_at, of.endpoint.in_a_row)
        else:
            of.whole = of.restamped(of.whole, retry_at=retry_at, refusals=of.endpoint.in_a_row)
        for name in self._due:
            of.keys[name] = of.restamped(of.keys[name], retry_at=max(retry_at, of.keys[name].retry_at))

    def _move(self, events: Sequence[Telling], end: int) -> None:
        """The rows of this scan stand at the first of these that was not told, or at the end of what was read."""
        of = self._of
        left = [each for each in events if each.offset not in of.taken]
        for name in self._due:
            place = min((each.offset for each in left if each.key == name), default=end)
            row = of.keys[name]
            of.keys[name] = of.restamped(row, seq=max(row.seq, place), refusals=row.refusals if row.seq == place else 0)
        if self._takes_all and of.whole:
            place = min((each.offset for each in left if each.key not in of.keys), default=end)
            of.whole = of.restamped(of.whole, seq=max(of.whole.seq, place))

    async def _resume(self) -> None:
        """Live again: from here on events come through the queues. No event can come between the last look and this."""
        of = self._of
        rows = self._rows()
        of.keys = {name: row for name, row in of.keys.items() if name not in self._due}
        if self._takes_all:
            of.whole = None
        of.forget_told(self._reader.read)
        # What failed in the last page has a row in memory only: it must be durable before the one that stood for it goes.
        await of.host.write(of.rows(), [replace(each, stamp=of.host.hold.stamp()) for each in rows])


def _is_refused(key: Waiting | None) -> bool:
    return key is not None and key.refusals > 0
