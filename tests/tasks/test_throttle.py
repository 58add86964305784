"""Backoff, breaker and pace: pure rules, with the clock passed in."""

import time

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.channels.telegram import Telegram
from chat4all.model.content import Media, Text
from chat4all.model.retry_policy import RetryPolicy
from chat4all.ports import Limits
from tasks.lanes.throttle import RATE_PERIOD_S, Breaker, Pace, Throttle, backoff


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_its_bounds(refusals: int, chance: float) -> None:
    """Full jitter: anywhere from nothing to the ceiling, which doubles up to the most."""
    wait = backoff(refusals, 1.0, 300.0, lambda: chance)
    assert 0 <= wait <= min(300.0, 2.0 ** min(refusals - 1, 32))


def test_a_breaker_opens_after_failures_in_a_row_and_lets_probes_through() -> None:
    """Closed, then open with one probe per period, then closed by one success."""
    breaker = Breaker(failures=3, probe_s=30)
    for now in range(3):
        assert breaker.wait(now) == 0
        breaker.failed(now)
    assert (breaker.is_open, breaker.wait(3)) == (True, 29)
    assert breaker.wait(32) == 0
    assert breaker.wait(33) == 29
    breaker.succeeded()
    assert (breaker.is_open, breaker.wait(33)) == (False, 0)


def test_a_success_in_between_keeps_a_breaker_closed() -> None:
    """Only failures in a row count."""
    breaker = Breaker(failures=2, probe_s=30)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(1)
    assert not breaker.is_open


async def test_what_costs_more_goes_slower() -> None:
    """A film that counts as ten sends leaves no room for another within the period; words are not held back by its price."""
    costly = Limits(4096, 40, 0, 1, False, frozenset(), files_per_second={"video": 4})
    throttle = Throttle("messenger", costly, RetryPolicy(1, 1, 1, 5, 1))
    film, words = (costly.cost(each) for each in (Media("f", mime_type="video/mp4"), Text("oi")))
    assert (film, words, costly.cost(Media("f", mime_type="image/png"))) == (10, 1, 1)
    assert replace(costly, account_per_second=2).cost(Media("f", kind="video")) == 1
    began = time.monotonic()
    for _ in range(10):
        await throttle.clear("1", words)
    quick, began = time.monotonic() - began, time.monotonic()
    for _ in range(3):
        await throttle.clear("1", film)
    assert time.monotonic() - began > 2 * RATE_PERIOD_S > 0.1
    assert quick < time.monotonic() - began


def limits(interval: float, burst: int) -> Limits:
    return Limits(4096, 1000, interval, burst, False, frozenset())


def test_pace_allows_a_burst_and_then_one_per_interval() -> None:
    """Three at once, the fourth after one interval; another address waits for nobody."""
    pace = Pace(limits(6, 3))
    for _ in range(3):
        assert pace.wait("a", 0) == 0
        pace.sent("a", 0)
    assert (pace.wait("a", 0), pace.wait("b", 0)) == (6, 0)
    assert pace.wait("a", 6) == 0


def test_a_telegram_group_gets_no_more_than_twenty_in_any_minute() -> None:
    """Whoever always waits as told; a person, whose id is no group's, is not kept up by that."""
    pace, times = Pace(Telegram.limits), []
    now = 0.0
    while now < 200:
        now += pace.wait("-1005550001", now)
        pace.sent("-1005550001", now)
        times.append(now)
    assert max(sum(begin <= each < begin + 60 for each in times) for begin in times) in {19, 20}
    for _ in range(3):
        assert pace.wait("123456", now) == 0
        pace.sent("123456", now)
    assert 0 < pace.wait("123456", now) <= 1


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 5))
def test_pace_is_never_exceeded(gaps: list[float], burst: int) -> None:
    """Whoever always waits as told sends at most burst + elapsed / interval."""
    pace, now = Pace(limits(2, burst)), 0.0
    for sent, gap in enumerate(gaps, 1):
        now += gap
        now += pace.wait("a", now)
        pace.sent("a", now)
        assert sent <= burst + now / 2 + 1e-6
