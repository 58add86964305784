"""The load test's scenarios, as k6 reads them: what they demand, and that there is no other."""

import json
import subprocess
from typing import Any

import pytest

from ops.k6.__main__ import SCRIPT
from ops.k6.table import PAGE, page
from ops.native.k6 import K6
from tests.ops.real import home_with

SCENARIOS = ("smoke", "steady", "100k-a-minute", "spike", "soak")


def inspect(scenario: str) -> "subprocess.CompletedProcess[str]":
    """k6 reads the script and says what it would do."""
    command = [K6.tool(home_with(K6)), "inspect", "-e", f"SCENARIO={scenario}", str(SCRIPT)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_demands_what_is_promised(scenario: str) -> None:
    """Accepting takes less than 200 ms for 99 of 100; nothing is refused, lost, doubled or left; looking up comes last."""
    told = inspect(scenario)
    assert told.returncode == 0, told.stderr
    options: dict[str, Any] = json.loads(told.stdout)
    assert set(options["scenarios"]) == {scenario, "look-up"}
    assert options["thresholds"]["accept_ms"] == ["p(99)<200"]
    assert {"accept_errors", "dropped_iterations"} <= set(options["thresholds"])
    for what in ("given_up", "lost", "doubled", "undelivered"):
        assert options["thresholds"][f"messages_{what}"] == ["count==0"]


def test_another_scenario_is_refused() -> None:
    """A misspelt name does not run something else."""
    told = inspect("stedy")
    assert told.returncode != 0
    assert "smoke, steady" in told.stderr


def test_the_page_shows_the_raw_data() -> None:
    """docs/performance.md has what the files beside it say."""
    assert page(PAGE.read_text()) == PAGE.read_text()
