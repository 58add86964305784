"""sweep: nothing stays stuck. Compares what is fanned with what is done, for every lane, and wakes; now and then tidies up."""

import time

from chat4all import telemetry
from chat4all.deliveries import Lane
from chat4all.ports import LaneState, Lease
from chat4all.records import EVENTS, TOPICS, Range
from tasks.app import app
from tasks.parts import Parts, parts
from tasks.wake import wake

log = telemetry.logger(__name__)

HOLDER_QUIET_S = 2.0
TIDY_S = 60.0
READ_S = 5.0
HALF_WRITTEN_MS = 24 * 3_600_000


class Sweeper:
    """Remembers leases between sweeps, so that lanes whose holder beats are left alone."""

    def __init__(self) -> None:
        self._seen: dict[Lane, tuple[Lease, float]] = {}
        self._tidied = time.monotonic()

    def stuck(self, states: dict[Lane, LaneState], due: set[Lane], now: float) -> list[Lane]:
        """Lanes with work that nobody seems to hold."""
        found = []
        for lane, state in states.items():
            lease, since = self._seen.get(lane, (Lease(), now))
            if lease != state.lease:
                since = now
            self._seen[lane] = (state.lease, since)
            quiet = not state.lease.holder or now - since >= HOLDER_QUIET_S
            if quiet and (state.fanned > state.cursor or lane in due):
                found.append(lane)
        return found

    def sweep(self, held: Parts) -> None:
        """Wake what is stuck."""
        states = held.store.lanes()
        due = set(held.store.due(list(states), int(time.time() * 1000)))
        wake(self.stuck(states, due, time.monotonic()))
        if time.monotonic() - self._tidied >= TIDY_S:
            self._tidied = time.monotonic()
            tidy(held)


def tidy(held: Parts) -> None:
    """Forget what has outlived its time, in the store and in a log that does not do so itself."""
    now = int(time.time() * 1000)
    for receipt in held.store.expire(now):
        log.warning("receipt_expired", channel=receipt.channel, kind=receipt.kind, provider_id=receipt.provider_id)
    for topic in TOPICS:
        held.log.trim(topic, _done_before(held, topic, now - held.settings.log_retention_h * 3_600_000))
    held.objects.tidy(now - HALF_WRITTEN_MS)


def _done_before(held: Parts, topic: str, before_ms: int) -> int:
    """The time up to which a topic may be forgotten: never what no stage has worked on, however old it is."""
    if topic == EVENTS:
        return before_ms
    progress = held.store.progress(topic)
    waiting = []
    for partition, (first, end) in held.log.ends(topic).items():
        following = max(first, progress[partition].done + 1 if partition in progress else 0)
        if following < end:
            waiting.append(Range(partition, following, following))
    return min([before_ms, *(record.at for record in held.log.read(topic, waiting, READ_S))])


_sweeper = Sweeper()


@app.task(name="sweep", typing=False)
def sweep() -> None:
    """Look at every lane once."""
    _sweeper.sweep(parts())
