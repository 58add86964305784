"""Installing, once and whole: into a temporary folder first, which then takes its name in one step."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STAMP = "installed"


class InstallFailed(Exception):
    """A server could not be installed. The text says what failed and what to do."""


def is_installed(folder: Path, stamp: str) -> bool:
    """Whether `folder` holds exactly what `stamp` names."""
    path = folder / STAMP
    return path.exists() and path.read_text() == stamp


def install_once(folder: Path, stamp: str, build: Callable[[Path], None]) -> bool:
    """Have `build` fill `folder`, unless `stamp` (name and versions) says that this was done. True when it was built now.

    Safe from several processes at once; a build that was killed leaves nothing that counts.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if is_installed(folder, stamp):
            return False
        for leftover in folder.parent.glob(f".{folder.name}.*.part"):
            shutil.rmtree(leftover)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        draft.chmod(0o755)
        build(draft)
        (draft / STAMP).write_text(stamp)
        if folder.exists():
            folder.rename(draft.with_name(f".{folder.name}.old.part"))
        draft.rename(folder)
        shutil.rmtree(draft.with_name(f".{folder.name}.old.part"), ignore_errors=True)
        return True


def run(
    command: Sequence[str], limit_s: float, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Run a build step, quietly; what it printed.

    InstallFailed with the end of its output when it fails, is missing or takes too long.
    """
    tool = command[0]
    if shutil.which(tool) is None:
        raise InstallFailed(f"{tool} is not on the PATH; install it first (see docs/native.md)")
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InstallFailed(f"{tool} took longer than {limit_s:.0f} s") from None
    if done.returncode != 0:
        raise InstallFailed(f"{tool} ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:].strip()}")
    return done.stdout


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
