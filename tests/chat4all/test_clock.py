"""Times are written and read in one way, without losing a millisecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.clock import DAY_MS, day_of, from_rfc3339, rfc3339

YEAR_9999 = 253_402_300_799_999
TIMES = st.integers(min_value=0, max_value=YEAR_9999)


@given(TIMES)
def test_what_is_written_is_read_again(at: int) -> None:
    """To the millisecond."""
    assert from_rfc3339(rfc3339(at)) == at


@given(st.lists(TIMES, min_size=2, max_size=2))
def test_texts_stand_in_the_order_of_their_times(two: list[int]) -> None:
    """So that they can be sorted as they are."""
    assert sorted(two) == sorted(two, key=rfc3339)


@given(TIMES)
def test_a_day_begins_where_its_name_says(at: int) -> None:
    """And is as long as every day of UTC."""
    begin = from_rfc3339(day_of(at), zone_needed=False)
    assert begin <= at < begin + DAY_MS
    assert begin % DAY_MS == 0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-01T12:00:00.001+00:00", 1_772_366_400_001),
        ("2026-03-01T09:00:00.0019-03:00", 1_772_366_400_001),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_any_zone_and_any_precision_is_read(text: str, at: int) -> None:
    """What is finer than a millisecond is cut off."""
    assert from_rfc3339(text) == at


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z"])
def test_what_names_no_moment_is_refused(text: str) -> None:
    """A time without a zone is none."""
    with pytest.raises(ValueError, match=r"."):
        from_rfc3339(text)
