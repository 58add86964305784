"""Log lines of processes that write into one pipe, as those of a container do."""

import json
import os
import subprocess
import sys

WRITERS, LINES = 4, 1500
WRITE = f"""
from chat4all.telemetry import logs
logs.configure("writer")
log = logs.logger("test")
for number in range({LINES}):
    log.info("line_written", number=number, filling="x" * (number % 700))
"""


def test_processes_that_share_a_pipe_write_whole_lines() -> None:
    """A line and its end are one write: no other process comes between them, buffered or not."""
    reading, writing = os.pipe()
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    writers = [subprocess.Popen([sys.executable, "-c", WRITE], stderr=writing, env=environment) for _ in range(WRITERS)]
    os.close(writing)
    with os.fdopen(reading) as lines:
        written = list(lines)
    assert [each.wait(60) for each in writers] == [0] * WRITERS
    assert [json.loads(line)["event_name"] for line in written] == ["line_written"] * WRITERS * LINES
