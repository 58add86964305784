"""A deferred record goes through its states once, and only what waits is cancelled or changed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.deferred_records import CANCELLED, CLAIM_MS, OPEN, RELEASING, STATES, WAITING, DeferredRecord

ONE = DeferredRecord("r", "send", 1000, {}, 1)


@given(st.lists(st.sampled_from(STATES)))
def test_whatever_is_asked_of_it_in_whatever_order_it_ends_once(asked: list[str]) -> None:
    """What has ended stays so; what is being released cannot be cancelled; each change has a version of its own."""
    seen = [ONE]
    for state in asked:
        try:
            seen.append(seen[-1].to(state, 5))
        except ValueError:
            assert seen[-1].state not in OPEN or state in (WAITING, CANCELLED) or seen[-1].state == WAITING
    ended = [each for each in seen if not each.is_open]
    assert len(ended) <= 1
    assert [each.version for each in seen] == list(range(1, len(seen) + 1))
    assert all(before.state == WAITING for before, after in pairwise(seen) if after.state == CANCELLED)


def test_only_what_waits_has_another_time_or_other_contents() -> None:
    """What is being released may have been appended as it was."""
    changed = ONE.changed(5, due_at=2000)
    assert (changed.due_at, changed.body, changed.version) == (2000, {}, 2)
    assert ONE.changed(5, body={"a": 1}).body == {"a": 1}
    with pytest.raises(ValueError, match="releasing"):
        ONE.to(RELEASING, 5).changed(6, due_at=3)


def test_one_whom_somebody_took_and_left_is_taken_again() -> None:
    """After a while; until then it is theirs alone."""
    assert not ONE.may_be_taken(999)
    assert ONE.may_be_taken(1000)
    taken = ONE.to(RELEASING, 1000)
    assert not taken.may_be_taken(1000 + CLAIM_MS - 1)
    assert taken.may_be_taken(1000 + CLAIM_MS)
    assert not ONE.to(CANCELLED, 5).may_be_taken(10**9)
