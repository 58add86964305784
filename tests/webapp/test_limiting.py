"""Rates: taken in shares, and never in the way when their counters are gone."""

from limits import parse
from limits.errors import StorageError
from limits.storage import MemoryStorage

from webapp.limiting import Limiter


class Counting(MemoryStorage):
    """Counts how often it was asked; may be made to fail."""

    asked = 0
    failing = False

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        self.asked += 1
        if self.failing:
            raise StorageError(ConnectionError())
        return super().incr(key, expiry, amount)


def test_a_high_rate_is_taken_in_shares() -> None:
    """Of 1,000 requests each hundredth part asks the counters, and no more than the rate gets through."""
    storage = Counting()
    limiter = Limiter(storage, lambda: 0.0)
    rate = parse("1000/hour")
    assert sum(limiter.take(rate, "alice") for _ in range(1200)) == 1000
    assert storage.asked == 300


def test_requests_pass_while_the_counters_are_away() -> None:
    """They are asked again only after a pause."""
    storage, now = Counting(), [100.0]
    storage.failing = True
    limiter = Limiter(storage, lambda: now[0])
    rate = parse("1/hour")
    assert all(limiter.take(rate, "alice") for _ in range(10))
    assert storage.asked == 1
    now[0], storage.failing = 106.0, False
    assert [limiter.take(rate, "alice") for _ in range(2)] == [True, False]
