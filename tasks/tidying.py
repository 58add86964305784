"""Tidying: once a minute it deletes what is too old, in the store and in the log, in a thread of its own."""

import threading
import time
from collections.abc import Callable

from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary
from chat4all.model.records import EVENTS, INCOMING, SIGNALS, SIGNALS_KEPT_MS, TOPICS, Range
from chat4all.ports import Expired
from chat4all.ports.progress import undone
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.resources import Parts

log = logs.logger(__name__)

READ_S = 5.0
HALF_WRITTEN_MS = 24 * 3_600_000
# What a worker found longer ago than this is another's to tell.
FRESH_S = 180.0


def tidy(opened: Parts, now: int) -> Expired:
    """Forget what is too old at `now` (ms UTC). While records wait to be worked on, time stands still at the oldest of them."""
    done = {topic: done_before(opened, topic, now) for topic in TOPICS}
    for topic in TOPICS:
        kept_ms = SIGNALS_KEPT_MS if topic == SIGNALS else opened.settings.log_retention_h * 3_600_000
        opened.log.trim(topic, min(done[topic], now - kept_ms))
    expired = opened.store.expire(done[INCOMING])
    for kind, count in expired.rows.items():
        metrics.ROWS_EXPIRED.of(kind).add(count)
    for receipt in expired.receipts:
        metrics.RECEIPTS_EXPIRED.of(receipt.channel).add()
        log.warning("receipt_expired", channel=receipt.channel, kind=receipt.kind, provider_id=receipt.provider_id)
    opened.objects.tidy(now - HALF_WRITTEN_MS)
    return expired


def done_before(opened: Parts, topic: str, before_ms: int) -> int:
    """The time up to which a topic may be forgotten: never what no stage has worked on, however old it is."""
    if topic in (EVENTS, SIGNALS):
        return before_ms
    progress = opened.store.progress(topic)
    waiting = []
    for partition, (first, end) in opened.log.ends(topic).items():
        following = max(first, undone(progress, partition))
        if following < end:
            waiting.append(Range(partition, following, following))
    return min([before_ms, *(record.at for record in opened.log.read(topic, waiting, READ_S))])


class Backlog:
    """How far the store is behind with forgetting, for the metric."""

    def __init__(self) -> None:
        self._seconds, self._at = 0.0, -FRESH_S

    def found(self, behind_ms: int) -> None:
        """The oldest row that is left should have gone so long ago."""
        self._seconds, self._at = behind_ms / 1000, time.monotonic()
        metrics.RETIRING_BEHIND.from_(self.read)

    def read(self) -> Values:
        """Nothing where others retire."""
        return {(): self._seconds} if time.monotonic() - self._at < FRESH_S else {}


class Tidier:
    """This process's thread for it. Woken while it works it does nothing more."""

    def __init__(self, opened: Parts, work: Callable[[Parts, int], Expired] = tidy) -> None:
        self._opened, self._tidy = opened, work
        self._backlog = Backlog()
        self._at_work = threading.Lock()

    def wake(self) -> threading.Thread:
        """Begin, unless it is under way. Does not block."""
        thread = threading.Thread(target=self._run, name="tidy", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        if not self._at_work.acquire(blocking=False):
            return
        try:
            self._backlog.found(self._tidy(self._opened, now_ms()).behind_ms)
        except Temporary as outage:
            log.warning("tidy_waits", reason=outage.reason)
        except Exception:
            log.exception("tidy_failed")
        finally:
            self._at_work.release()
