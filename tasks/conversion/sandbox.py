"""Converting a file in a process of its own, which may take so much and no more, and can reach nothing but one folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory, gettempdir

import msgspec
from msgspec import Struct

from chat4all.model.media_forms import READ_MOST, MediaForm
from chat4all.root import ROOT
from tasks.conversion.orders import KILLED, MADE, MEMORY, SOURCE, TIMEOUT, TOO_LARGE, UNREADABLE, Order, Result


class Bounds(Struct, frozen=True):
    """What a conversion may take beside its seconds of a processor."""

    # Of address space, of which libraries alone take a third.
    memory_bytes: int = 1 << 30
    # On a busy machine a second of a processor takes several.
    seconds_by_clock: int = 3

    def most_s(self, cpu_s: int) -> int:
        """How long it may take by the clock that may take so many seconds of a processor."""
        return cpu_s * self.seconds_by_clock


BOUNDS = Bounds()
ANSWER_MOST = 4096
PREFIX = "chat4all-conversion-"
# Nothing is being done any more in a folder that has been there for so long.
LEFT_S = 24 * 3600


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one conversion, which only this user can look into, and which is gone afterwards.

    What processes left behind that were killed goes, too.
    """
    for left in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - LEFT_S:
                rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as place:
        yield Path(place)


def converted(place: Path, form: MediaForm, mime_type: str, cpu_s: int, bounds: Bounds = BOUNDS) -> Result:
    """Make this form of the file SOURCE in the folder, in MADE. Blocks, for `most_s` at most."""
    most_s, written_most = bounds.most_s(cpu_s), max(form.bytes_most * 2, READ_MOST)
    order = Order(form.name, mime_type, form.bytes_most, bounds.memory_bytes, cpu_s, most_s, written_most)
    argument = msgspec.json.encode(order).decode()
    # Neither settings nor secrets: what it reads was made by strangers.
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "tasks.conversion.child", argument],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=most_s)
    except subprocess.TimeoutExpired:
        return Result(reason=TIMEOUT, detail=f"after {most_s} s")
    finally:
        _end(process)
    return _read(said, process.returncode)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it, and all that it may have begun."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _read(said: bytes, code: int) -> Result:
    """What it told; where it told nothing, what its end says."""
    if not said and -code in ENDS:
        return Result(reason=ENDS[-code], detail=f"signal {-code}")
    try:
        return msgspec.json.decode(said[:ANSWER_MOST], type=Result)
    except msgspec.MsgspecError:
        return Result(reason=UNREADABLE, detail=f"it ended with {code}")


# By the signal that ended it. Memory that is refused makes libraries end their process, or crash it.
ENDS: dict[int, str] = {
    signal.SIGXCPU: TIMEOUT,
    signal.SIGALRM: TIMEOUT,
    signal.SIGXFSZ: TOO_LARGE,
    signal.SIGKILL: KILLED,
    signal.SIGTERM: KILLED,
    signal.SIGABRT: MEMORY,
}


def files_of(place: Path) -> tuple[Path, Path]:
    """Where the source and what is made of it are."""
    return place / SOURCE, place / MADE
