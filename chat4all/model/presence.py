"""Who is there. Each stream process reports on its readers; whoever hears the reports knows who that is. No clock, no I/O.

One report for a process, not for a reader: with 10,000 readers who stay, nothing is said but that the process lives. Nobody
compares clocks of machines: a process is forgotten when it was silent for `SILENT_S` of the clock of whoever listens.
"""

from collections.abc import Collection, Iterable, Iterator, Set

from msgspec import Struct

# A process with readers says so.
BEAT_S = 10.0
SILENT_S = 30.0
# Who comes back so soon was never away.
GRACE_S = 30.0
# All of them are said again, for who began to listen since.
WHOLE_S = 300.0
AT_ONCE = 5_000


class Report(Struct, frozen=True, omit_defaults=True):
    """What a process says: who came, and who left when (ms UTC; 0: nobody may know).

    `whole`: `came` are all that are there; `more`: so are those of the next report.
    """

    process: str
    came: tuple[str, ...] = ()
    left: dict[str, int] = {}
    whole: bool = False
    more: bool = False


class Change(Struct, frozen=True):
    """Somebody came or went, at this time (ms UTC). `last_seen`: of who went; 0: nobody may know."""

    user_id: str
    online: bool
    at: int
    last_seen: int = 0


class Readers:
    """The readers of this process, and what it has to say of them. Times: `now_s` only goes forward, `now` is ms UTC."""

    def __init__(self, process: str) -> None:
        self.process = process
        self._open: dict[str, int] = {}
        self._ended: dict[str, tuple[float, int]] = {}
        self._reported: set[str] = set()
        self._new: set[str] = set()
        self._said_at = self._whole_at = float("-inf")

    def opened(self, user_id: str) -> None:
        """A stream of theirs began."""
        self._open[user_id] = self._open.get(user_id, 0) + 1
        self._ended.pop(user_id, None)
        if user_id not in self._reported:
            self._new.add(user_id)

    def closed(self, user_id: str, now_s: float, now: int) -> None:
        """A stream of theirs ended."""
        self._open[user_id] -= 1
        if not self._open[user_id]:
            del self._open[user_id]
            if user_id in self._reported:
                self._ended[user_id] = (now_s, now)
            else:
                self._new.discard(user_id)

    def changed_mind(self, user_id: str) -> None:
        """Whether they wish to be hidden is to be asked again."""
        if user_id in self._open or user_id in self._reported:
            self._new.add(user_id)

    @property
    def is_to_be_heard(self) -> bool:
        """Whether others must hear of this process every `BEAT_S`: somebody reads here who is not hidden, or may not be."""
        return bool(self._reported or self._new)

    @property
    def to_ask(self) -> list[str]:
        """Those of whom it must be known whether they are hidden, before the next reports."""
        return sorted(self._new)

    def reports(self, asked: Iterable[str], hidden: Set[str], now_s: float) -> list[Report]:
        """What is to be said now. `hidden`: those of `asked` who wish it."""
        asked = [each for each in asked if each in self._new]
        self._new.difference_update(asked)
        left = {each: 0 for each in asked if each in hidden and each in self._reported}
        left |= {each: at for each, (since, at) in self._ended.items() if now_s - since >= GRACE_S}
        came = [each for each in asked if each in self._open and not (each in hidden or each in self._reported)]
        self._reported.difference_update(left)
        self._reported.update(came)
        for each in left:
            self._ended.pop(each, None)
        return self._said(came, left, now_s)

    def _said(self, came: Collection[str], left: dict[str, int], now_s: float) -> list[Report]:
        if (self._reported or left) and now_s - self._whole_at >= WHOLE_S:
            self._whole_at = self._said_at = now_s
            return list(self._whole(left))
        if came or left or (self._reported and now_s - self._said_at >= BEAT_S):
            self._said_at = now_s
            return [Report(self.process, tuple(came), left)]
        return []

    def _whole(self, left: dict[str, int]) -> Iterator[Report]:
        there = sorted(self._reported)
        for start in range(0, max(1, len(there)), AT_ONCE):
            some, more = tuple(there[start : start + AT_ONCE]), start + AT_ONCE < len(there)
            yield Report(self.process, some, {} if start else left, whole=True, more=more)

    def not_heard(self) -> None:
        """What was said last may have been lost: all is said again."""
        self._whole_at = float("-inf")


class _Process:
    def __init__(self) -> None:
        self.there: set[str] = set()
        self.gathered: set[str] = set()
        self.heard_at = float("-inf")
        self.said_at = 0


class Present:
    """Who is there, as whoever listens to all reports knows."""

    def __init__(self) -> None:
        self._processes: dict[str, _Process] = {}
        self._count: dict[str, int] = {}

    def is_online(self, user_id: str) -> bool:
        """Whether any process has them."""
        return user_id in self._count

    @property
    def online(self) -> int:
        """How many are there."""
        return len(self._count)

    def hear(self, report: Report, at: int, now_s: float, age_s: float = 0.0) -> list[Change]:
        """Who came or went by this. `at`: when it was said, ms UTC. `age_s`: how long ago it was, of what is read later."""
        process = self._processes.setdefault(report.process, _Process())
        process.heard_at = max(process.heard_at, now_s - age_s)
        changes = [change for each, since in report.left.items() for change in self._left(process, each, since or at, since)]
        if report.whole:
            process.gathered.update(report.came)
            if not report.more:
                missing = process.there - process.gathered
                process.gathered = set()
                last = process.said_at
                changes += [change for each in sorted(missing) for change in self._left(process, each, last, last)]
        changes += [change for each in report.came for change in self._came(process, each, at)]
        process.said_at = max(process.said_at, at)
        return changes

    def silent(self, now_s: float) -> list[Change]:
        """Who went with processes that have not been heard for too long."""
        changes = []
        for name in [name for name, each in self._processes.items() if now_s - each.heard_at > SILENT_S]:
            process = self._processes.pop(name)
            for each in sorted(process.there):
                changes += self._left(process, each, process.said_at, process.said_at)
        return changes

    def _came(self, process: _Process, user_id: str, at: int) -> list[Change]:
        if user_id in process.there:
            return []
        process.there.add(user_id)
        self._count[user_id] = self._count.get(user_id, 0) + 1
        return [Change(user_id, True, at)] if self._count[user_id] == 1 else []

    def _left(self, process: _Process, user_id: str, at: int, last_seen: int) -> list[Change]:
        if user_id not in process.there:
            return []
        process.there.discard(user_id)
        self._count[user_id] -= 1
        if self._count[user_id]:
            return []
        del self._count[user_id]
        return [Change(user_id, False, at, last_seen)]
