"""How every stage is run over a batch: what it is given, and what happens when it fails.

In an outage no record is at fault: the batch comes again. A record that makes the stage fail is found by bisection and set
aside alone. A record of a newer version stops its partition there; what comes before it and the other partitions go on. That is
no failure: the bridge hands the rest out again until this process has been upgraded.
A process that dies can report nothing, so each try of a batch that comes again is written down first (tasks.stages.quarantine).
"""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from msgspec import Struct

from chat4all.model.failures import RangeLost, Temporary, Unknown
from chat4all.model.records import BatchRef, Range
from chat4all.ports import MessageStore
from chat4all.telemetry import logs, metrics, tracing
from tasks.outcomes.dead_letters import record_letter
from tasks.outcomes.delivery_metrics import bury
from tasks.resources import Parts
from tasks.stages.batches import Batch, Batches
from tasks.stages.quarantine import RECORD_TRIES, halves, plan
from tasks.stages.tries import Tries

log = logs.logger(__name__)

Work = Callable[[Parts, Batch, bool], None]
OUTAGES = (Temporary, Unknown, RangeLost)


class Stage(Struct, frozen=True):
    """A name and the work: called with the parts, a batch and whether this is a replay. Running it again changes nothing."""

    name: str
    work: Work


class Run:
    """One execution of a stage over one batch reference."""

    def __init__(self, stage: Stage, parts: Parts, batches: Batches, tries: Tries, ref: BatchRef) -> None:
        self._stage, self._parts, self._batches, self._tries, self._ref = stage, parts, batches, tries, ref
        self._store: MessageStore = parts.store
        self.buried = 0
        self._stopped: dict[int, int] = {}

    def go(self, again: bool) -> None:
        """Do all of it. `again`: the batch was handed out before, so a process may have died of it.

        Raises what an outage raises; a failure of the records themselves ends in the dead letters.
        """
        ranges = self._ref.ranges
        if not again:
            self._unit(ranges)
            return
        self._tries.bring(self._store)
        troubles = [each for each in self._store.troubles(self._ref.topic, ranges) if each.stage == self._stage.name]
        todo = plan(ranges, troubles)
        for span in todo.bury:
            self._bury(span, "killed_the_process")
        for unit in _in_order((*todo.units, *((span,) for span in todo.bury))):
            with self._tries.alone if _is_one(unit) else nullcontext():
                self._watched(unit)

    def _watched(self, unit: Sequence[Range]) -> None:
        """A unit whose try counts if this process dies of it. Each is a sign of life, however long all of them take."""
        self._store.beat(self._ref.topic, [span.partition for span in unit])
        self._store.begin_tries(self._stage.name, self._ref.topic, unit, self._tries.life)
        try:
            self._unit(unit)
        finally:
            self._tries.owe(self._stage.name, self._ref.topic, unit)
            self._tries.bring(self._store)

    def _unit(self, unit: Sequence[Range]) -> None:
        unit = [span for span in unit if span.partition not in self._stopped]
        if not unit:
            return
        try:
            self._work(unit)
        except OUTAGES:
            metrics.STAGE_FAILURES.of(self._stage.name, "outage").add()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, some record in here causes it
            metrics.STAGE_FAILURES.of(self._stage.name, "records").add()
            log.warning("stage_failed", stage=self._stage.name, ranges=str(unit), error=described(error))
            for span in unit:
                self._search(span)

    def _work(self, unit: Sequence[Range]) -> None:
        topic, begun = self._ref.topic, time.perf_counter()
        batch = self._batches.load(topic, unit)
        careful = self._ref.suspect or self._ref.replay or self._ref.run > 0 or self.buried > 0
        if careful:
            batch = batch.without(self._store.buried(topic, unit))
        newer = batch.newer()
        if newer:
            batch = batch.without(self._store.buried(topic, unit))
            newer = batch.newer()
        if newer:
            self._stop(newer)
            batch = batch.before(newer)
            if not batch.ranges:
                return
        members = tracing.sampled(each.record.headers for each in batch.entries)
        with tracing.stage(self._stage.name, topic, members):
            self._stage.work(self._parts, batch, self._ref.replay)
        metrics.STAGE_SECONDS.of(self._stage.name)(time.perf_counter() - begun)
        metrics.STAGE_RECORDS.of(self._stage.name).add(len(batch.entries))

    def _stop(self, newer: Mapping[int, int]) -> None:
        topic = self._ref.topic
        for partition, offset in newer.items():
            log.error(
                "newer_record", stage=self._stage.name, record=f"{topic}:{partition}:{offset}", todo="upgrade this process"
            )
            metrics.NEWER_RECORDS.of(topic).add()
        self._stopped.update(newer)

    def _search(self, span: Range) -> None:
        """Find the records that this stage fails at, by halving, and set each aside alone."""
        if span.first < span.last:
            for half in halves(span):
                self._unit([half])
            return
        why = ""
        for _ in range(RECORD_TRIES):
            try:
                self._work([span])
                return
            except OUTAGES:
                raise
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is this record's
                why = described(failure)
        self._bury(span, "stage_failed", why)
        self._work([span])

    def _bury(self, span: Range, reason: str, detail: str = "") -> None:
        log.error(
            "record_buried", stage=self._stage.name, record=f"{self._ref.topic}:{span.partition}:{span.first}", reason=reason
        )
        letter = record_letter(self._stage.name, self._ref.topic, span.partition, span.first, reason, detail)
        bury(self._store, [letter])
        self.buried += 1


def described(error: Exception) -> str:
    """What went wrong and where. Never the error's own text: that may quote people's words or addresses."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {Path(frame[0].filename).name}:{frame[0].lineno}" if frame else ""
    return f"{type(error).__name__}{where}"


def _is_one(unit: Sequence[Range]) -> bool:
    return sum(span.size for span in unit) == 1


def _in_order(units: Sequence[Sequence[Range]]) -> list[Sequence[Range]]:
    """Units by their first record, so that progress within a partition never has to jump."""
    return sorted(units, key=lambda unit: (unit[0].partition, unit[0].first))
