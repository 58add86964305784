"""Who is there, and how it is laid out in chat-signals: the reports of stream processes, and the wishes to be hidden."""

import time
from threading import Lock

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.events import kind_of, of_kind
from chat4all.model.failures import RangeLost
from chat4all.model.presence import Present, Report
from chat4all.model.records import SIGNALS, NewRecord, Range, Record, is_newer, partition_of
from chat4all.ports import EventLog

REPORT, WISH = "presence", "presence_wish"
READ_S = 2.0
RECORDS = 1_000
# A process asks the log no more often.
FRESH_S = 1.0

_read = msgspec.json.Decoder(Report).decode


def report_record(report: Report, partitions: int) -> NewRecord:
    """What a process says of its readers. `partitions`: how many chat-signals has."""
    key = report.process
    return NewRecord(SIGNALS, partition_of(key, partitions), key, msgspec.json.encode(report), of_kind(REPORT))


def wish_record(user_id: str, partitions: int) -> NewRecord:
    """This user changed their mind about being hidden: the store says what they wish."""
    return NewRecord(SIGNALS, partition_of(user_id, partitions), user_id, b"", of_kind(WISH))


def read_report(record: Record) -> Report | None:
    """The report in a record; None for any other, and for what cannot be read."""
    if kind_of(record) != REPORT or is_newer(record.headers):
        return None
    try:
        return _read(record.value)
    except msgspec.MsgspecError:
        return None


class Watch:
    """Who is there, for a process that is asked now and then: it reads what was said since it was asked last."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._lock = log, Lock()
        self._present = Present()
        self._positions: dict[int, int] = {}
        self._read_at = float("-inf")

    def now(self) -> Present:
        """As the log says, a second old at most. Raises Temporary. From many threads."""
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._catch_up()
            return self._present

    def _catch_up(self) -> None:
        for partition, (first, end) in self._log.ends(SIGNALS).items():
            start = max(first, self._positions.get(partition, 0))
            while start < end:
                last = min(start + RECORDS, end) - 1
                try:
                    records = self._log.read(SIGNALS, [Range(partition, start, last)], READ_S)
                except RangeLost:
                    # It was forgotten meanwhile; each process says all again within minutes.
                    records = []
                for record in records:
                    self._hear(record)
                start = self._positions[partition] = last + 1
        self._read_at = time.monotonic()
        self._present.silent(self._read_at)

    def _hear(self, record: Record) -> None:
        report = read_report(record)
        if report is not None:
            self._present.hear(report, record.at, time.monotonic(), max(0.0, (now_ms() - record.at) / 1000))
