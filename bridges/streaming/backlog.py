"""What a reader of all conversations missed, read from chat-events itself: every event is for them."""

from collections.abc import Iterator, Mapping

from bridges.streaming.cursor import Cursor
from bridges.streaming.history import reload_event
from chat4all.model.event_naming import with_bare_ids, workspace_of_event
from chat4all.model.events import FORWARDED, Event, decode
from chat4all.model.failures import RangeLost
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.records import EVENTS, Range
from chat4all.ports import EventLog
from chat4all.telemetry import metrics
from chat4all.telemetry.logs import logger

log_to = logger(__name__)

RECORDS = 500
READ_S = 5.0


class Backlog:
    """The events of the log, as readers get them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def between(self, cursor: Cursor, horizon: Mapping[int, int], workspace: str = DEFAULT_WORKSPACE) -> Iterator[list[Event]]:
        """Chunks of all events of a workspace from the cursor up to, not including, these offsets.

        What the log has forgotten is `reload`.
        """
        lost = False
        first_kept = {partition: first for partition, (first, _) in self._log.ends(EVENTS).items()}
        for partition, end in sorted(horizon.items()):
            start = cursor.events.get(partition, 0)
            if start < first_kept.get(partition, 0):
                lost, start = True, first_kept[partition]
            while start < end:
                last = min(start + RECORDS, end) - 1
                try:
                    yield self._read(cursor, Range(partition, start, last), workspace)
                except RangeLost:
                    lost = True
                start = last + 1
        if lost:
            metrics.RELOADS.of("away_too_long").add()
            yield [reload_event("away_too_long")]

    def _read(self, cursor: Cursor, span: Range, workspace: str) -> list[Event]:
        events = []
        highest = cursor.positions.get(span.partition, -1)
        for record in self._log.read(EVENTS, [span], READ_S):
            try:
                event = decode(record)
            except ValueError as error:
                log_to.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
                continue
            # A rerun of a stage publishes its messages again.
            is_own = event.kind != FORWARDED and workspace_of_event(event) == workspace
            if is_own and (event.seq < 0 or event.seq > highest):
                events.append(with_bare_ids(event))
            highest = max(highest, event.seq)
        return events
