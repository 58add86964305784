"""When to try again: pure rules. Times are seconds of a clock that the caller reads; nothing here sleeps or asks the time."""

from collections.abc import Callable

from msgspec import Struct

from chat4all.model.backoff import Backoff
from chat4all.ports import Limits


def backoff(refusals: int, first_s: float, most_s: float, random: Callable[[], float]) -> float:
    """How long to wait after this many refusals in a row (1 or more): exponential, with full jitter."""
    return Backoff(first_s, most_s).after(refusals) * random()


class Breaker(Struct):
    """Stops an account's sends after `failures` temporary failures in a row; one probe goes through every `probe_s`."""

    failures: int
    probe_s: float
    in_a_row: int = 0
    probe_at: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether sends are held back."""
        return self.in_a_row >= self.failures

    def left(self, now: float) -> float:
        """Seconds until a send may go. Asking takes nothing."""
        return max(0.0, self.probe_at - now) if self.is_open else 0.0

    def wait(self, now: float) -> float:
        """Seconds until a send may go; 0 lets it go, and it is the probe if the breaker is open."""
        left = self.left(now)
        if self.is_open and not left:
            self.probe_at = now + self.probe_s
        return left

    def succeeded(self) -> None:
        """The provider answered sensibly: also a refusal of one message does that."""
        self.in_a_row = 0

    def failed(self, now: float) -> None:
        """The provider failed or could not be reached."""
        self.in_a_row += 1
        if self.in_a_row == self.failures:
            self.probe_at = now + self.probe_s


class Pace:
    """Keeps to what a provider allows to one address: one send per interval, so many at once before.

    Virtual scheduling: each send moves a point in time; how far that point may run ahead of now is the burst.
    """

    FORGET_ABOVE = 50_000

    def __init__(self, limits: Limits) -> None:
        self._interval = limits.recipient_interval_s
        self._ahead = limits.recipient_interval_s * (limits.recipient_burst - 1)
        self._next: dict[str, float] = {}

    def wait(self, address: str, now: float) -> float:
        """Seconds until a send to this address may go."""
        return max(0.0, self._next.get(address, 0.0) - self._ahead - now)

    def sent(self, address: str, now: float) -> None:
        """A send to this address goes out now."""
        if not self._interval:
            return
        self._next[address] = max(self._next.get(address, 0.0), now) + self._interval
        if len(self._next) > self.FORGET_ABOVE:
            self._next = {each: at for each, at in self._next.items() if at > now}
