"""To how many people an account may write first within a day: what the provider's words mean, and what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.clock import DAY_MS
from chat4all.model.daily_budgets import HOUR_MS, frees_at, left, people_per_day, share, spend


@pytest.mark.parametrize(
    ("tier", "most"),
    [
        ("TIER_50", 50),
        ("TIER_250", 250),
        ("TIER_1K", 1_000),
        ("TIER_100K", 100_000),
        ("TIER_1M", 1_000_000),
        ("2000", 2_000),
        ("TIER_UNLIMITED", 0),
        ("unlimited", 0),
        ("TIER_NOT_SET", 0),
        ("0", 0),
        ("", 0),
    ],
)
def test_the_providers_words_say_how_many(tier: str, most: int) -> None:
    """What is not known is no limit: the provider itself refuses what is too much."""
    assert people_per_day(tier) == most


@given(st.lists(st.tuples(st.integers(0, 3 * DAY_MS), st.integers(0, 50)), max_size=20).map(sorted), st.integers(0, 3 * DAY_MS))
def test_no_day_has_more_than_was_counted(spendings: list[tuple[int, int]], since: int) -> None:
    """Whatever day is looked at: what was spent in it is counted at its end. What is older than 25 hours is free again."""
    spent: dict[int, int] = {}
    until = since + DAY_MS
    for at, number in spendings:
        if at < until:
            spent = spend(spent, number, at)
    within = sum(number for at, number in spendings if since <= at < until)
    lately = sum(number for at, number in spendings if since - HOUR_MS <= at < until)
    assert within <= -left(0, [spent], until - 1) <= lately
    assert left(0, [spent], frees_at([spent], until)) >= left(0, [spent], until)
    assert len(spend(spent, 0, until)) <= 26


@given(st.integers(-5, 100), st.sets(st.text(max_size=2), min_size=1, max_size=9))
def test_who_shares_it_gets_all_of_it_together(number: int, names: set[str]) -> None:
    """Nobody gets more than one above another."""
    shares = [share(number, each, names - {each}) for each in names]
    assert sum(shares) == max(0, number)
    assert max(shares) - min(shares) <= 1
