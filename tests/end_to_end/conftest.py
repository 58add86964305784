"""A system of its own for each end-to-end test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.harness.guard import refuse_real
from ops.harness.system import System

QUICK = {
    "CHAT4ALL_BACKOFF_FIRST_S": "0.2",
    "CHAT4ALL_UNKNOWN_GRACE_S": "3",
    "CHAT4ALL_BREAKER_FAILURES": "1000",
}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Everything running on ports and data of its own; gone after the test."""
    own = System(tmp_path / "data", QUICK)
    refuse_real(own.settings)
    with own:
        yield own
