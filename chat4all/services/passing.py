"""Says, and hears, what is worth something for seconds: by chat-signals, at once or never."""

import time
from collections.abc import Sequence
from contextlib import suppress

from chat4all.model.failures import Failure, RangeLost
from chat4all.model.records import SIGNALS, NewRecord, Range, Record
from chat4all.ports import EventLog
from chat4all.telemetry import logs

log = logs.logger(__name__)

# Whoever asks waits no longer. While the log is away the next one is not tried before.
TIMEOUT_S = 0.5
AGAIN_S = 5.0
READ_S = 2.0
RECORDS = 1_000


class Passing:
    """One process's way to say it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._not_before = 0.0

    @property
    def partitions(self) -> int:
        """Of chat-signals."""
        return self._log.topic(SIGNALS).partitions

    def say(self, records: Sequence[NewRecord]) -> bool:
        """Whether it was said. Nothing is raised while the log is away: nobody is promised any of it."""
        if time.monotonic() < self._not_before:
            return False
        try:
            self._log.append(records, TIMEOUT_S)
        except Failure as failure:
            self._not_before = time.monotonic() + AGAIN_S
            log.warning("signal_not_said", reason=failure.reason)
            return False
        return True


class Heard:
    """What was said in chat-signals, for a process that asks now and then. One thread at a time."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._positions: dict[int, int] = {}

    def since_last(self) -> list[Record]:
        """What was said since it was asked last; at first what is kept, an hour. Raises Temporary."""
        found = []
        for partition, (first, end) in self._log.ends(SIGNALS).items():
            start = max(first, self._positions.get(partition, 0))
            while start < end:
                last = min(start + RECORDS, end) - 1
                # What was forgotten meanwhile is no loss: processes say all again within minutes.
                with suppress(RangeLost):
                    found += self._log.read(SIGNALS, [Range(partition, start, last)], READ_S)
                start = self._positions[partition] = last + 1
        return found
