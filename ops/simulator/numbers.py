"""Numbers that count up and are given once, whatever is killed."""

from pathlib import Path

AHEAD = 1000


class Numbers:
    """Counts from 1. The file holds a number that none given so far has reached; a new process goes on from there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        text = path.read_text() if path.exists() else ""
        self._last = self._ceiling = int(text) if text.isascii() and text.isdigit() else 0

    @property
    def last(self) -> int:
        """The last that was given, or may have been by a process before this one."""
        return self._last

    def next(self) -> int:
        """The next number."""
        self._last += 1
        if self._last > self._ceiling:
            self._ceiling = self._last + AHEAD
            draft = self._path.with_suffix(".draft")
            draft.write_text(str(self._ceiling))
            draft.replace(self._path)
        return self._last
