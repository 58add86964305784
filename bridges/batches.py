"""Records that wait to be handed out, by partition: pure rules on how ranges become a batch."""

from collections import deque
from collections.abc import Iterable, Sequence

from chat4all.model.records import Range, Record
from chat4all.telemetry import tracing

# Some MB at most, where nothing can be handed out for long.
TRACES_MOST = 50_000


class Ready:
    """Records that were read and not yet handed out. A batch is what all partitions have ready, within two bounds."""

    def __init__(self, records: int, recipients: int) -> None:
        self._records, self._recipients = records, recipients
        self._waiting: dict[int, deque[tuple[int, int]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, records: Iterable[Record]) -> None:
        """Take in records in offset order per partition. Records that are already waiting are passed over."""
        for record in records:
            queue = self._waiting.setdefault(record.partition, deque())
            if not queue or record.offset > queue[-1][0]:
                recipients = record.headers.get("recipients", "0")
                queue.append((record.offset, int(recipients) if recipients.isdigit() else 0))

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that are no longer ours."""
        for partition in partitions:
            self._waiting.pop(partition, None)

    def take(self) -> tuple[Range, ...]:
        """The next batch: a range per partition, the longest queues giving most. At least one record, however large."""
        ranges: list[Range] = []
        records, recipients = self._records, self._recipients
        queues = sorted((len(queue), partition) for partition, queue in self._waiting.items() if queue)
        for number, (_, partition) in enumerate(queues):
            share = max(1, records // (len(queues) - number))
            span, taken, cost = self._take_from(partition, share, recipients, forced=not ranges)
            if span:
                ranges.append(span)
                records, recipients = records - taken, recipients - cost
            if records <= 0:
                break
        return tuple(sorted(ranges))

    def _take_from(self, partition: int, records: int, recipients: int, forced: bool) -> tuple[Range | None, int, int]:
        queue = self._waiting[partition]
        first = queue[0][0]
        last, taken, cost = -1, 0, 0
        while queue and taken < records and (cost + queue[0][1] <= recipients or (forced and not taken)):
            last, of_record = queue.popleft()
            taken, cost = taken + 1, cost + of_record
        return (Range(partition, first, last), taken, cost) if taken else (None, 0, 0)


class Traces:
    """The sampled ones among the records that were read, until they are handed out. Bounded: the oldest are forgotten first."""

    def __init__(self, most: int = TRACES_MOST) -> None:
        self._most = most
        self._members: dict[tuple[int, int], tuple[str, str]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Remember those of these records that are sampled."""
        if tracing.spans():
            for each in records:
                for member in tracing.sampled([each.headers]):
                    self._members[each.partition, each.offset] = member
            while len(self._members) > self._most:
                del self._members[next(iter(self._members))]

    def take(self, ranges: Sequence[Range]) -> list[tuple[str, str]]:
        """(context, message_id) of the sampled records in these ranges, once."""
        if not self._members:
            return []
        inside = [member for member in self._members if any(_holds(span, *member) for span in ranges)]
        return [self._members.pop(member) for member in inside]


def _holds(span: Range, partition: int, offset: int) -> bool:
    return span.partition == partition and span.first <= offset <= span.last
