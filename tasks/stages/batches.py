"""Reads the records of a batch reference from the log, and decodes them once per process."""

from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from threading import Lock

from msgspec import Struct

from chat4all.model.failures import Newer, Permanent
from chat4all.model.messages import Message, seq_at
from chat4all.model.records import INCOMING, Position, ProviderReceipt, Range, Record, read_message, read_status
from chat4all.ports import EventLog
from chat4all.telemetry.trace_context import HEADER

READ_TIMEOUT_S = 10.0
KEPT_BATCHES = 8
END = 2**63 - 1


class Entry(Struct, frozen=True):
    """A record and what it says; `value` is None, and `unreadable` says why, when it says nothing of ours.

    `is_newer`: only newer code can say what it is.
    """

    record: Record
    value: Message | ProviderReceipt | Position | None
    unreadable: str = ""
    is_newer: bool = False


class Batch(Struct, frozen=True):
    """Ranges of a topic with their entries, by range, then offset. Messages have their seq."""

    topic: str
    ranges: tuple[Range, ...]
    entries: tuple[Entry, ...]

    def messages(self) -> list[Message]:
        """The messages among the entries."""
        return [entry.value for entry in self.entries if isinstance(entry.value, Message)]

    def without(self, buried: Container[tuple[int, int]]) -> "Batch":
        """The same ranges less the records at these (partition, offset)."""
        kept = tuple(each for each in self.entries if (each.record.partition, each.record.offset) not in buried)
        return Batch(self.topic, self.ranges, kept)

    def newer(self) -> dict[int, int]:
        """Per partition the offset of the first record that this code is too old for; partitions without one are absent."""
        found: dict[int, int] = {}
        for each in self.entries:
            if each.is_newer:
                found.setdefault(each.record.partition, each.record.offset)
        return found

    def before(self, ends: Mapping[int, int]) -> "Batch":
        """What of these ranges comes before these offsets; partitions without one are whole."""
        cut = [Range(each.partition, each.first, min(each.last, ends.get(each.partition, END) - 1)) for each in self.ranges]
        entries = tuple(each for each in self.entries if each.record.offset < ends.get(each.record.partition, END))
        return Batch(self.topic, tuple(span for span in cut if span.size > 0), entries)


class Batches:
    """Loads batches from the log and keeps the last few, because the stages of a chain follow each other in one process."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, tuple[Range, ...]], Batch] = OrderedDict()

    def load(self, topic: str, ranges: Sequence[Range]) -> Batch:
        """The batch of these ranges. RangeLost when some of it cannot be read any more; Temporary when the log is away."""
        key = (topic, tuple(ranges))
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        entries = tuple(_entry(record) for record in self._log.read(topic, ranges, READ_TIMEOUT_S))
        batch = Batch(topic, tuple(ranges), entries)
        with self._lock:
            self._kept[key] = batch
            while len(self._kept) > KEPT_BATCHES:
                self._kept.popitem(last=False)
        return batch


def _entry(record: Record) -> Entry:
    try:
        if record.topic == INCOMING:
            return Entry(record, read_message(record).placed(seq_at(record.offset), record.headers.get(HEADER, "")))
        return Entry(record, read_status(record))
    except Newer as failure:
        return Entry(record, None, failure.detail, is_newer=True)
    except Permanent as failure:
        return Entry(record, None, failure.detail or failure.reason)
