"""How fast an account was, by the times at which it sent."""

from hypothesis import given
from hypothesis import strategies as st

from ops.faults.many import most_within


@given(times=st.lists(st.integers(0, 100), max_size=30), span=st.integers(1, 120))
def test_the_busiest_span_is_found(times: list[int], span: int) -> None:
    """As counting from each time on would."""
    assert most_within(times, span) == max((sum(at <= each < at + span for each in times) for at in times), default=0)
