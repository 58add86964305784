"""Once a second: what is due of the records that were deferred is appended, in a thread of its own.

Who releases one takes it first (`waiting` → `releasing`), appends it, and says that it did. One that was taken by a process
that died is appended again: it is one record by its id. So a cancellation wins only on what still waits.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.deferred_records import REFUSED, RELEASED, RELEASING, DeferredRecord
from chat4all.model.failures import Temporary, Unknown
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

AT_ONCE = 200
# What a worker found longer ago than this is another's to tell.
FRESH_S = 15.0
# How many wait is counted so often, and so long is that good.
COUNTED_S, COUNT_GOOD_S = 60.0, 180.0


class Release(Struct, frozen=True):
    """What came of releasing a record: it was appended, or need not be; or it was refused, and why.

    `record`: as it is now, where the releaser has written into it. `is_open`: nothing is decided, or somebody else does it.
    """

    refused: str = ""
    record: DeferredRecord | None = None
    is_open: bool = False


class Releaser(ABC):
    """Appends the records of one kind."""

    @abstractmethod
    def release(self, records: Sequence[DeferredRecord]) -> list[Release]:
        """Append these, each once by its id however often this is called; what came of each, in order.

        Temporary or Unknown: an outage, nothing is said of any of them. They come again.
        """


class DeferredRunner:
    """This process's part in it. `releasers`: by kind."""

    def __init__(self, parts: Parts, releasers: Mapping[str, Releaser]) -> None:
        self._parts, self._releasers = parts, releasers
        self._background = Background("deferred-records")
        self._late: dict[str, float] = {}
        self._looked = 0.0
        self._counts, self._counted = dict[str, int](), -COUNT_GOOD_S

    def sweep(self) -> threading.Thread | None:
        """Begin with what is due, unless that is under way. One read of each kind where nothing is."""
        now = now_ms()
        if not self._looked:
            metrics.DEFERRED_RECORDS_LATE.from_(self.late)
            metrics.DEFERRED_RECORDS_WAITING.from_(self.waiting)
        due = {kind: self._parts.store.due_records(kind, now, AT_ONCE) for kind in self._releasers}
        self._looked = time.monotonic()
        self._late = {kind: (now - some[0].due_at) / 1000 if some else 0.0 for kind, some in due.items()}
        some_due = {kind: some for kind, some in due.items() if some}
        to_count = self._looked - self._counted >= COUNTED_S
        return self._background.begin(partial(self._run, some_due, to_count)) if some_due or to_count else None

    def late(self) -> Values:
        """By kind, for how long what is due first has been due; nothing where others look."""
        if time.monotonic() - self._looked > FRESH_S:
            return {}
        return {(kind,): max(0.0, late_s) for kind, late_s in self._late.items()}

    def waiting(self) -> Values:
        """How many wait, by kind, as was counted a while ago; nothing where others count."""
        if time.monotonic() - self._counted > COUNT_GOOD_S:
            return {}
        return {(kind,): count for kind, count in self._counts.items()}

    def _run(self, due: Mapping[str, Sequence[DeferredRecord]], to_count: bool) -> None:
        for kind, records in due.items():
            try:
                self.release(kind, records)
            except (Temporary, Unknown) as outage:
                log.warning("deferred_records_wait", kind=kind, reason=outage.reason)
            except Exception:
                # The other kinds go on; these show in how late they are.
                log.exception("deferred_records_failed", kind=kind)
        if to_count:
            self._count()

    def _count(self) -> None:
        try:
            self._counts = {kind: self._parts.store.count_open_records(kind) for kind in self._releasers}
        except (Temporary, Unknown) as outage:
            log.warning("deferred_records_uncounted", reason=outage.reason)
        else:
            self._counted = time.monotonic()

    def release(self, kind: str, due: Sequence[DeferredRecord]) -> None:
        """Take what nobody else has taken, append it, and say so."""
        now, store = now_ms(), self._parts.store
        wanted = [each.to(RELEASING, now) for each in due if each.may_be_taken(now)]
        taken = [each for each, is_ours in zip(wanted, store.put_deferred_records(wanted), strict=True) if is_ours]
        if not taken:
            return
        came = self._releasers[kind].release(taken)
        now = now_ms()
        ended = [
            (one.record or each).to(REFUSED if one.refused else RELEASED, now, one.refused)
            for each, one in zip(taken, came, strict=True)
            if not one.is_open
        ]
        store.put_deferred_records(ended)
        for each in ended:
            metrics.DEFERRED_RECORDS.of(kind, each.state).add()
