"""Work in a thread of its own, of which one piece is under way at a time: what a task wakes, and does not wait for."""

import threading
from collections.abc import Callable


class Background:
    """One kind of work of this process. `name`: of the thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._at_work = threading.Lock()

    def begin(self, work: Callable[[], object]) -> threading.Thread | None:
        """Do this, unless some is under way: then None. Does not block. What goes wrong the work says itself."""
        if not self._at_work.acquire(blocking=False):
            return None
        thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
        thread.start()
        return thread

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            self._at_work.release()
