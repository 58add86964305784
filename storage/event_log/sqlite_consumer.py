"""Consumers of the embedded log: following a topic alone, or sharing it with a group.

A poll asks `PRAGMA data_version`, which reads shared memory only; tables are read when it has changed. Where
nothing has come for a while, a poll sleeps until the system says that somebody writes.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from chat4all.model.failures import RangeLost, Temporary
from chat4all.model.records import Record
from chat4all.ports import Consumer
from storage.event_log import sqlite_groups as groups
from storage.event_log.sqlite_changes import Changes, changes_of
from storage.event_log.sqlite_files import Connection, TopicFile, connect, failing_temporarily, record_id, to_record
from storage.event_log.sqlite_times import TIMES, Times

# Between two looks at the log: short under traffic, longer the longer it was quiet (the longest after 12 s). Half of an idle
# look's cost is waking up. After so many seconds of quiet it is looked only twice a second, and at once when somebody writes:
# what is written is committed within that time, or found by the next look.
QUIET_AFTER_S = 2.0
QUIET_LOOK_S = 0.5
SHORTEST_WAIT_S = 0.005
LONGEST_WAIT_S = 0.05
WAIT_PER_QUIET_S = 0.004
# A member that has not polled for so long hangs: its heartbeat stops, and it loses its partitions.

_SELECT = "SELECT id, at, key, value, headers FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"


def _version(connection: Connection) -> int:
    """Another number than before when any other connection, of any process, changed the file."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


class Follower(Consumer):
    """Reads partitions of one topic from given positions on."""

    def __init__(self, file: TopicFile, positions: Mapping[int, int]) -> None:
        self._file = file
        self._positions = dict(positions)
        self._paused: set[int] = set()
        self._ends: dict[int, tuple[int, int]] = {}
        self._turn = 0
        self._traffic_at = time.monotonic()
        self._connection: Connection | None = None
        self._known = -1
        # Made when it has been quiet.
        self._changes: Changes | None = None
        self._is_told = True

    def poll(self, limit: int, timeout_s: float) -> Sequence[Record]:
        """See Consumer. RangeLost when a position was trimmed, or lies behind the end."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self._look(limit)
            now = time.monotonic()
            if found:
                self._traffic_at = now
                return found
            if now >= deadline:
                return []
            self._rest(now, deadline - now)

    def pause(self, partitions: Sequence[int]) -> None:
        """See Consumer."""
        self._paused.update(each for each in partitions if each in self._positions)

    def resume(self, partitions: Sequence[int]) -> None:
        """See Consumer."""
        self._paused.difference_update(partitions)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Without a group there is nobody to show it to."""

    def close(self) -> None:
        """See Consumer."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rest(self, now: float, most_s: float) -> None:
        """Until the next look."""
        quiet_s = now - self._traffic_at
        if quiet_s < QUIET_AFTER_S or not self._is_told:
            # The longer it was quiet, the less often we look: a thread that wakes costs more than what it asks.
            pause = min(max(quiet_s * WAIT_PER_QUIET_S, SHORTEST_WAIT_S), LONGEST_WAIT_S)
            time.sleep(min(pause, most_s))
        elif self._changes is None:
            # From now on we are told; what was written before, the next look finds. Our connection keeps the WAL where it is.
            self._changes = changes_of(self._file.path.with_name(f"{self._file.path.name}-wal"))
            self._is_told = self._changes is not None
        elif self._changes.wait(min(QUIET_LOOK_S, most_s)):
            self._traffic_at = time.monotonic()

    def _look(self, limit: int) -> list[Record]:
        found = self._read(limit)
        self._advance(found)
        return found

    def _read(self, limit: int) -> list[Record]:
        """Records at the positions, which stay. Partitions take turns at being first, so that none starves."""
        with failing_temporarily(self._file.name):
            try:
                connection = self._opened()
                ready = [
                    each for each, position in self._positions.items() if each not in self._paused and self._has(each, position)
                ]
                self._turn += 1
                found: list[Record] = []
                for number in range(len(ready)):
                    partition = ready[(self._turn + number) % len(ready)]
                    share = (limit - len(found)) // (len(ready) - number) or 1
                    if len(found) < limit:
                        found += self._read_partition(connection, partition, share)
            except sqlite3.Error:
                Follower.close(self)
                raise
            return found

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._file.path)
            self._known = -1
        version = _version(self._connection)
        if version != self._known:
            rows = self._connection.execute("SELECT partition, first, next FROM heads")
            self._ends = {partition: (first, upcoming) for partition, first, upcoming in rows}
            self._known = version
        return self._connection

    def _has(self, partition: int, position: int) -> bool:
        first, upcoming = self._ends[partition]
        if not first <= position <= upcoming:
            raise RangeLost("out_of_range", f"{self._file.name} {partition}:{position}, there is {first} to {upcoming - 1}")
        return position < upcoming

    def _read_partition(self, connection: Connection, partition: int, limit: int) -> list[Record]:
        position = self._positions[partition]
        rows = connection.execute(_SELECT, (record_id(partition, position), record_id(partition + 1, 0), limit)).fetchall()
        if not rows or rows[0][0] != record_id(partition, position):
            raise RangeLost("trimmed", f"{self._file.name} {partition}:{position}")
        return [to_record(self._file.name, row) for row in rows]

    def _advance(self, found: Sequence[Record]) -> None:
        for each in found:
            self._positions[each.partition] = each.offset + 1


class Member(Follower):
    """Reads what its group gives it. Its heart beats from another thread (`beat`), as long as it is polled."""

    def __init__(
        self,
        file: TopicFile,
        group: groups.Group,
        folder: Path,
        assigned: Callable[[Sequence[int]], Mapping[int, int]],
        revoked: Callable[[Sequence[int]], None],
        times: Times = TIMES,
    ) -> None:
        super().__init__(file, {})
        self._poll_limit_s = times.poll_limit_s
        self._group = group
        self._folder = folder
        self._assigned = assigned
        self._revoked = revoked
        self._commits: dict[int, int] = {}
        self._lock = Lock()
        self._polled_at = time.monotonic()
        self.closed = False
        with failing_temporarily(str(group)):
            self._groups = groups.open_groups(folder)
            self._group_known = -1
            self._membership = groups.Membership(self._groups, group, folder, times)

    def poll(self, limit: int, timeout_s: float) -> Sequence[Record]:
        """See Consumer."""
        if self.closed:
            raise Temporary("log_closed", self._file.name)
        self._polled_at = time.monotonic()
        try:
            return super().poll(limit, timeout_s)
        finally:
            self._polled_at = time.monotonic()

    def commit(self, positions: Mapping[int, int]) -> None:
        """See Consumer. Written with the next beat."""
        with self._lock:
            self._commits.update(positions)

    def close(self) -> None:
        """See Consumer. `revoked` is not called: who closes knows."""
        if self.closed:
            return
        self.closed = True
        self._positions.clear()
        # Whoever cannot write that it leaves is found dead a little later.
        with suppress(sqlite3.Error):
            self._write_commits(self._groups)
            self._membership.leave(self._groups)
        self._membership.abandon()
        self._groups.close()
        super().close()

    def beat(self, connection: Connection) -> None:
        """Show that we live, and what was committed. For the heart's thread, with its connection. sqlite3.Error."""
        if not self.closed and time.monotonic() - self._polled_at < self._poll_limit_s:
            self._membership.beat(connection)
            self._write_commits(connection)

    def _write_commits(self, connection: Connection) -> None:
        with self._lock:
            commits, self._commits = self._commits, {}
        try:
            if commits:
                groups.commit(connection, self._group, commits)
        except sqlite3.Error:
            with self._lock:
                self._commits = commits | self._commits
            raise

    def _look(self, limit: int) -> list[Record]:
        self._polled_at = time.monotonic()
        self._follow_group()
        found = self._read(limit)
        # Asked after reading: what was read while we were frozen and replaced is not given out.
        if found and self._follow_group():
            return []
        self._advance(found)
        return found

    def _follow_group(self) -> bool:
        """Take and give partitions as the group says now. True when ours changed."""
        with failing_temporarily(self._group.name):
            version = _version(self._groups)
            if version == self._group_known:
                return False
            found = groups.assignment(self._groups, self._group, self._membership.member)
        mine, owes = found or (set[int](), set[int]())
        lost, new = sorted(self._positions.keys() - mine), sorted(mine - self._positions.keys())
        self._drop(lost)
        with failing_temporarily(self._group.name):
            if found is None:
                self._membership.abandon()
                self._membership = groups.Membership(self._groups, self._group, self._folder)
                return True
            if owes:
                groups.hand_over(self._groups, self._group, self._membership.member, owes)
        self._take(new)
        # Known only now: a callback that failed is called again by the next poll.
        self._group_known = version
        return bool(lost or new)

    def _drop(self, partitions: Sequence[int]) -> None:
        if partitions:
            self._revoked(partitions)
        for each in partitions:
            del self._positions[each]
            self._paused.discard(each)

    def _take(self, partitions: Sequence[int]) -> None:
        if partitions:
            starts = self._assigned(partitions)
            self._positions.update({each: starts[each] for each in partitions})
