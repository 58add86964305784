"""The bridge: reads the log, hands batches to Celery by reference, and goes on when the store says that they are done.

One batch per topic is in flight. Only the store's progress counts: a batch that shows no sign of life is handed out again, and
a bridge that gets a partition begins after its progress. Nothing is kept here that a kill could lose.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from kombu.exceptions import OperationalError

from bridges.batches import Ready, Traces
from bridges.lag import Lag
from bridges.newer import StoppedPartitions
from chat4all.model.backoff import Backoff
from chat4all.model.failures import Temporary
from chat4all.model.liveness import Clock, Observed
from chat4all.model.records import INCOMING, STATUS, BatchRef, Range, Record
from chat4all.ports.progress import undone
from chat4all.settings import load
from chat4all.telemetry import exporter, logs, metrics, tracing
from tasks.pipeline import chains
from tasks.resources import Parts, open_parts

log = logs.logger(__name__)

GROUP = "bridge"
READ_AHEAD = 4
# How often to ask for progress while a batch is in flight; a store that answers slowly is asked less often.
IN_FLIGHT_POLL_S = 0.003
IN_FLIGHT_MOST_S = 0.05
ASKING_SHARE = 5
IDLE_POLL_S = 0.5
OUTAGE_S = 0.5
# A batch without a sign of life is handed out again after `batch_resend_s`, then after twice as long, up to this.
RESEND_MOST_S = 60.0


class InFlight:
    """The batch that was handed out: what is left of it, and when it last showed life."""

    def __init__(self, ref: BatchRef, resend_s: float, clock: Clock = time.monotonic) -> None:
        self.ref = ref
        # The broker was away: it is to be asked again.
        self.is_unsent = False
        self._waits = Backoff(resend_s, RESEND_MOST_S)
        self._tries = 1
        self._progress: Observed[Mapping[int, tuple[int, int]]] = Observed(clock)

    def left(self, progress: Mapping[int, tuple[int, int]]) -> tuple[Range, ...]:
        """The ranges that are not done, by (done, beat) per partition; any change is a sign of life."""
        mine = {span.partition: progress.get(span.partition, (-1, 0)) for span in self.ref.ranges}
        if self._progress.look(mine):
            self._tries = 1
        return tuple(span for span in self.ref.ranges if progress.get(span.partition, (-1, 0))[0] < span.last)

    def is_silent(self) -> bool:
        """No sign of life for too long."""
        return self._progress.unchanged_s >= self._waits.after(self._tries)

    def again(self, ranges: tuple[Range, ...]) -> BatchRef:
        """What is left, for another run; the wait for its first sign of life doubles."""
        self.ref = BatchRef(self.ref.topic, ranges, self.ref.run + 1, self.ref.suspect, self.ref.replay)
        self._tries += 1
        self._progress.restart()
        return self.ref

    def drop(self, partitions: Sequence[int]) -> bool:
        """Forget partitions that went to another bridge; whether anything is left to wait for."""
        ranges = tuple(span for span in self.ref.ranges if span.partition not in partitions)
        self.ref = BatchRef(self.ref.topic, ranges, self.ref.run, self.ref.suspect, self.ref.replay)
        return bool(ranges)


class Pace:
    """When one topic's batches are handed out, and how long to wait for records meanwhile. `at`: the last one, monotonic.

    `outage_s`: how long to wait where something is away.
    """

    def __init__(self, topic: str, gap_s: float, outage_s: float) -> None:
        self.at = 0.0
        self.outage_s = outage_s
        self._gap_s = gap_s
        self._asking_took = 0.0
        self._put_records, self._put_seconds = metrics.CHAIN_RECORDS.of(topic), metrics.CHAIN_SECONDS.of(topic)

    def left(self) -> float:
        """Seconds until the next batch may be handed out; 0 or less: now."""
        return self._gap_s - (time.monotonic() - self.at)

    def begun(self, ref: BatchRef) -> None:
        """This one is handed out now."""
        self.at = time.monotonic()
        self._put_records(sum(span.size for span in ref.ranges))

    def done(self) -> None:
        """The last one is through."""
        self._put_seconds(time.monotonic() - self.at)

    def asked(self, took_s: float) -> None:
        """To ask how far it is took so long: who answers slowly is asked less often."""
        self._asking_took = took_s

    def patience(self, is_under_way: bool, is_ready: bool) -> float:
        """How long to wait for records: short while there is something else to do."""
        if is_under_way:
            return min(IN_FLIGHT_MOST_S, max(IN_FLIGHT_POLL_S, self._asking_took * ASKING_SHARE))
        return max(0.001, self.left()) if is_ready else IDLE_POLL_S


class Flow:
    """One topic's way from the log to its chain. Runs in one thread.

    `hand_out`: gives a batch to Celery; raises kombu's OperationalError when the broker cannot be reached.
    """

    def __init__(
        self,
        opened: Parts,
        topic: str,
        stopping: threading.Event,
        hand_out: Callable[[BatchRef], None],
        outage_s: float = OUTAGE_S,
    ) -> None:
        settings = opened.settings
        self._parts, self._topic, self._stopping = opened, topic, stopping
        self._give = hand_out
        self._ready = Ready(settings.batch_records, settings.batch_recipients)
        self._pace = Pace(topic, settings.chain_gap_ms / 1000, outage_s)
        self._traces = Traces()
        self._in_flight: InFlight | None = None
        self._mine: set[int] = set()
        self._stopped = StoppedPartitions(topic, "bridge", self._is_aside, lambda each: self._consumer.pause([each]))
        self._paused = False
        self._consumer = opened.log.consume(topic, GROUP, self._assigned, self._revoked)

    def run(self) -> None:
        """Until told to stop. An outage of log, store or broker is waited out."""
        while not self._stopping.is_set():
            try:
                self._step()
            except Temporary as outage:
                log.warning("flow_waits", topic=self._topic, reason=outage.reason, detail=outage.detail)
                self._stopping.wait(self._pace.outage_s)
            except OperationalError as outage:
                log.warning("flow_waits", topic=self._topic, reason="broker_away", detail=repr(outage))
                metrics.BROKER_FAILURES.add()
                self._stopping.wait(self._pace.outage_s)
        self._consumer.close()

    def _most(self) -> int:
        """So many records are read ahead at most."""
        return self._parts.settings.batch_records * READ_AHEAD

    def _step(self) -> None:
        patience_s = self._pace.patience(bool(self._in_flight), bool(self._ready))
        records = self._stopped.known(self._consumer.poll(self._most(), patience_s))
        self._ready.add(records)
        self._traces.add(records)
        self._bound()
        if self._in_flight:
            self._follow(self._in_flight)
        elif self._ready and self._pace.left() <= 0:
            self._hand_out(InFlight(BatchRef(self._topic, self._ready.take()), self._parts.settings.batch_resend_s))

    def _is_aside(self, record: Record) -> bool:
        """An operator has said to pass over it."""
        span = Range(record.partition, record.offset, record.offset)
        return (record.partition, record.offset) in self._parts.store.buried(self._topic, [span])

    def _bound(self) -> None:
        """Read no further ahead than a few batches."""
        full = len(self._ready) >= self._most()
        if full != self._paused:
            self._paused = full
            going = sorted(each for each in self._mine if each not in self._stopped)
            (self._consumer.pause if full else self._consumer.resume)(going)

    def _hand_out(self, batch: InFlight) -> None:
        self._in_flight = batch
        self._pace.begun(batch.ref)
        self._send(batch)

    def _send(self, batch: InFlight) -> None:
        """Give it to the broker; one that is away is asked again at every step."""
        batch.is_unsent = True
        with tracing.stage("hand_out", self._topic, self._traces.take(batch.ref.ranges)):
            self._give(batch.ref)
        batch.is_unsent = False

    def _follow(self, batch: InFlight) -> None:
        begun = time.monotonic()
        progress = {each: (kept.done, kept.beat) for each, kept in self._parts.store.progress(self._topic).items()}
        self._pace.asked(time.monotonic() - begun)
        left = batch.left(progress)
        if not left:
            self._in_flight = None
            self._pace.done()
            self._consumer.commit({span.partition: span.last + 1 for span in batch.ref.ranges})
        elif batch.is_unsent:
            self._send(batch)
        elif batch.is_silent():
            ref = batch.again(left)
            metrics.CHAINS_AGAIN.of(self._topic).add()
            log.warning("batch_handed_out_again", batch=str(ref))
            self._send(batch)

    def _assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        progress = self._parts.store.progress(self._topic)
        self._mine |= set(partitions)
        metrics.ASSIGNED.set(len(self._mine), self._topic)
        self._ready.drop(partitions)
        starts = {each: undone(progress, each) for each in partitions}
        log.info("partitions_assigned", topic=self._topic, starts=starts)
        return starts

    def _revoked(self, partitions: Sequence[int]) -> None:
        self._mine -= set(partitions)
        self._stopped.forget(partitions)
        metrics.ASSIGNED.set(len(self._mine), self._topic)
        self._ready.drop(partitions)
        if self._in_flight and not self._in_flight.drop(partitions):
            self._in_flight = None
        log.info("partitions_revoked", topic=self._topic, partitions=list(partitions))


def main() -> None:
    """Run both flows until SIGTERM or SIGINT. A flow that fails unforeseen ends the process; its supervisor starts it again."""
    logs.configure("bridge")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    opened = open_parts(load())
    exporter.serve("bridge", opened.settings)
    exporter.read_disk(opened.settings)
    Lag(opened.log, opened.store, (INCOMING, STATUS)).show()
    tracing.begin("bridge", opened.settings)
    spans = tracing.spans()
    if spans:
        spans.instrument_celery()
    hand_out = chains().hand_out
    flows = [Flow(opened, topic, stopping, hand_out) for topic in (INCOMING, STATUS)]
    threads = [threading.Thread(target=flow.run, name=f"flow-{n}", daemon=True) for n, flow in enumerate(flows)]
    for thread in threads:
        thread.start()
    while not stopping.wait(1.0):
        if not all(thread.is_alive() for thread in threads):
            raise SystemExit("a flow ended unforeseen")
    for thread in threads:
        thread.join(10)
    opened.close()
    tracing.end()


if __name__ == "__main__":
    main()
