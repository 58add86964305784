"""Who is there, and how it is laid out in chat-signals: the reports of stream processes, and the wishes to be hidden."""

import time
from threading import Lock

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.events import kind_of, of_kind
from chat4all.model.presence import Change, Present, Report
from chat4all.model.records import SIGNALS, NewRecord, Record, is_newer, partition_of
from chat4all.ports import EventLog
from chat4all.services.passing import Heard

REPORT, WISH = "presence", "presence_wish"
# What is older when it is read was not read as it came.
PROMPT_S = 60.0
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


def hear(present: Present, record: Record, *, at_once: bool) -> list[Change]:
    """Who came or went by this record; nobody, where it is no report.

    `at_once`: it is read as it comes, so it counts from now whatever the clock said of whoever wrote it down, unless it is old.
    """
    report, age_s = read_report(record), max(0.0, (now_ms() - record.at) / 1000)
    if report is None:
        return []
    return present.hear(report, record.at, time.monotonic(), 0.0 if at_once and age_s <= PROMPT_S else age_s)


class Watch:
    """Who is there, for a process that is asked now and then."""

    def __init__(self, log: EventLog) -> None:
        self._heard, self._lock = Heard(log), Lock()
        self._present = Present()
        self._read_at = float("-inf")

    def now(self) -> Present:
        """As the log says, a second old at most. Raises Temporary. From many threads."""
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                for record in self._heard.since_last():
                    hear(self._present, record, at_once=False)
                self._read_at = time.monotonic()
                self._present.silent(self._read_at)
            return self._present
