"""Says what is worth something for seconds to whoever is connected: by chat-signals, at once or never."""

import time
from collections.abc import Sequence

from chat4all.model.failures import Failure
from chat4all.model.records import SIGNALS, NewRecord
from chat4all.ports import EventLog
from chat4all.telemetry import logs

log = logs.logger(__name__)

# Whoever asks waits no longer. While the log is away the next one is not tried before.
TIMEOUT_S = 0.5
AGAIN_S = 5.0


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
