"""Wake-ups: a Celery message that says "look at this lane". A lost one costs the time until the next sweep, no delivery."""

from collections.abc import Iterable, Sequence

from kombu.exceptions import OperationalError

from chat4all.model.deliveries import Lane
from chat4all.telemetry import logs, metrics
from tasks.celery_app import app
from tasks.resources import Parts

log = logs.logger(__name__)


def queue_of(channel: str) -> str:
    """The queue that wakes a channel's lanes: workers can be given to one channel."""
    return f"{channel}-out"


def wake_free(parts: Parts, lanes: Sequence[Lane]) -> None:
    """Wake the lanes that nobody holds. Call it after raising `fanned`: a holder looks at that once more before it goes."""
    if lanes:
        states = parts.store.lanes(lanes)
        wake(lane for lane in lanes if not states[lane].lease.holder)


def wake(lanes: Iterable[Lane]) -> None:
    """Poke a worker for each lane. When the broker is away the sweep will do it."""
    for lane in lanes:
        try:
            app.send_task("deliver", args=(str(lane),), queue=queue_of(lane.channel), argsrepr=f"({lane})")
            metrics.WAKES.of(lane.channel).add()
        except OperationalError as error:
            metrics.BROKER_FAILURES.add()
            log.warning("wake_failed", lane=str(lane), error=repr(error))
            return
