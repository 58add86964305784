"""What only whole systems on real servers can show: processes that join and leave, servers that die and return.

The rows of `make faults`, with their own checker, at a load that leaves room for the servers on a small machine. That one of
three stays dead is shown of each adapter in the contract suites, of a whole system by `make faults STACK=cluster`.
"""

import pytest

from ops.faults.runner import run
from ops.faults.table import FAULTS
from ops.harness.servers import PROGRAMS
from tests.ops.real import home_with

PER_SECOND = "30"
ROWS = ("joining", "servers-restarted")


@pytest.mark.real
@pytest.mark.end_to_end
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", ROWS)
def test_nothing_is_lost_doubled_or_swapped(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under load, whatever joins, leaves or dies: every message answered 202 is delivered once and in order."""
    for program in PROGRAMS:
        home_with(program)
    monkeypatch.setenv("RATE", PER_SECOND)
    # Other tests run beside it: the machine never becomes calm.
    row = run(FAULTS[fault], "real", 1, patience_s=0)
    assert (row.not_run, row.wrong) == ("", [])
    assert row.accepted > 0
