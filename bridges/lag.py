"""The lag of the stages behind the log, read from log and store at each scrape; nothing is counted in between."""

import time
from collections.abc import Callable, Sequence

from chat4all.model.failures import RangeLost
from chat4all.model.records import Range
from chat4all.ports import EventLog, MessageStore
from chat4all.ports.progress import undone
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import Values

READ_S = 2.0


class Lag:
    """Looks at these topics."""

    def __init__(
        self, log: EventLog, store: MessageStore, topics: Sequence[str], clock: Callable[[], float] = time.time
    ) -> None:
        """`clock`: seconds since 1970."""
        self._log, self._store, self._topics, self._clock = log, store, topics, clock

    def show(self) -> None:
        """Let every scrape look."""
        metrics.LAG.from_(self.lag)
        metrics.OLDEST.from_(self.oldest)

    def lag(self) -> Values:
        """Records without a finished chain, by (topic, partition)."""
        return {
            (topic, str(partition)): end - first
            for topic in self._topics
            for partition, (first, end) in self._open(topic).items()
        }

    def oldest(self) -> Values:
        """Seconds since the first of them was appended, by (topic, partition); 0 where there are none."""
        return {(topic, str(partition)): age for topic in self._topics for partition, age in self._ages(topic).items()}

    def _open(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition the first offset that is not done, and where the log ends."""
        progress = self._store.progress(topic)
        return {
            partition: (min(end, max(first, undone(progress, partition))), end)
            for partition, (first, end) in self._log.ends(topic).items()
        }

    def _ages(self, topic: str) -> dict[int, float]:
        spans = self._open(topic)
        wanted = [Range(partition, first, first) for partition, (first, end) in spans.items() if first < end]
        try:
            found = {each.partition: each.at for each in self._log.read(topic, wanted, READ_S)} if wanted else {}
        except RangeLost:
            # Trimmed, or replaced, while we looked.
            found = {}
        now = self._clock()
        return {partition: max(0.0, now - found[partition] / 1000) if partition in found else 0.0 for partition in spans}
