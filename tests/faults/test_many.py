"""How fast an account was, by the times at which it sent."""

from hypothesis import given
from hypothesis import strategies as st

from ops.faults.many import most_within, uncounted


@given(times=st.lists(st.integers(0, 100), max_size=30), span=st.integers(1, 120))
def test_the_busiest_span_is_found(times: list[int], span: int) -> None:
    """As counting from each time on would."""
    assert most_within(times, span) == max((sum(at <= each < at + span for each in times) for at in times), default=0)


def test_who_is_told_more_often_than_is_counted_is_found() -> None:
    """Once is always right; twice where a second send was counted."""
    assert uncounted({"a": 1, "b": 2, "c": 2, "d": 3}, {"c": 1, "d": 1}) == ["b", "d"]
