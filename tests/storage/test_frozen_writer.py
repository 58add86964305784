"""A process that is frozen while it holds the write lock of an embedded file stops writing, and nothing worse."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat4all.model.failures import Temporary
from chat4all.model.records import NewRecord, Range
from chat4all.settings import Settings
from storage.event_log.sqlite import SQLiteLog
from storage.message_store.sqlite import SQLiteStore
from tests.contracts.stores import message

HOLD = """
import fcntl, sqlite3, sys, time
turn = open(sys.argv[1] + "-turn", "a")
fcntl.lockf(turn, fcntl.LOCK_EX)
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute(sys.argv[2])
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def frozen(path: Path, statement: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has written this, not committed, and is stopped."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), statement], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_acceptance_says_in_time_that_nothing_was_taken(tmp_path: Path) -> None:
    """Temporary, so 503, within the request's own limit; readers read; killed, the holder leaves nothing of its own behind."""
    log = SQLiteLog(Settings(data=tmp_path))
    log.create({"t": 1})
    log.append([NewRecord("t", 0, "k", b"before", {})], 5.0)
    with frozen(tmp_path / "log" / "t.topic", "UPDATE heads SET next = 99") as holder:
        began = time.monotonic()
        with pytest.raises(Temporary):
            log.append([NewRecord("t", 0, "k", b"refused", {})], 0.5)
        assert time.monotonic() - began < 5
        assert [each.value for each in log.read("t", [Range(0, 0, 0)], 5.0)] == [b"before"]
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(10)
        assert log.append([NewRecord("t", 0, "k", b"after", {})], 5.0) == [1]
    assert [each.value for each in log.read("t", [Range(0, 0, 1)], 5.0)] == [b"before", b"after"]
    log.close()


def test_the_stages_wait_and_blame_nobody(tmp_path: Path) -> None:
    """The store's writes are Temporary, an outage; what was committed is read; the holder's write is whole or not there."""
    store = SQLiteStore(Settings(data=tmp_path), write_limit_s=0.5)
    store.migrate()
    store.put_messages([message("c", 1)])
    with frozen(tmp_path / "store.db", "DELETE FROM messages") as holder:
        began = time.monotonic()
        with pytest.raises(Temporary):
            store.put_messages([message("c", 2)])
        assert time.monotonic() - began < 5
        assert [each.seq for each in store.page("c", None, None, 9)] == [1]
        holder.send_signal(signal.SIGCONT)
        with pytest.raises(Temporary):
            store.put_messages([message("c", 2)])
        holder.kill()
        holder.wait(10)
        store.put_messages([message("c", 2)])
    assert [each.seq for each in store.page("c", None, None, 9)] == [1, 2]
    store.close()
