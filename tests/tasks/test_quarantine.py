"""Which ranges are tried together, alone, in halves, or no more."""

from hypothesis import given
from hypothesis import strategies as st

from chat4all.ports import Trouble
from chat4all.records import Range
from tasks.quarantine import Plan, plan

SPAN = Range(0, 0, 7)


def test_without_trouble_all_ranges_go_together() -> None:
    """The usual case is one unit."""
    ranges = (Range(0, 0, 5), Range(1, 3, 9))
    assert plan(ranges, []) == Plan((ranges,))


def test_a_range_with_tries_goes_alone_and_the_others_together() -> None:
    """Whoever was there when a process died is looked at by itself."""
    ranges = (Range(0, 0, 5), Range(1, 3, 9), Range(2, 0, 0))
    assert plan(ranges, [Trouble("persist", ranges[1], 1)]) == Plan(((ranges[0], ranges[2]), (ranges[1],)))


def test_spent_tries_halve_a_range_and_a_half_has_one() -> None:
    """Three for the whole, then one for each half on the way down."""
    troubles = [Trouble("persist", SPAN, 3), Trouble("persist", Range(0, 4, 7), 1)]
    assert plan([SPAN], troubles) == Plan(((Range(0, 0, 3),), (Range(0, 4, 5),), (Range(0, 6, 7),)))


def test_a_single_record_is_set_aside_in_the_end() -> None:
    """Alone it has two more tries, so that a kill by somebody else does not condemn it."""
    troubles = [Trouble("persist", Range(0, 0, 1), 3), Trouble("persist", Range(0, 1, 1), 2)]
    assert plan([Range(0, 0, 1)], troubles) == Plan(((Range(0, 0, 0),),), (Range(0, 1, 1),))


@given(st.dictionaries(st.tuples(st.integers(0, 15), st.integers(0, 15)), st.integers(1, 5), max_size=20))
def test_every_record_is_in_exactly_one_place(tries: dict[tuple[int, int], int]) -> None:
    """However the tries fell, no record is left out and none is done twice."""
    whole = Range(0, 0, 15)
    made = plan([whole], [Trouble("s", Range(0, *sorted(ends)), count) for ends, count in tries.items()])
    spans = [span for unit in made.units for span in unit] + list(made.bury)
    assert sorted(offset for span in spans for offset in range(span.first, span.last + 1)) == list(range(16))
