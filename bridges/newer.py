"""Records of a newer version, which only newer code can read: each stops its partition, for all that reads a topic in order."""

from collections.abc import Callable, Iterable, Sequence

from chat4all.model.records import Record, is_newer
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)


class StoppedPartitions:
    """The partitions of a topic that stand still for a process: such a record and what follows it wait for the upgrade.

    `process`: what is to be upgraded. `is_aside`: whether an operator has said to pass over a record. `stop`: told once
    of each partition that stops.
    """

    def __init__(
        self,
        topic: str,
        process: str,
        is_aside: Callable[[Record], bool] = lambda record: False,
        stop: Callable[[int], None] = lambda partition: None,
    ) -> None:
        self._topic, self._process, self._is_aside, self._stop = topic, process, is_aside, stop
        self._partitions: set[int] = set()

    def __contains__(self, partition: int) -> bool:
        return partition in self._partitions

    def known(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those of these records that may be worked on, in their order."""
        if not self._partitions and not any(is_newer(each.headers) for each in records):
            return records
        return [each for each in records if self._goes_on(each)]

    def forget(self, partitions: Iterable[int]) -> None:
        """These are another's to read now."""
        self._partitions.difference_update(partitions)
        metrics.STOPPED.set(len(self._partitions), self._topic)

    def _goes_on(self, record: Record) -> bool:
        if record.partition in self._partitions:
            return False
        if not is_newer(record.headers) or self._is_aside(record):
            return True
        log.error(
            "newer_record", record=f"{self._topic}:{record.partition}:{record.offset}", todo=f"upgrade the {self._process}"
        )
        self._partitions.add(record.partition)
        metrics.NEWER_RECORDS.of(self._topic).add()
        metrics.STOPPED.set(len(self._partitions), self._topic)
        self._stop(record.partition)
        return False
