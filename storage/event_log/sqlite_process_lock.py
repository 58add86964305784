"""Whether a group member's process still exists: it holds a file lock, which the kernel frees when the process ends.

This finds killed processes at once. A frozen process keeps its lock and is found by its heartbeat.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

FOLDER = "members"


class ProcessLock:
    """This process's sign of life for one member. OSError when the file cannot be made."""

    def __init__(self, folder: Path, member: str) -> None:
        self._path = folder / FOLDER / member
        self._path.parent.mkdir(exist_ok=True)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def close(self) -> None:
        """Take the sign down. Safe to call twice."""
        if self._handle < 0:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = -1


def is_gone(folder: Path, member: str) -> bool:
    """Whether the member's process has ended for certain. False when that cannot be told."""
    path = folder / FOLDER / member
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    return True
