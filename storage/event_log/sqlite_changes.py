"""Hearing that somebody writes to a file of the embedded log, from the system: inotify, on Linux.

A quiet reader then sleeps until something is written, instead of looking again and again. SQLite writes what a transaction
changes into the file's WAL before it commits, so what is heard is that there will be something soon; the reader looks until it
sees it. Elsewhere, or where the system has no more watches to give, readers look as if this did not exist.
"""

import ctypes
import os
import select
import sys
from pathlib import Path

_IN_MODIFY = 0x2
_AT_ONCE = 65_536


class Changes:
    """Writes to one file. For one thread at a time. OSError when the system does not tell of them."""

    def __init__(self, path: Path) -> None:
        if sys.platform != "linux":
            raise OSError("inotify is of Linux only")
        libc = ctypes.CDLL(None, use_errno=True)
        self._number = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._number < 0:
            raise OSError(ctypes.get_errno(), "no inotify")
        if libc.inotify_add_watch(self._number, os.fsencode(path), _IN_MODIFY) < 0:
            number = ctypes.get_errno()
            self.close()
            raise OSError(number, "no inotify watch", str(path))
        self._poll = select.poll()
        self._poll.register(self._number, select.POLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Whether something was written since the last call, or was within this time."""
        if not self._poll.poll(timeout_s * 1000):
            return False
        os.read(self._number, _AT_ONCE)
        return True

    def close(self) -> None:
        """Hear no more. Safe to call twice."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1


def changes_of(path: Path) -> Changes | None:
    """Those of this file; None where the system does not tell."""
    try:
        return Changes(path)
    except OSError:
        return None
