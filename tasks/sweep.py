"""sweep: nothing stays stuck. Compares what is fanned with what is done, for every lane, and wakes; now and then tidies up."""

import time
from collections import Counter
from collections.abc import Iterable

from chat4all import metrics, telemetry
from chat4all.channels import CHANNELS
from chat4all.deliveries import Lane
from chat4all.measuring import Values
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
# A figure of a sweep that is older than this is another worker's to tell.
FRESH_S = 15.0
COUNTED_S = 10.0


class Sweeper:
    """Remembers leases between sweeps, so that lanes whose holder beats are left alone."""

    def __init__(self) -> None:
        self._seen: dict[Lane, tuple[Lease, float]] = {}
        self._tidied = time.monotonic()
        self._found: list[Lane] = []
        self._swept = 0.0
        self._waiting: tuple[float, Values] = (-COUNTED_S, {})

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
        self._found = self.stuck(states, due, time.monotonic())
        wake(self._found)
        if not self._swept:
            metrics.LANES_STUCK.from_(self.found)
            metrics.RETRIES_WAITING.from_(lambda: self.waiting(held))
        self._swept = time.monotonic()
        metrics.SWEEPS.add()
        if time.monotonic() - self._tidied >= TIDY_S:
            self._tidied = time.monotonic()
            tidy(held)

    def found(self) -> Values:
        """How many lanes the last sweep found, by channel; nothing when others sweep."""
        if time.monotonic() - self._swept > FRESH_S:
            return {}
        return _by_channel(lane.channel for lane in self._found)

    def waiting(self, held: Parts) -> Values:
        """How many keys wait, by channel. Counted every 10 s at most."""
        if time.monotonic() - self._waiting[0] >= COUNTED_S:
            rows = (lane.channel for lane in held.store.lanes() for _ in held.store.waiting(lane))
            self._waiting = (time.monotonic(), _by_channel(rows))
        return self._waiting[1]


def _by_channel(names: Iterable[str]) -> Values:
    counted = Counter(names)
    return {(name,): counted[name] for name in {*CHANNELS, *counted}}


def tidy(held: Parts) -> None:
    """Forget what has outlived its time, in the store and in a log that does not do so itself."""
    now = int(time.time() * 1000)
    for receipt in held.store.expire(now):
        metrics.RECEIPTS_EXPIRED.of(receipt.channel).add()
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


# Nothing for Flower: a line a second would hide what it is there for.
@app.task(name="sweep", typing=False, send_events=False)
def sweep() -> None:
    """Look at every lane once."""
    _sweeper.sweep(parts())
