"""The table of faults, and what becomes of its rows."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ops.faults import document, report
from ops.faults.judge import Row
from ops.faults.runner import run
from ops.faults.table import FAULTS, UnknownFault, chosen


def test_names_choose_rows() -> None:
    """One name, several, none, or the short selection."""
    assert [each.name for each in chosen("poison,bridge")] == ["poison", "bridge"]
    assert {each.name for each in FAULTS.values()} - {each.name for each in chosen()} == {"endpoint-away", "broadcast"}
    assert 0 < len(chosen(short=True)) < len(chosen())


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


def test_the_documents_table_sums_seeds_and_names_what_was_not_run(tmp_path: Path) -> None:
    """Between the marks: one line a fault and stack, and every fault without a run by name."""
    page = tmp_path / "delivery.md"
    page.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    rows = [
        Row("bridge", "embedded", 1, offered_per_second=300.0, accepted=5, kills=3, recovery_s=2.0, recovery_limit_s=7.0),
        Row("bridge", "embedded", 2, offered_per_second=200.0, accepted=6, kills=4, recovery_s=3.0, recovery_limit_s=7.0),
    ]
    document.put(page, document.table([*rows, Row("poison", "embedded", 1, not_run="not asked for")]))
    text = page.read_text()
    assert "| bridge killed | embedded | 2 | 7 | 250 | 11 | 0 |" in text
    assert "3.0 s (7) |" in text
    assert "Not run: poison (not asked for)." in text
    assert text.startswith("before") and text.endswith("after\n") and "old" not in text


def test_rows_are_shown_with_what_was_wrong() -> None:
    """A row is kept, late, broken or not run; promises that were broken stand below, as they are."""
    rows = [
        Row("bridge", "embedded", 1, accepted=1200, recovery_s=2.0, recovery_limit_s=7.0),
        Row("stream", "embedded", 1, recovery_s=9.0, recovery_limit_s=7.0, late=["recovered after 9.0 s"]),
        Row("poison", "embedded", 2, lost=1, wrong=["lost: 1, such as [('m', 'bob')]"]),
        Row("log-full", "real", 1, not_run="needs root"),
    ]
    console = Console(width=200, record=True, file=StringIO())
    report.show(rows, console)
    text = console.export_text()
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith(("│ ", "┃ "))}
    assert "1,200" in lines["bridge"] and "2.0 s of 7.0" in lines["bridge"] and "kept" in lines["bridge"]
    assert "late" in lines["stream"] and "broken" in lines["poison"] and "not run: needs root" in lines["log-full"]
    assert "poison 2: lost: 1, such as [('m', 'bob')]" in text
    assert "stream 1: recovered after 9.0 s" in text


def test_nothing_is_kept_before_the_first_run(tmp_path: Path) -> None:
    """Without a file there are no rows, and a page without marks is not written to."""
    assert report.read(tmp_path / "faults.json") == []
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="substring"):
        document.put(page, "table")
    assert page.read_text() == "no marks"
