"""The table of faults, and what becomes of its rows."""

from pathlib import Path

import pytest

from ops.faults import report
from ops.faults.judge import Row
from ops.faults.runner import run
from ops.faults.table import FAULTS, UnknownFault, chosen


def test_names_choose_rows() -> None:
    """One name, several, none, or the short selection."""
    assert [each.name for each in chosen("poison,bridge")] == ["poison", "bridge"]
    assert len(chosen()) == len(FAULTS)
    assert 0 < len(chosen(short=True)) < len(FAULTS)


def test_a_wrong_name_is_answered_with_a_close_one() -> None:
    """Whoever mistypes is told what there is."""
    with pytest.raises(UnknownFault, match="broker-killed"):
        chosen("broker-kiled")


def test_what_does_not_exist_on_a_stack_is_listed_as_not_run() -> None:
    """The row is there and says why."""
    assert "real" in run(FAULTS["log-full"], "real", 1).not_run


def test_rows_are_kept_and_replaced_by_newer_ones(tmp_path: Path) -> None:
    """A newer row of the same fault, stack and seed takes the place; one that was not run does not."""
    path = tmp_path / "faults.json"
    first, other = Row("bridge", "embedded", 1, lost=1), Row("bridge", "real", 1)
    report.write(path, report.merge([], [first, other]))
    assert report.read(path) == [first, other]
    newer, skipped = Row("bridge", "embedded", 1, accepted=5), Row("bridge", "real", 1, not_run="not asked for")
    assert report.merge(report.read(path), [newer, skipped]) == [newer, other]
