"""What the provider took and failed later is sent again where the reason passes: bounded, once, and told as what it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.channels import CHANNELS, channel_class
from chat4all.model.account_health import suspended_for
from chat4all.model.causes import ACCOUNT_UNABLE, LATE_FACTOR, LATE_TRIES, ends_leg, late_pause_s
from chat4all.model.clock import now_ms
from chat4all.model.content import Deletion
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.deliveries import Delivery, State, reason, standing, state
from chat4all.model.failures import Permanent, Temporary, Throttled
from chat4all.model.records import ProviderReceipt
from chat4all.ports import ConnectedAccount
from chat4all.services.resends import Wish, plan
from chat4all.telemetry.instruments import REGISTRY
from tasks.deferred_records import DeferredRunner
from tasks.follow_ups import LateReleaser
from tasks.outcomes.late_failures import RESEND
from tests.tasks.world import World, asked_anew, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.know(whatsapp(1))
        made.say(message(TALK, 1, to=[whatsapp(1)]))
        made.run()
        yield made


def tell(road: World, row: Delivery, kind: str, why: str = "", at: int = 1000) -> None:
    """A receipt about this row, twice: providers repeat them."""
    said = ProviderReceipt("whatsapp", "1", f"wamid.{row.key.seq}", kind, at, why, str(row.key))
    road.report(said, replace(said, at=at + 1))
    road.receive()


def counted(name: str, **labels: str) -> float:
    """A counter's value."""
    return REGISTRY.get_sample_value(name, labels) or 0


def waiting(road: World) -> list[DeferredRecord]:
    return road.store.open_records(RESEND, 99)


def release(road: World) -> None:
    """As if the time of all had come."""
    runner = DeferredRunner(road.parts, {RESEND: LateReleaser(road.parts)})
    runner.release(RESEND, [replace(each, due_at=0) for each in waiting(road)])
    road.run()


def shown(road: World) -> State:
    """What counts of the first delivery and its newest resend."""
    first, *again = [row for row in road.rows() if row.message_id == new_id("message", TALK, 1)]
    return state(standing(first.facts, again[-1].facts if again else first.facts))


def test_it_is_sent_again_and_stays_sent_until_that_arrives(road: World) -> None:
    """A row of its own; DELIVERED when that is, and nobody was told FAILED."""
    [row] = road.rows()
    before = counted("chat4all_late_resends_total", channel="whatsapp")
    tell(road, row, "failed", "provider_error")
    assert [each.due_at > now_ms() + 50_000 for each in waiting(road)] == [True]
    assert (shown(road), road.rows()[0].facts.bounced_reason) == (State.SENT, "provider_error")
    release(road)
    tell(road, row, "failed", "provider_error", 5000)
    first, again = road.rows()
    assert (again.first_key, again.address, again.payload, again.message_id) == (
        first.key,
        first.address,
        first.payload,
        first.message_id,
    )
    assert (shown(road), waiting(road)) == (State.SENT, [])
    assert counted("chat4all_late_resends_total", channel="whatsapp") == before + 1
    tell(road, again, "delivered")
    assert shown(road) is State.DELIVERED
    assert {each.state for each in road.events("state")} == {"SENT", "DELIVERED"}


def test_it_is_tried_so_often_and_then_failed_once(road: World) -> None:
    """Each pause is longer than the last; the end is one FAILED, with a dead letter, and an operator can send it again."""
    pauses = []
    for _ in range(LATE_TRIES):
        tell(road, road.rows()[-1], "failed", "provider_error")
        pauses += [(each.due_at - each.created_at) / 1000 for each in waiting(road)]
        assert shown(road) is State.SENT
        release(road)
    assert pauses == [60.0 * LATE_FACTOR**number for number in range(LATE_TRIES)]
    tell(road, road.rows()[-1], "failed", "provider_error")
    rows = road.rows()
    assert (len(rows), waiting(road), shown(road)) == (LATE_TRIES + 1, [], State.FAILED)
    assert [each.state for each in road.events("state")].count("FAILED") == 1
    assert len(plan(road.store, asked_anew(road), [rows[0].key], Wish(), 5).resends) == 1


@pytest.mark.parametrize("why", ["undeliverable", "outside_window", "opted_out", "ecosystem_limit", "code_1", "failed"])
def test_what_does_not_pass_ends_it(road: World, why: str) -> None:
    """At once."""
    [row] = road.rows()
    tell(road, row, "failed", why)
    assert (waiting(road), shown(road), reason(road.rows()[0].facts)) == ([], State.FAILED, why)


@pytest.mark.parametrize(("left_ms", "held"), [(60_000, True), (-1, False)])
def test_a_window_that_was_shut_after_all_holds_what_may_be_held(road: World, left_ms: int, held: bool) -> None:
    """It stays SENT, and is held until the person writes after that; when its time is over it is FAILED."""
    ends = now_ms() + left_ms
    road.say(replace(message(TALK, 3, to=[whatsapp(1)]), holds=True, expires_at=ends))
    road.run()
    row = road.rows()[-1]
    tell(road, row, "failed", "outside_window", 5000)
    assert state(road.rows()[-1].facts) is (State.SENT if held else State.FAILED)
    release(road)
    release(road)
    again = road.rows()[2:]
    assert [(each.holds, each.expires_at, each.shut_at, each.message_id) for each in again] == (
        [(True, ends, 5000, row.message_id)] if held else []
    )
    assert row.shut_at == 0


def test_what_arrived_after_all_is_not_sent_again(road: World) -> None:
    """The provider says that it failed, and then that it was delivered."""
    [row] = road.rows()
    tell(road, row, "failed", "provider_error")
    tell(road, row, "delivered")
    release(road)
    assert (len(road.rows()), shown(road), waiting(road)) == (1, State.DELIVERED, [])


def test_what_was_deleted_meanwhile_ends_as_failed(road: World) -> None:
    """Its words are not said again, and it does not stay open."""
    [row] = road.rows()
    tell(road, row, "failed", "provider_error")
    road.say(replace(message(TALK, 2), payload=Deletion(row.message_id)))
    road.run()
    release(road)
    assert (len(road.rows()), shown(road), waiting(road)) == (2, State.FAILED, [])  # the second is that of the deletion


@pytest.mark.parametrize("channel", CHANNELS)
def test_only_what_passes_is_in_the_tables(channel: str) -> None:
    """Each reason is one of the channel's errors; what is tried again later is never one that will not pass."""
    made = channel_class(channel)
    kinds: dict[str, set[type]] = {}
    for line in made.errors:
        kinds.setdefault(line.reason, set()).add(line.kind)
    assert set(made.late) <= set(kinds)
    assert all(kinds[each] <= {Temporary, Throttled} for each in made.late)
    assert all(Permanent not in kinds.get(each, ()) for each in ACCOUNT_UNABLE)
    assert all(seconds > 0 for seconds in made.late.values())


@pytest.mark.parametrize(
    ("why", "ends", "pause_s"),
    [
        ("credentials", True, None),
        ("payment", True, None),
        ("spam_limit", True, 3600.0),
        ("provider_error", False, 60.0),
        ("rate_limit", False, 60.0),
        ("maintenance", False, 300.0),
        ("undeliverable", False, None),
    ],
)
def test_the_cause_says_what_comes_next(why: str, ends: bool, pause_s: float | None) -> None:
    """Whether a leg gives up for it at once, and how long after a receipt with it WhatsApp is tried again."""
    late = channel_class("whatsapp").late
    assert (ends_leg(why), late_pause_s(why, late, 0)) == (ends, pause_s)
    assert late_pause_s(why, late, LATE_TRIES) is None


def test_a_late_failure_that_is_the_accounts_suspends_it(road: World) -> None:
    """From the time that the provider says: what is read again later suspends nothing, nor does what concerns one person."""
    assert road.store.put_account(ConnectedAccount("shop", "whatsapp", "1", state="active"), 0)
    road.say(*(message(TALK, seq, to=[replace(whatsapp(1), account="shop")]) for seq in (2, 3)))
    road.run()
    _, second, third = road.rows()
    tell(road, second, "failed", "ecosystem_limit", now_ms())
    tell(road, third, "failed", "spam_limit", now_ms() - 7_200_000)
    assert road.store.accounts_changed() == 1
    tell(road, third, "failed", "spam_limit", now_ms())
    kept = road.store.account("shop")
    assert kept
    assert suspended_for(kept.health, now_ms()) == "spam_limit"
