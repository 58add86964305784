"""Messages flow while something is done to the system; figures are shown live, and the checker has the last word."""

import os
import time
from collections.abc import Callable
from random import randrange
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.faults.checker import check
from ops.faults.crowd import Crowd
from ops.faults.load import Load
from ops.faults.outcome import Outcome
from ops.harness.place import Here
from ops.harness.readers import Readers
from ops.harness.system import Running

PER_SECOND = 80.0
ARRIVE_S = 120.0
END_S = 60.0
LATE_S = 2.0
SHOWN_EVERY_S = 0.5

Lines = Callable[[], Table | None]


class Flow:
    """A load on a running system: users and people on all four channels. A context manager: it flows inside.

    RATE in the environment: messages a second.
    """

    def __init__(self, system: Running, console: Console, more: Lines = lambda: None) -> None:
        run = randrange(10**6)
        self.system, self.console = system, console
        self.crowd = Crowd(Here(system), run, f"demo-{run}")
        self.load = Load(Here(system), self.crowd, run, float(os.environ.get("RATE", PER_SECOND)))
        self.readers = Readers(self.crowd.tokens, system.stream_target)
        self.outcome = Outcome(Here(system), self.crowd, self.load, self.readers)
        self._more = more
        self._said: list[str] = []
        self._live = Live(console=console, refresh_per_second=4)
        self._began = self._counted_at = time.monotonic()
        self._counted = 0

    def __enter__(self) -> Self:
        self.readers.__enter__()
        self._live.start()
        self.load.start()
        self._began = self._counted_at = time.monotonic()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.load.stop()
        self._live.stop()
        self.readers.__exit__()
        self.crowd.close()

    def say(self, text: str) -> None:
        """A line that stays: what was done, and when."""
        self._said.append(f"{time.monotonic() - self._began:5.1f} s  {text}")

    def go(self, seconds: float) -> None:
        """Let it flow, and show figures."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.show()
            time.sleep(SHOWN_EVERY_S)

    def show(self) -> None:
        """The figures as they are now."""
        accepted, now = len(self.outcome.accepted), time.monotonic()
        rate = (accepted - self._counted) / max(0.1, now - self._counted_at)
        self._counted, self._counted_at = accepted, now
        late = len(self.outcome.missing((time.time() - LATE_S) * 1000))
        table = Table(title_justify="left", title=f"live, {now - self._began:.0f} s")
        for heading in ("accepted", "a second", "on phones", "in streams", f"later than {LATE_S:.0f} s", "streams resumed"):
            table.add_column(heading, justify="right")
        resumed = sum(each.resumed for each in self.readers.each)
        figures = (accepted, f"{rate:.0f}", len(self.outcome.arrivals()), len(self.outcome.seen()), late, resumed)
        table.add_row(*map(str, figures))
        more = self._more()
        said = [Text(each) for each in self._said]
        self._live.update(Group(*said, table, *([more] if more else [])))

    def until_calm(self, patience_s: float = 60.0) -> float:
        """Let it flow until messages are accepted and none of them is late; seconds that took."""
        began = time.monotonic()
        hit = time.time() * 1000
        while time.monotonic() - began < patience_s:
            self.go(SHOWN_EVERY_S)
            flowing = max((each.at for each in self.outcome.accepted), default=0) > hit
            if flowing and not self.outcome.missing((time.time() - LATE_S) * 1000):
                break
        return time.monotonic() - began

    def verdict(self) -> bool:
        """Send no more, wait for all of it, and judge it from outside; whether nothing was lost, doubled or swapped."""
        self.load.stop()
        until = time.monotonic() + ARRIVE_S
        while self.outcome.missing() and time.monotonic() < until:
            self.go(SHOWN_EVERY_S)
        self.outcome.has_ended(END_S)
        self.show()
        self._live.stop()
        return _judge(self)


def _judge(flow: Flow) -> bool:
    report, resends = check(flow.outcome.history()), flow.outcome.resends()
    flow.console.rule("[bold]The checker's verdict")
    table = Table(
        "accepted", "lost", "doubled in streams", "out of order", "never ended", "doubled at providers", "counted by us"
    )
    doubled = sum(report.doubled_out.values())
    wrong = (len(report.lost), sum(report.doubled_in.values()), len(report.inversions), len(report.endless))
    table.add_row(*map(str, (len(flow.outcome.accepted), *wrong, doubled, sum(resends.values()))))
    flow.console.print(table)
    uncounted = [pair for pair, more in report.doubled_out.items() if resends[pair] < more]
    good = not any(wrong) and not uncounted and not flow.load.given_up
    if doubled:
        flow.console.print(
            "A provider without idempotency may see a message twice after a kill; the system counts each of these."
        )
    flow.console.print("[green]Nothing was lost, doubled or swapped." if good else "[red]A promise was broken: see above.")
    return good
