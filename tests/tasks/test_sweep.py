"""The sweep wakes lanes with work that nobody seems to hold, and leaves the others alone."""

from chat4all.channels import CHANNELS
from chat4all.model.deliveries import Lane
from chat4all.ports import WEBHOOKS, LaneState, Lease
from tasks.sweep import HOLDER_QUIET_S, Sweeper

LANE = Lane("whatsapp", 0)


def state(fanned: int, cursor: int, lease: Lease | None = None) -> dict[Lane, LaneState]:
    return {LANE: LaneState(LANE, fanned, cursor, lease or Lease())}


def test_a_free_lane_with_rows_is_woken() -> None:
    """Fanned beyond the cursor, and no holder."""
    assert Sweeper().stuck(state(5, 3), set()) == [LANE]


def test_a_free_lane_with_a_key_that_is_due_is_woken() -> None:
    """All rows passed, but a key's time has come."""
    assert Sweeper().stuck(state(5, 5), {LANE}) == [LANE]


def test_a_lane_without_work_is_left_alone() -> None:
    """Nothing to do, nobody woken."""
    assert Sweeper().stuck(state(5, 5), set()) == []


def test_a_holder_that_beats_is_left_alone_and_a_silent_one_is_not() -> None:
    """The lease has to change from sweep to sweep."""
    now = [0.0]
    sweeper, seen = Sweeper(lambda: now[0]), []
    for second in range(4):
        now[0] = float(second)
        seen.append(sweeper.stuck(state(5, 3, Lease("a", 1, second)), set()))
    assert seen == [[]] * 4
    now[0] = 3 + HOLDER_QUIET_S
    assert sweeper.stuck(state(5, 3, Lease("a", 1, 3)), set()) == [LANE]


def test_lanes_of_webhooks_are_not_for_those_who_deliver() -> None:
    """Their queue has no worker: a message a second would be left in it. So no channel of that name can be."""
    assert WEBHOOKS not in CHANNELS
    lane = Lane(WEBHOOKS, 0)
    assert Sweeper().stuck({lane: LaneState(lane, 0, 7, Lease())} | state(5, 3), {lane}) == [LANE]
