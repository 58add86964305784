"""`python -m ops.faults.document`: puts the rows of build/faults.json into docs/delivery.md, between its two marks."""

from collections.abc import Sequence
from pathlib import Path

from chat4all.root import ROOT
from ops.faults import report
from ops.faults.judge import Row
from ops.faults.table import FAULTS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = (
    "| fault | stack | seeds | kills | messages/s | accepted | lost | twice at streams | twice at providers (own count) "
    "| out of order | backwards | endless | recovery (limit) |"
)


def table(rows: Sequence[Row]) -> str:
    """Rows of one fault and stack together: sums of what must be 0, the longest recovery."""
    ran = [each for each in rows if not each.not_run]
    lines = [HEAD, "|---" * HEAD.count("|", 1) + "|"]
    for fault in FAULTS:
        for stack in sorted({each.stack for each in ran if each.fault == fault}):
            lines.append(_line(fault, stack, [each for each in ran if (each.fault, each.stack) == (fault, stack)]))
    skipped = [each for each in rows if each.not_run and not any(one.fault == each.fault for one in ran)]
    missing = ", ".join(f"{each.fault} ({each.not_run})" for each in skipped)
    return "\n".join(lines) + (f"\n\nNot run: {missing}." if missing else "")


def _line(fault: str, stack: str, rows: Sequence[Row]) -> str:
    def total(name: str) -> str:
        return f"{sum(getattr(each, name) for each in rows):,}"

    took = [(each.recovery_s, each.recovery_limit_s) for each in rows if each.recovery_s is not None and each.recovery_limit_s]
    cells = (
        FAULTS[fault].about,
        stack,
        str(len(rows)),
        total("kills"),
        f"{sum(each.offered_per_second for each in rows) / len(rows):.0f}",
        total("accepted"),
        total("lost"),
        total("doubled_streams"),
        f"{total('doubled_providers')} ({total('own_second_sends')})",
        total("inversions"),
        total("backwards"),
        total("endless"),
        "{:.1f} s ({:.0f})".format(*max(took)) if took else "",
    )
    return f"| {' | '.join(cells)} |"


def put(path: Path, content: str) -> None:
    """Replace what stands between the marks. ValueError when they are not there."""
    text = path.read_text()
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    path.write_text(f"{text[:before]}\n{content}\n{text[after:]}")


if __name__ == "__main__":
    put(ROOT / "docs" / "delivery.md", table(report.read(ROOT / "build" / "faults.json")))
