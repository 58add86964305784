"""Files in the data folder can be read by their owner only: folders 0700, files 0600, also those of older versions."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
# For processes: what they make themselves is private from its first moment.
UMASK = 0o077


def private_folder(path: Path) -> None:
    """Make this folder if it is missing, for its owner only. Those above it are made as usual."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=FOLDER, exist_ok=True)


def private_file(path: Path) -> None:
    """Make this file, empty, if it is missing; nobody else may open it, also when it was there."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
    except FileExistsError:
        _tighten(path)


def tighten(data: Path) -> None:
    """Take from others what an older version left open to them in the data folder. What is not ours is left alone.

    The bytes of files (objects) are below a folder that nobody else may enter: to visit each would take too long.
    """
    private_folder(data)
    for path in _inside(data):
        _tighten(path)


def _inside(data: Path) -> Iterable[Path]:
    yield data
    for path in data.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink() and path.name != "objects":
            yield from path.rglob("*")


def _tighten(path: Path) -> None:
    """Sockets too: to connect to one is to write to it. A folder with the sticky bit (/tmp) is everybody's."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX or found.st_uid != os.geteuid():
            return
        mode = stat.S_IMODE(found.st_mode)
        wanted = mode & (FOLDER if stat.S_ISDIR(found.st_mode) else FILE)
        if mode != wanted:
            path.chmod(wanted)
    except FileNotFoundError:
        # Another process's draft: gone between the listing and the look.
        return
