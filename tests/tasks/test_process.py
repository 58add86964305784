"""Nothing acts by being imported: Celery's signals are answered once `connect` was called, which only `tasks.app` does."""

import subprocess
import sys

import pytest

from chat4all.root import ROOT

SIGNALS = ["setup_logging", "celeryd_init", "beat_init", "worker_ready", "worker_shutting_down", "worker_shutdown"]
COUNTED = """
import sys
from importlib import import_module
from pathlib import Path
from celery import signals
for name in sys.argv[2:]:
    import_module(name)
print(*(len(getattr(signals, name).receivers) for name in sys.argv[1].split()))
"""


def _receivers(*modules: str) -> list[int]:
    """How many answer each signal in a process that imported these."""
    command = [sys.executable, "-c", COUNTED, " ".join(SIGNALS), *modules]
    return [int(each) for each in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60).stdout.split()]


def _everything() -> list[str]:
    """All modules of the workers but the entry points."""
    paths = (path.relative_to(ROOT) for path in sorted((ROOT / "tasks").rglob("*.py")))
    others = [path for path in paths if path.name not in ("app.py", "taskless_app.py", "__init__.py")]
    return [".".join(path.with_suffix("").parts) for path in others]


@pytest.mark.parametrize(("modules", "count"), [(_everything(), 0), (["tasks.app"], 10)], ids=["all others", "the entry point"])
def test_signals_are_answered_where_the_entry_point_was_imported_only(modules: list[str], count: int) -> None:
    """Our own receivers, beside those that Celery itself connects."""
    before = _receivers()
    assert sum(_receivers(*modules)) - sum(before) == count
    if count:
        assert all(after > was for after, was in zip(_receivers(*modules), before, strict=True))
