"""More and more messages a second: how long each takes to be accepted and to arrive, and what the processes use."""

import os
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ops.bench import cpu
from ops.bench.figures import spread
from ops.demo.flow import Flow
from ops.harness.system import Running

STEPS = (40, 80, 160, 320)
STEP_S = 8.0


class _Steps:
    """What each step came to."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self.table = Table("asked, a second", "accepted, a second", "accept p50/p99, ms", "arrive p50/p99, ms", "CPU, cores")

    def run(self, per_second: float) -> None:
        """One step."""
        self._flow.load.per_second = per_second
        begun, used = int(time.time() * 1000), cpu.used(self._flow.system, {})
        self._flow.go(STEP_S)
        cores = sum(cpu.per_message(used, cpu.used(self._flow.system, {}), 1).values()) / 1e6 / STEP_S
        taken = [each for each in self._flow.outcome.accepted if each.at >= begun]
        waits = [each.took * 1000 for each in list(self._flow.load.requests) if each.at >= begun]
        row = (f"{per_second:.0f}", f"{len(taken) / STEP_S:.0f}", _both(waits), _both(self._arrivals(begun)), f"{cores:.2f}")
        self.table.add_row(*row)

    def _arrivals(self, begun: int) -> list[float]:
        """From the acknowledgement to a phone or a stream, of what was accepted since."""
        accepted = {each.message_id: each.at for each in self._flow.outcome.accepted if each.at >= begun}
        came = [*self._flow.outcome.arrivals(), *self._flow.outcome.seen()]
        return [max(0.0, each.at - accepted[each.message_id]) for each in came if each.message_id in accepted]


def _both(values: Sequence[float]) -> str:
    found = spread(values)
    return f"{found.p50:.0f} / {found.p99:.0f}" if values else "-"


def tell(system: Running, console: Console) -> bool:
    """Tell it; False when a promise was broken. STEPS=40,80 in the environment for other rates."""
    console.rule("[bold]More and more messages a second, to users and to people on four channels")
    asked = [float(each) for each in os.environ.get("STEPS", ",".join(map(str, STEPS))).split(",")]
    shown: list[_Steps] = []
    with Flow(system, console, lambda: shown[0].table if shown else None) as flow:
        shown.append(_Steps(flow))
        for each in asked:
            shown[0].run(each)
            flow.show()
        return flow.verdict()
