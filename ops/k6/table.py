"""The table of docs/performance.md, made of the raw data beside it: `python -m ops.k6.table` writes it anew."""

import json
from pathlib import Path
from typing import Any

from chat4all.root import ROOT

RAW = ROOT / "docs" / "performance"
PAGE = ROOT / "docs" / "performance.md"
MARK = "<!-- made by python -m ops.k6.table -->"
HEADINGS = (
    *(
        "scenario",
        "accepted",
        "a second, until all was delivered",
        "accept p50 / p99 / most, ms",
        "refused tries",
        "not offered",
    ),
    *("lost", "doubled", "all delivered after", "load of the machine, before / after"),
)


def table(folder: Path = RAW) -> str:
    """One line for each run, by name of its file."""
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("load-*.json"))]
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_line, runs)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(run: dict[str, Any]) -> tuple[str, ...]:
    figures = run["k6"]
    accept, accepted = figures["accept_ms"], figures["messages_accepted"]
    return (
        run["scenario"],
        f"{accepted['count']:,}",
        f"{accepted['rate']:.0f}",
        f"{accept['med']:.0f} / {accept['p(99)']:.0f} / {accept['max']:.0f}",
        str(figures["accept_errors"]["passes"]),
        str(figures["dropped_iterations"]["count"]),
        str(figures["messages_lost"]["count"] + figures["messages_undelivered"]["count"]),
        str(figures["messages_doubled"]["count"]),
        f"{figures['drained_after_s']['value']:.0f} s",
        f"{run['load_before']} / {run.get('load_after', '-')}",
    )


def page(text: str) -> str:
    """The page with its table made anew: whatever follows the mark up to an empty line."""
    head, _, rest = text.partition(MARK)
    after = rest.lstrip("\n").partition("\n\n")[2]
    return f"{head}{MARK}\n{table()}\n\n{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
