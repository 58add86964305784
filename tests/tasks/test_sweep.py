"""The sweep wakes lanes with work that nobody seems to hold, and leaves the others alone."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.channels import CHANNELS
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary, Unknown
from chat4all.ports import WEBHOOKS, LaneState, Lease, Webhook
from chat4all.services.webhooks.disabling import disabled
from tasks.sweep import HOLDER_QUIET_S, Sweeper
from tests.tasks.world import world

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


def test_lanes_of_webhooks_have_work_while_there_is_an_endpoint() -> None:
    """They have no rows; and no channel can have their name."""
    assert WEBHOOKS not in CHANNELS
    lane = Lane(WEBHOOKS, 0)
    states = {lane: LaneState(lane, 0, 7, Lease())} | state(5, 3)
    assert Sweeper().stuck(states, {lane}) == [LANE]
    assert Sweeper().stuck(states, set(), has_endpoints=True) == [lane, LANE]


def test_who_holds_a_lane_of_webhooks_is_left_alone() -> None:
    """As long as it beats."""
    lane, sweeper = Lane(WEBHOOKS, 0), Sweeper()
    for beat in range(3):
        assert sweeper.stuck({lane: LaneState(lane, 0, 7, Lease("a", 1, beat))}, set(), has_endpoints=True) == []


def test_every_partition_is_woken_once_an_endpoint_is_enabled(tmp_path: Path) -> None:
    """No lane was ever used. Once it is disabled, none is woken any more."""
    with world(tmp_path, partitions=2) as road:
        sweeper, enabled = Sweeper(), Webhook("w", "https://shop.example/", version=1)
        sweeper.sweep(road.parts)
        assert road.wakes.lanes == []
        road.store.put_webhook(enabled)
        sweeper.sweep(road.parts)
        assert set(road.wakes.lanes) == {Lane(WEBHOOKS, 0), Lane(WEBHOOKS, 1)}
        road.wakes.lanes.clear()
        road.store.put_webhook(replace(enabled, status="disabled", version=2))
        sweeper.sweep(road.parts)
        assert road.wakes.lanes == []


@pytest.mark.parametrize("failure", [Temporary("away"), Unknown("away")])
@pytest.mark.parametrize("where", ["append", "put_webhook"])
def test_that_an_endpoint_was_disabled_is_told_until_it_was(tmp_path: Path, where: str, failure: Exception) -> None:
    """Whoever wrote the row died, and log or store are away: it is told under one id, and lanes are woken all the same."""
    with world(tmp_path, partitions=1) as road:
        first = Webhook("w", "https://shop.example/", version=1)
        road.store.put_webhook(first)
        road.store.put_webhook(Webhook("v", "https://shop.example/", version=1))
        ended = disabled(first, "gone")
        assert road.store.put_webhook(replace(ended, version=2))
        # And was enabled again meanwhile.
        assert road.store.put_webhook(replace(ended, status="enabled", version=3))
        away = road.log_faults if where == "append" else road.faults
        sweeper = Sweeper()
        away.fail(where, failure)
        for _ in range(2):
            sweeper.sweep(road.parts)
        assert road.wakes.lanes
        away.mend()
        sweeper.sweep(road.parts)
        for each in (sweeper, Sweeper()):
            each.sweep(road.parts)
        said = road.events("webhook")
        assert {(each.webhook_id, each.change, each.reason) for each in said} == {("w", "disabled", "gone")}
        assert len(said) == (1 if where == "append" else 3)
        kept = road.store.webhook("w")
        assert kept is not None
        assert (kept.status, kept.unsaid, kept.version) == ("enabled", (), 4)
