"""What only whole systems on real servers can show: processes that join and leave, servers that die and return or stay dead.

The rows of `make faults`, with their own checker, at a load that leaves room for the servers on a small machine.
"""

import pytest

from ops.faults.runner import run
from ops.faults.table import FAULTS
from ops.harness.servers import PROGRAMS, replicated
from tests.ops.real import home_with

PER_SECOND = "30"
ROWS = [("joining", "real"), ("servers-restarted", "real"), ("node-left-dead", "cluster")]


@pytest.mark.real
@pytest.mark.end_to_end
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("fault", "stack"), ROWS)
def test_nothing_is_lost_doubled_or_swapped(fault: str, stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load, whatever joins, leaves or dies: every message answered 202 is delivered once and in order."""
    for program in PROGRAMS:
        home_with(program)
    monkeypatch.setenv("RATE", PER_SECOND)
    try:
        row = run(FAULTS[fault], stack, 1)
    finally:
        if stack == "cluster":
            # No other test needs these eight servers.
            for each in replicated().all:
                each.kill9()
    assert (row.not_run, row.wrong) == ("", [])
    assert row.accepted > 0
