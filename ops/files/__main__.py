"""`python -m ops.files [short|full] [folder] [s3] [real] [cuts] [plain]`: uploads under cuts, on systems of their own.

`folder`: the embedded parts. `s3`: the same with MinIO. `real`: Kafka, Cassandra, RabbitMQ and MinIO. `cuts` is the file in
parts, `plain` the one in one request; without either, both. Keeps the last run of each in build/files.json. Ends with 1 when
something is not as promised: sha256 equal, no acknowledged part brought again, one byte beyond the limit refused, no process
more than 64 MiB larger than after its first file.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from ops.files.stacks import STACKS, Stack, opened
from ops.files.trial import FULL, PIECES, SHORT, Plan, Report, Trial
from ops.harness.guard import refuse_real
from ops.harness.system import System

PLANS = {each.name: each for each in (SHORT, FULL)}
TARGET = Path("build/files.json")


def try_on(stack: Stack, plan: Plan, folder: Path, pieces: Sequence[str] = PIECES) -> Report:
    """These pieces on a system of its own, with data in `folder`."""
    system = System(folder / "data", {**stack.env, "CHAT4ALL_FILE_PART_SIZE": str(plan.part)})
    refuse_real(system.settings)
    with system:
        trial = Trial(system, stack, plan, folder)
        try:
            return trial.run(pieces)
        finally:
            trial.close()


def try_out(name: str, plan: Plan, pieces: Sequence[str] = PIECES) -> Report:
    """The same on servers of its own; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="chat4all-files-"))
    try:
        with opened(name, folder / "servers") as stack:
            return try_on(stack, plan, folder, pieces)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _key(run: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    return run["stack"], run["plan"]["name"], run["pieces"]


def keep(report: Report) -> None:
    """Put it into build/files.json, in the place of an earlier one of the same."""
    new = to_builtins(report) | {"wrong": report.wrong(), "cores": os.cpu_count()}
    runs = json.loads(TARGET.read_text())["runs"] if TARGET.exists() else []
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps({"runs": [each for each in runs if _key(each) != _key(new)] + [new]}, indent=2))
    print(json.dumps(new, indent=2))


def main() -> int:
    """Run what was asked for."""
    asked = sys.argv[1:]
    if unknown := [each for each in asked if each not in (*PLANS, *STACKS, *PIECES)]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join((*PLANS, *STACKS, *PIECES))}", file=sys.stderr)
        return 2
    plan = next((PLANS[each] for each in asked if each in PLANS), SHORT)
    pieces = [each for each in PIECES if each in asked] or PIECES
    wrong = []
    for name in [each for each in STACKS if each in asked] or ["folder"]:
        report = try_out(name, plan, pieces)
        keep(report)
        wrong += report.wrong()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
