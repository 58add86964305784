"""Events that the log forgot before endpoints were told of them: said once, counted, and passed over."""

from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)


def lost(partition: int, position: int, first: int) -> None:
    """The log has nothing of [`position`, `first`) any more."""
    if first > position:
        log.error("webhook_events_lost", partition=partition, first=position, last=first - 1)
        metrics.WEBHOOK_EVENTS_LOST.add(first - position)
