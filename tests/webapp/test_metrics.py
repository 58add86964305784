"""The gateway's figures over several processes: added up, and kept when one of them ends."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chat4all.root import ROOT
from webapp.server.metrics import FOLDER, _summed, bury, locked

COUNTING = """
import os, sys
from chat4all.telemetry import instruments, metrics
metrics.ACCEPTED.add(int(sys.argv[1]))
metrics.REFUSED.of("unknown_user").add(2)
for took in (0.004, 0.04, 40.0):
    metrics.ACCEPT_SECONDS.of()(took)
instruments.Histogram.flush()
print(os.getpid())
"""


def _process(folder: Path, accepted: int) -> int:
    """A process that counts some things and ends; its pid."""
    env = {**os.environ, FOLDER: str(folder)}
    ran = subprocess.run(
        [sys.executable, "-c", COUNTING, str(accepted)], cwd=ROOT, env=env, check=True, capture_output=True, timeout=60
    )
    return int(ran.stdout)


def _figures(folder: Path) -> dict[str, float]:
    """Everything that is not 0, by name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in _summed(folder).collect()
        for sample in family.samples
        if sample.value
    }


def test_processes_add_up_and_those_that_ended_still_count(tmp_path: Path) -> None:
    """The sum is the same before and after a process's file is merged away, and goes on growing with the next process."""
    first, second = _process(tmp_path, 3), _process(tmp_path, 4)
    before = _figures(tmp_path)
    assert before["chat4all_messages_accepted_total[]"] == 7
    assert before["chat4all_accept_seconds_count[]"] == 6
    bury(tmp_path, first)
    bury(tmp_path, second)
    assert _figures(tmp_path) == before
    assert not [path for path in tmp_path.glob("*.db") if "_gone" not in path.name]
    bury(tmp_path, _process(tmp_path, 5))
    after = _figures(tmp_path)
    assert after["chat4all_messages_accepted_total[]"] == 12
    assert after["chat4all_messages_refused_total[('reason', 'unknown_user')]"] == 6
    assert after["chat4all_accept_seconds_bucket[('le', '0.05')]"] == 6


def test_a_scrape_never_sees_half_of_it(tmp_path: Path) -> None:
    """While figures are read nothing is moved from one file to another: a sum that fell would look like a new start."""
    pid = _process(tmp_path, 3)
    with locked(tmp_path, fcntl.LOCK_SH):
        moving = threading.Thread(target=bury, args=(tmp_path, pid))
        moving.start()
        moving.join(0.2)
        assert moving.is_alive()
        assert (tmp_path / f"counter_{pid}.db").exists()
    moving.join(10)
    assert not (tmp_path / f"counter_{pid}.db").exists()


@pytest.mark.parametrize("pid", [0, 999_999_999])
def test_who_counted_nothing_is_buried_without_a_trace(tmp_path: Path, pid: int) -> None:
    """A worker that ended before it was asked anything."""
    bury(tmp_path, pid)
    assert _figures(tmp_path) == {}
