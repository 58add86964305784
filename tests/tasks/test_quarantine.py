"""Which ranges of a batch that comes again are tried together, which records alone, and which no more."""

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.records import Range
from chat4all.ports import Trouble
from tasks.stages.quarantine import Plan, plan


def tried(first: int, last: int, tries: int = 1) -> Trouble:
    return Trouble("persist", Range(0, first, last), tries)


def alone(first: int, last: int) -> tuple[tuple[Range, ...], ...]:
    return tuple((Range(0, each, each),) for each in range(first, last + 1))


def test_a_batch_that_comes_again_is_tried_in_chunks() -> None:
    """Sixteen records each, so that a small batch is one; of a large one there are sixteen chunks at most."""
    small, large = Range(1, 3, 9), Range(0, 0, 999)
    made = plan([small, large], [])
    assert made.units[0] == (small,)
    assert made.units[1] == (Range(0, 0, 62),)
    assert (len(made.units), made.bury) == (17, ())


def test_a_chunk_that_did_not_come_back_is_tried_record_by_record() -> None:
    """The others stay together."""
    made = plan([Range(0, 0, 39)], [tried(16, 31)])
    assert made == Plan(((Range(0, 0, 15),), *alone(16, 31), (Range(0, 32, 39),)))


def test_a_record_that_does_not_come_back_either_is_set_aside() -> None:
    """Its chunk and then it alone, twice: what was in the same chunk goes on."""
    made = plan([Range(0, 0, 15)], [tried(0, 15), tried(5, 5, 2)])
    assert made == Plan((*alone(0, 4), *alone(6, 15)), (Range(0, 5, 5),))


def test_who_was_once_alone_at_a_death_is_not_condemned() -> None:
    """A record that somebody else's kill hit has another try, whatever its chunk went through."""
    assert plan([Range(0, 7, 7)], [tried(7, 7)]) == Plan(alone(7, 7))
    assert plan([Range(0, 7, 7)], [tried(0, 15, 5), tried(7, 7)]) == Plan(alone(7, 7))
    assert plan([Range(0, 7, 7)], [tried(7, 7, 2)]) == Plan(alone(7, 7))
    assert plan([Range(0, 7, 7)], [tried(7, 7, 3)]) == Plan((), (Range(0, 7, 7),))


def test_evidence_counts_however_a_batch_is_cut() -> None:
    """After a restart the bridge may hand out other ranges: tries of ranges that overlap count for their records."""
    made = plan([Range(0, 4, 23)], [tried(0, 15), tried(5, 5, 2)])
    assert made.bury == (Range(0, 5, 5),)


@given(
    st.integers(0, 40),
    st.dictionaries(st.tuples(st.integers(0, 60), st.integers(0, 60)), st.integers(0, 5), max_size=20),
)
def test_every_record_is_in_exactly_one_place(first: int, tries: dict[tuple[int, int], int]) -> None:
    """However the tries fell, no record is left out and none is done twice; none is buried without a try of its own."""
    troubles = [Trouble("s", Range(0, *sorted(ends)), count) for ends, count in tries.items()]
    made = plan([Range(0, first, 60)], troubles)
    spans = [span for unit in made.units for span in unit] + list(made.bury)
    assert sorted(offset for span in spans for offset in range(span.first, span.last + 1)) == list(range(first, 61))
    assert set(made.bury) <= {each.range for each in troubles if each.tries}
