"""Waits that double: how long to leave alone what has failed, so that it is asked ever less often while it stays away."""

# 2 ** this many seconds is longer than anybody waits, and no float overflows before.
DOUBLINGS_MOST = 32


class Backoff:
    """Waits between tries, in seconds: `first_s` after one failure, twice as long after each further one, `most_s` at the most.

    Pure: it sleeps nowhere and asks no clock. Who wants jitter multiplies.
    """

    __slots__ = ("_failures", "first_s", "most_s")

    def __init__(self, first_s: float, most_s: float) -> None:
        self.first_s, self.most_s = first_s, most_s
        self._failures = 0

    def after(self, failures: int) -> float:
        """The wait after so many failures in a row (1 or more)."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, DOUBLINGS_MOST))

    def failed(self) -> float:
        """It has failed once more: how long to wait now."""
        self._failures += 1
        return self.after(self._failures)

    def succeeded(self) -> None:
        """It works: the next failure is the first one."""
        self._failures = 0
