"""`python -m ops.faults`: runs faults, prints the table, writes build/faults.json. 1 when something was lost, doubled, swapped
or left; promises about time are shown and not judged, for they depend on what else the machine does.

FAULT=name[,name] only these; FAULTS=short the short selection; SEEDS=3 seeds 1 to 3; SEED=n this one;
STACK=real on real servers, STACK=cluster on three brokers and three nodes.
FAULT=mixed SEED=n SECONDS=300: all kinds of harm at once, at random; the same seed gives the same plan.
FAULT=broadcast PEOPLE=5000 SECONDS=45: to so many people, harmed for so long.
On a machine that has other work: RATE=80 messages a second, KILLS=6 kills a row.
"""

import os
import signal
import sys

from rich.console import Console

from chat4all.root import ROOT
from ops.faults import report
from ops.faults.judge import Fault, Row
from ops.faults.runner import run
from ops.faults.table import FAULTS, UnknownFault, chosen
from ops.harness.guard import RealPeople

WIDTH = 150
PATH = ROOT / "build" / "faults.json"


def main() -> int:
    """Run what the environment asks for."""
    if sys.argv[1:]:
        print(__doc__)
        return 2
    # Who is asked to end takes the system under test along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    stack = os.environ.get("STACK", "embedded")
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(1, int(os.environ.get("SEEDS", "1")) + 1))
    try:
        faults = chosen(os.environ.get("FAULT", ""), os.environ.get("FAULTS", "") == "short")
        rows = _run_all(faults, stack, seeds, console)
    except (UnknownFault, RealPeople) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    report.show(rows, console)
    console.print(f"[dim]{PATH.relative_to(ROOT)}")
    return int(any(each.wrong for each in rows))


def _run_all(faults: list[Fault], stack: str, seeds: list[int], console: Console) -> list[Row]:
    """Row by row, each written as soon as it is there; what is left out is listed as not run."""
    names = {each.name for each in faults}
    left_out = [Row(name, stack, seeds[0], not_run="not asked for") for name in FAULTS if name not in names]
    report.write(PATH, report.merge(report.read(PATH), left_out))
    rows: list[Row] = []
    for fault in faults:
        for seed in seeds:
            console.print(f"{fault.name} (seed {seed}): {fault.about} …", highlight=False)
            rows.append(run(fault, stack, seed))
            report.write(PATH, report.merge(report.read(PATH), rows[-1:]))
    return rows


if __name__ == "__main__":
    sys.exit(main())
