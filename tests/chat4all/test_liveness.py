"""Who shows no sign of life is seen to, on the observer's own clock, whatever the sign says."""

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.liveness import Observed

LOOKS = st.lists(st.tuples(st.floats(min_value=0, max_value=100), st.integers(0, 3)), min_size=1, max_size=40)


@given(LOOKS)
def test_it_is_unchanged_since_the_first_look_that_saw_it_so(looks: list[tuple[float, int]]) -> None:
    """As a reader of the whole history would say; and every change is told once."""
    now = [0.0]
    observed: Observed[int] = Observed(lambda: now[0])
    history: list[tuple[float, int]] = []
    for passed, sign in looks:
        now[0] += passed
        is_new = not history or history[-1][1] != sign
        assert observed.look(sign) is is_new
        history.append((now[0], sign))
        assert observed.unchanged_s == now[0] - _began(history)


def _began(history: list[tuple[float, int]]) -> float:
    """When the run of equal signs at the end of it began."""
    began, sign = history[-1]
    for at, seen in reversed(history):
        if seen != sign:
            break
        began = at
    return began


def test_what_nobody_has_looked_at_counts_from_its_beginning() -> None:
    """None is a sign as good as any."""
    now = [5.0]
    observed: Observed[int | None] = Observed(lambda: now[0])
    now[0] = 7.0
    assert observed.unchanged_s == 2.0
    assert observed.look(None)
    assert not observed.look(None)


def test_who_was_given_something_to_do_has_the_whole_time_again() -> None:
    """The next change still is one."""
    now = [0.0]
    observed: Observed[int] = Observed(lambda: now[0])
    observed.look(1)
    now[0] = 9.0
    observed.restart()
    assert observed.unchanged_s == 0.0
    assert not observed.look(1)
    assert observed.look(2)
