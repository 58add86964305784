"""The planner of the random mix: from a seed, always the same, and never what cannot be done."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from ops.faults.mixed import ACTS
from ops.faults.plan import CALM_S, KINDS, WARM_S, counts, plan

PARTS = ("redis", "gateway", "bridge", "stream", "worker-pipeline", "worker-channels", "simulator")
SEEDS, LENGTHS = st.integers(0, 1 << 32), st.floats(45, 600)


@settings(max_examples=60)
@given(SEEDS, LENGTHS)
def test_a_seed_is_a_plan(seed: int, seconds: float) -> None:
    """The same seed, length and parts give the same steps; another seed gives others."""
    assert plan(seed, seconds, PARTS) == plan(seed, seconds, PARTS)
    assert plan(seed, seconds, PARTS) != plan(seed + 1, seconds, PARTS)


@settings(max_examples=60)
@given(SEEDS, LENGTHS)
def test_everything_is_undone_in_time(seed: int, seconds: float) -> None:
    """Steps are in order, begin after the start and are over before the calm at the end."""
    steps = plan(seed, seconds, PARTS)
    assert [each.at for each in steps] == sorted(each.at for each in steps)
    assert all(each.at >= WARM_S and each.ends <= seconds - CALM_S for each in steps)
    assert all(each.lasts > 0 or KINDS[each.act].lasts == (0, 0) for each in steps)


@settings(max_examples=60)
@given(SEEDS, LENGTHS)
def test_nothing_is_done_to_one_thing_twice_at_once(seed: int, seconds: float) -> None:
    """A channel behaves in one way at a time, which a simulator that lives is told; what stands still is not killed."""
    for one, other in combinations(plan(seed, seconds, PARTS), 2):
        if one.at <= other.ends and other.at <= one.ends:
            held = KINDS[one.act].holds
            assert "restart" not in (one.act, other.act)
            assert not held or (held, one.target) != (KINDS[other.act].holds, other.target)
            assert not ("simulator" in (one.target, other.target) and "channel" in (held, KINDS[other.act].holds))


@settings(max_examples=40)
@given(SEEDS)
def test_five_minutes_have_all_of_it(seed: int) -> None:
    """Every kind of harm, and every process and channel among the targets."""
    steps = plan(seed, 300, PARTS)
    assert all(counts(steps).values())
    assert {each.target for each in steps if each.act in {"kill", "freeze"}} == set(PARTS)
    assert counts(steps)["restart"] == 2


@settings(max_examples=40)
@given(SEEDS)
def test_a_short_form_has_the_most_of_it(seed: int) -> None:
    """45 seconds have a restart, kills, and most of the kinds."""
    found = counts(plan(seed, 45, PARTS))
    assert found["restart"] == 1
    assert sum(bool(each) for each in found.values()) >= len(KINDS) - 4


def test_every_kind_can_be_done() -> None:
    """What is planned is known to whoever does it, and nothing is known that is never planned."""
    assert set(ACTS) == set(KINDS)
