"""Waits double up to a bound, and begin anew after a success."""

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.backoff import Backoff

FIRST = st.floats(min_value=0.001, max_value=10)
MOST = st.floats(min_value=0.001, max_value=1_000)


@given(FIRST, MOST, st.integers(min_value=1, max_value=10_000))
def test_each_wait_is_twice_the_one_before_or_the_longest(first: float, most: float, failures: int) -> None:
    """However often it failed, no number overflows."""
    waits = Backoff(first, most)
    assert waits.after(failures + 1) == min(most, 2 * waits.after(failures))
    assert waits.after(1) == min(first, most)


@given(FIRST, MOST, st.lists(st.booleans(), max_size=60))
def test_what_is_counted_is_the_failures_since_the_last_success(first: float, most: float, outcomes: list[bool]) -> None:
    """As whoever asks without counting would be told."""
    counted, pure, row = Backoff(first, most), Backoff(first, most), 0
    for is_good in outcomes:
        if is_good:
            counted.succeeded()
            row = 0
        else:
            row += 1
            assert counted.failed() == pure.after(row)
