"""Events that the log forgot before endpoints were told of them: said once, counted, and passed over."""

from chat4all.model.records import EVENTS
from chat4all.ports import EventLog
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)


def lost(partition: int, position: int, first: int) -> None:
    """The log has nothing of [`position`, `first`) any more."""
    if first > position:
        log.error("webhook_events_lost", partition=partition, first=position, last=first - 1)
        metrics.WEBHOOK_EVENTS_LOST.add(first - position)


def after_lost(events: EventLog, partition: int, position: int) -> int:
    """Where to go on for who found nothing at `position`; what is lost up to there is said. Blocks."""
    first, _ = events.ends(EVENTS)[partition]
    lost(partition, position, first)
    return max(first, position + 1)
