"""Consumer groups of the embedded log: who is a member, who owns which partition, how far each group is.

They are in a file of their own, so that consumers never wait for the log's writers. A partition has an owner, and the member
that is wanted for it. The owner hands over by itself, after it has stopped; only a dead owner's partitions are taken.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from chat4all.model.liveness import Observed
from storage.event_log.sqlite_files import Connection, connect, make_file
from storage.event_log.sqlite_process_lock import ProcessLock, is_gone
from storage.event_log.sqlite_times import TIMES, Times

FILE = "groups.db"

SCHEMA = """
CREATE TABLE members (topic TEXT, name TEXT, member TEXT, beat INTEGER NOT NULL,
    PRIMARY KEY (topic, name, member)) WITHOUT ROWID;
CREATE TABLE owners (topic TEXT, name TEXT, partition INTEGER, owner TEXT NOT NULL, wanted TEXT NOT NULL,
    PRIMARY KEY (topic, name, partition)) WITHOUT ROWID;
CREATE TABLE committed (topic TEXT, name TEXT, partition INTEGER, position INTEGER NOT NULL,
    PRIMARY KEY (topic, name, partition)) WITHOUT ROWID;
"""
_GROUP = "topic = ? AND name = ?"


def open_groups(folder: Path) -> Connection:
    """A connection to the groups' file, which is made if it is missing. What it holds may be lost with the power."""
    path = folder / FILE
    if not path.exists():
        make_file(path, lambda connection: connection.executescript(SCHEMA))
    return connect(path, synchronous="NORMAL")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of consumers of one topic, which has this many partitions."""

    topic: str
    name: str
    partitions: int

    @property
    def key(self) -> tuple[str, str]:
        """Where its rows are."""
        return self.topic, self.name


@contextmanager
def changing(connection: Connection) -> Iterator[None]:
    """A write transaction, rolled back when anything goes wrong. sqlite3.Error when it does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def assignment(connection: Connection, group: Group, member: str) -> tuple[set[int], set[int]] | None:
    """(partitions that are this member's to read, those it has to hand over); None when it is no member any more."""
    rows = connection.execute(
        "SELECT partition, wanted FROM owners WHERE topic = ?1 AND name = ?2 AND owner = ?3 UNION ALL "
        "SELECT -1, ?3 FROM members WHERE topic = ?1 AND name = ?2 AND member = ?3",
        (*group.key, member),
    ).fetchall()
    if (-1, member) not in rows:
        return None
    mine = {partition for partition, wanted in rows if wanted == member}
    return mine - {-1}, {partition for partition, _ in rows} - mine


def hand_over(connection: Connection, group: Group, member: str, partitions: Iterable[int]) -> None:
    """Give these partitions to whoever is wanted there. Only after nothing of them is read here any more."""
    connection.executemany(
        f"UPDATE owners SET owner = wanted WHERE {_GROUP} AND partition = ? AND owner = ?",  # noqa: S608
        [(*group.key, partition, member) for partition in partitions],
    )


def commit(connection: Connection, group: Group, positions: Mapping[int, int]) -> None:
    """Write how far the group is."""
    connection.executemany(
        "INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)", [(*group.key, *position) for position in positions.items()]
    )


def committed(connection: Connection, group: Group) -> dict[int, int]:
    """How far the group is, per partition."""
    return dict(connection.execute(f"SELECT partition, position FROM committed WHERE {_GROUP}", group.key))  # noqa: S608


class Membership:
    """One membership, under a name that was never used before: so nobody takes us for an earlier self.

    A member is dead when its process has ended, or its beat stood still for 5 s (`times`) of our own clock. No time of day is
    compared, so clocks may jump. A pause of ours tells nothing about the others.
    """

    def __init__(self, connection: Connection, group: Group, folder: Path, times: Times = TIMES) -> None:
        self.group = group
        self._times = times
        self.member = token_hex(8)
        self._folder = folder
        self._beats: dict[str, Observed[int]] = {}
        self._looked = 0.0
        self._sign = ProcessLock(folder, self.member)
        try:
            with changing(connection):
                connection.execute("INSERT INTO members VALUES (?, ?, ?, 0)", (*group.key, self.member))
                _remove(connection, group, self._dead(connection))
        except BaseException:
            self._sign.close()
            raise

    def leave(self, connection: Connection) -> None:
        """Go, and hand everything over at once. Whoever cannot say so is found gone a little later. sqlite3.Error."""
        self._sign.close()
        with changing(connection):
            _remove(connection, self.group, [self.member])

    def abandon(self) -> None:
        """Let go of what is kept for a membership that others have ended."""
        self._sign.close()

    def beat(self, connection: Connection) -> None:
        """Show that we live, and take away from those who do not. Does nothing for us when we were removed ourselves."""
        with changing(connection):
            connection.execute(
                f"UPDATE members SET beat = beat + 1 WHERE {_GROUP} AND member = ?",  # noqa: S608
                (*self.group.key, self.member),
            )
            dead = self._dead(connection)
            if dead:
                _remove(connection, self.group, dead)

    def _dead(self, connection: Connection) -> list[str]:
        now = time.monotonic()
        beats = dict(connection.execute(f"SELECT member, beat FROM members WHERE {_GROUP}", self.group.key))  # noqa: S608
        known = self._beats if now - self._looked < 2 * self._times.beat_s else {}
        self._looked = now
        self._beats = {member: known.get(member) or Observed() for member in beats}
        for member, beat in beats.items():
            self._beats[member].look(beat)
        limit_s = self._times.silence_s
        silent = [name for name, seen in self._beats.items() if seen.unchanged_s > limit_s or is_gone(self._folder, name)]
        return [member for member in silent if member != self.member]


def _remove(connection: Connection, group: Group, members: Sequence[str]) -> None:
    connection.executemany(
        f"DELETE FROM members WHERE {_GROUP} AND member = ?",  # noqa: S608
        [(*group.key, member) for member in members],
    )
    _share(connection, group)


def _share(connection: Connection, group: Group) -> None:
    """Say anew who is wanted where, inside a transaction. Owners that live keep what they own until they hand it over."""
    members = [row[0] for row in connection.execute(f"SELECT member FROM members WHERE {_GROUP}", group.key)]  # noqa: S608
    rows = connection.execute(f"SELECT partition, owner, wanted FROM owners WHERE {_GROUP}", group.key).fetchall()  # noqa: S608
    owners = {partition: owner for partition, owner, _ in rows}
    if not members:
        connection.execute(f"DELETE FROM owners WHERE {_GROUP}", group.key)  # noqa: S608
        return
    wanted = balance({partition: member for partition, _, member in rows}, members, group.partitions)
    connection.executemany(
        "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?)",
        [
            (*group.key, partition, owners[partition] if owners.get(partition) in members else member, member)
            for partition, member in wanted.items()
        ],
    )


def balance(current: Mapping[int, str], members: Sequence[str], partitions: int) -> dict[int, str]:
    """Who gets which partition: shares differ by one at most, and as few as possible move."""
    owned = {member: [each for each in range(partitions) if current.get(each) == member] for member in members}
    least, more = divmod(partitions, len(members))
    # Those who hold most get the larger shares: that moves least.
    ranked = sorted(members, key=lambda member: (-len(owned[member]), member))
    shares = {member: least + (rank < more) for rank, member in enumerate(ranked)}
    result = {each: member for member in members for each in owned[member][: shares[member]]}
    free = [each for each in range(partitions) if each not in result]
    for member in ranked:
        missing = shares[member] - len(owned[member][: shares[member]])
        result.update(dict.fromkeys(free[:missing], member))
        free = free[missing:]
    return result
