"""The rows as build/faults.json, which keeps what was measured before, and as a table for people."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from ops.faults.judge import Row

COLUMNS = (
    "accepted",
    "lost",
    "twice at streams",
    "at providers",
    "own count",
    "inversions",
    "backwards",
    "endless",
    "recovery",
)


def merge(kept: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """New rows in the place of older ones of the same fault, stack and seed. A row that was not run replaces none that was."""
    rows = {(each.fault, each.stack, each.seed): each for each in kept}
    for each in new:
        key = (each.fault, each.stack, each.seed)
        if not each.not_run or key not in rows or rows[key].not_run:
            rows[key] = each
    return list(rows.values())


def write(path: Path, rows: Sequence[Row]) -> None:
    """Keep the rows: every field of every row, wrong ones first to be seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Any] = {"machine": {"cores": os.cpu_count()}, "rows": [msgspec.structs.asdict(each) for each in rows]}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(whole, indent=2) + "\n")
    draft.replace(path)


def read(path: Path) -> list[Row]:
    """The rows that were kept; none when there is no such file."""
    if not path.exists():
        return []
    return msgspec.convert(json.loads(path.read_text())["rows"], list[Row])


def show(rows: Sequence[Row], console: Console) -> None:
    """Print them."""
    table = Table(title="faults under load", title_justify="left")
    table.add_column("fault", no_wrap=True)
    table.add_column("seed", justify="right")
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(f"{row.fault} ({row.stack})", str(row.seed), *_cells(row), _verdict(row))
    console.print(table)
    for row in rows:
        for each in row.wrong:
            console.print(f"{row.fault} {row.seed}: {each}", style="red", markup=False)
        for each in row.late:
            console.print(f"{row.fault} {row.seed}: {each}", style="yellow", markup=False)


def _cells(row: Row) -> list[str]:
    if row.not_run:
        return [""] * len(COLUMNS)
    took = "" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    limit = "" if row.recovery_limit_s is None else f" of {row.recovery_limit_s:.1f}"
    counts = (
        row.accepted,
        row.lost,
        row.doubled_streams,
        row.doubled_providers,
        row.own_second_sends,
        row.inversions,
        row.backwards,
        row.endless,
    )
    return [*(f"{each:,}" for each in counts), took + limit]


def _verdict(row: Row) -> str:
    if row.not_run:
        return f"[yellow]not run: {row.not_run}"
    if row.wrong:
        return "[red]broken"
    return "[yellow]late" if row.late else "[green]kept"
