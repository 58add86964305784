"""A thread that asks the store again and again what has changed, for as long as somebody needs to know."""

import threading
from collections.abc import Callable

# For a question under way when it is to end.
JOIN_S = 10.0


class Watch:
    """Begins when it is first needed, with `first`, whose failure is the caller's; then `again` every so many seconds.

    Thread-safe. What `again` raises would end it: it says itself what went wrong.
    """

    def __init__(self, name: str, every_s: float, first: Callable[[], object], again: Callable[[], object]) -> None:
        self._name, self._every_s, self._first, self._again = name, every_s, first, again
        self._starting, self._ending = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Ask, and go on asking, unless that has begun."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._first()
                    thread = threading.Thread(target=self._go_on, name=self._name, daemon=True)
                    thread.start()
                    self._thread = thread

    def _go_on(self) -> None:
        while not self._ending.wait(self._every_s):
            self._again()

    def close(self) -> None:
        """Watch no longer. Safe to call twice."""
        self._ending.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_S)
