"""The embedded event log: SQLite files on this machine, for several processes at once. What was acknowledged survives kill -9.

One file per topic, so that writers of one never wait for another's, and one file for the consumer groups.
docs/decisions/embedded-log.md says what was measured.
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from chat4all.model.failures import Failure, Mismatch, RangeLost, Temporary, Unknown
from chat4all.model.records import NewRecord, Range, Record
from chat4all.ports import Consumer, EventLog, Topic
from chat4all.settings import Settings
from storage.event_log import sqlite_groups as groups
from storage.event_log.sqlite_consumer import Follower, Member
from storage.event_log.sqlite_files import SUFFIX, Connection, TopicFile, connect, failing_temporarily, record_id, to_record
from storage.event_log.sqlite_heartbeat import Heartbeat
from storage.event_log.sqlite_times import TIMES, Times
from storage.event_log.sqlite_trim import trim
from storage.event_log.sqlite_writer import PendingAppend, Writer

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_SELECT = "SELECT id, at, key, value, headers FROM records WHERE id BETWEEN ? AND ? ORDER BY id"


class SQLiteLog(EventLog):
    """The log in the folder `settings.data` / `settings.log`. Opens files and starts threads when they are first needed.

    `connects` opens a topic's file for writing.
    """

    def __init__(self, settings: Settings, times: Times = TIMES, connects: Callable[[Path], Connection] = connect) -> None:
        self._folder = settings.data / settings.log.partition(":")[2]
        self._times, self._connects = times, connects
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._files: dict[str, TopicFile] = {}
        self._writers: dict[str, Writer] = {}
        self._heartbeat = Heartbeat(self._folder, self._times.beat_s)
        self._closed = False

    def create(self, partitions: Mapping[str, int]) -> None:
        """See EventLog."""
        for name, count in partitions.items():
            self._file(name).create(count)

    def topic(self, name: str) -> Topic:
        """See EventLog."""
        return self._file(name).topic

    def append(self, records: Sequence[NewRecord], timeout_s: float) -> list[int]:
        """See EventLog. Also Temporary `log_full` at once when 64 MiB wait already, and `log_busy` when withdrawn in time."""
        deadline = time.monotonic() + timeout_s
        places: dict[str, list[int]] = {}
        for number, each in enumerate(records):
            if not 0 <= each.partition < self._file(each.topic).topic.partitions:
                raise Mismatch("no_such_partition", f"{each.topic} {each.partition}")
            places.setdefault(each.topic, []).append(number)
        handed = self._hand_in({name: [records[number] for number in here] for name, here in places.items()})
        given = _wait(handed, deadline)
        offsets = [0] * len(records)
        for name, here in places.items():
            for number, offset in zip(here, given[name], strict=True):
                offsets[number] = offset
        return offsets

    def read(self, topic: str, ranges: Sequence[Range], timeout_s: float) -> list[Record]:
        """See EventLog."""
        deadline = time.monotonic() + timeout_s
        file = self._file(topic)
        found: list[Record] = []
        for each in ranges:
            if time.monotonic() > deadline:
                raise Temporary("log_busy", f"{topic}: not read in time")
            rows = file.rows(_SELECT, (record_id(each.partition, each.first), record_id(each.partition, each.last)))
            if len(rows) != each.size:
                raise RangeLost("range_lost", f"{topic} {each.partition}:{each.first}-{each.last} has {len(rows)} records")
            found += [to_record(topic, row) for row in rows]
        return found

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """See EventLog."""
        rows = self._existing(topic).rows("SELECT partition, first, next FROM heads ORDER BY partition")
        return {partition: (first, upcoming) for partition, first, upcoming in rows}

    def consume(
        self,
        topic: str,
        group: str,
        assigned: Callable[[Sequence[int]], Mapping[int, int]],
        revoked: Callable[[Sequence[int]], None],
    ) -> Consumer:
        """See EventLog."""
        file = self._existing(topic)
        member = Member(file, groups.Group(topic, group, file.topic.partitions), self._folder, assigned, revoked, self._times)
        self._heartbeat.add(member)
        return member

    def follow(self, topic: str, positions: Mapping[int, int]) -> Consumer:
        """See EventLog."""
        file = self._existing(topic)
        if wrong := [each for each in positions if not 0 <= each < file.topic.partitions]:
            raise Mismatch("no_such_partition", f"{topic} {wrong}")
        return Follower(file, positions)

    def committed(self, topic: str, group: str) -> dict[int, int]:
        """See EventLog."""
        partitions = self._existing(topic).topic.partitions
        with failing_temporarily(group):
            connection: Connection = groups.open_groups(self._folder)
            try:
                return groups.committed(connection, groups.Group(topic, group, partitions))
            finally:
                connection.close()

    def trim(self, topic: str, before_ms: int) -> None:
        """See EventLog."""
        trim(self._existing(topic), before_ms)

    def check(self) -> str:
        """See EventLog."""
        with failing_temporarily(str(self._folder)):
            names = sorted(each.name.removesuffix(SUFFIX) for each in self._folder.iterdir() if each.suffix == SUFFIX)
        for name in names:
            self.ends(name)
        return f"SQLite log in {self._folder}: {', '.join(names) or 'no topics yet'}"

    def close(self) -> None:
        """See EventLog. Consumers are closed too: the threads that poll them must have ended."""
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
            writers, files = list(self._writers.values()), list(self._files.values())
        self._heartbeat.close()
        for writer in writers:
            writer.close()
        for file in files:
            file.close()

    def _existing(self, name: str) -> TopicFile:
        file = self._file(name)
        _ = file.topic
        return file

    def _file(self, name: str) -> TopicFile:
        if self._process != os.getpid():
            # Locks and threads did not come through the fork.
            self._start()
        file = self._files.get(name)
        if file is None:
            if not _NAME.fullmatch(name):
                raise Mismatch("topic_name", f"{name!r} cannot be a topic's name")
            with self._lock:
                file = self._files.setdefault(name, TopicFile(self._folder, name))
        return file

    def _hand_in(self, records: Mapping[str, Sequence[NewRecord]]) -> list[tuple[str, Writer, PendingAppend]]:
        """Give each topic's writer its records: to all of them or, unless one was too quick, to none."""
        handed: list[tuple[str, Writer, PendingAppend]] = []
        try:
            for name, here in records.items():
                writer = self._writer(name)
                handed.append((name, writer, writer.hand_in(here)))
        except Temporary as failure:
            withdrawn = [writer.withdraw(each) for _, writer, each in handed]
            if all(withdrawn):
                raise
            raise Unknown("log_timeout", str(failure)) from failure
        return handed

    def _writer(self, name: str) -> Writer:
        writer = self._writers.get(name)
        if writer is None:
            with self._lock:
                if self._closed:
                    raise Temporary("log_closed", name)
                writer = self._writers.setdefault(name, Writer(self._files[name], self._connects))
        return writer


def _wait(handed: Sequence[tuple[str, Writer, PendingAppend]], deadline: float) -> dict[str, list[int]]:
    """Offsets per topic. When only some topics have their records, that is Unknown."""
    given: dict[str, list[int]] = {}
    failures: list[Failure] = []
    for name, writer, each in handed:
        try:
            given[name] = writer.wait(each, deadline - time.monotonic())
        except Failure as failure:
            failures.append(failure)
    if not failures:
        return given
    if given or not all(isinstance(each, Temporary) for each in failures):
        raise Unknown("log_timeout", str(failures[0])) from failures[0]
    raise failures[0]
