"""What the stages count: rare things, which no everyday life shows."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from bridges.lag import Lag
from chat4all.model.deliveries import Facts
from chat4all.model.failures import Temporary
from chat4all.model.records import INCOMING, Cost, ProviderReceipt
from chat4all.ports import Waiting
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY, Histogram, Reading, Readings
from tasks.outcomes.delivery_metrics import moved
from tasks.stages.stage import Stage
from tasks.sweep import Sweeper
from tasks.tidying import Tidier, tidy
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", 1)
DAY_S = 86_400


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as made:
        yield made


def _value(name: str, /, **labels: str) -> float:
    Histogram.flush()
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_stage_that_fails_is_counted_by_who_is_at_fault(road: World) -> None:
    """An outage is one thing, a record that makes the stage fail another."""

    def outage(*_: Any) -> None:
        raise Temporary("store_away")

    def broken(*_: Any) -> None:
        raise ValueError("broken")

    road.say(message(TALK, 1))
    before = {kind: _value("chat4all_stage_failures_total", stage="tried", kind=kind) for kind in ("outage", "records")}
    with pytest.raises(Temporary):
        road.run(Stage("tried", outage))
    with pytest.raises(ValueError, match="broken"):
        # It fails without the record, too: that is for people.
        road.run(Stage("tried", broken))
    for kind, number in before.items():
        assert _value("chat4all_stage_failures_total", stage="tried", kind=kind) == number + 1
    assert _value("chat4all_dead_letters_total", stage="tried", reason="stage_failed") >= 1


def test_receipts_that_nobody_claims_are_counted_when_they_go(road: World) -> None:
    """Days later."""
    before = _value("chat4all_receipts_expired_total", channel="whatsapp")
    road.store.park([ProviderReceipt("whatsapp", "account", "wamid.nobody", "delivered", int(time.time() * 1000))])
    tidy(road.parts, int((time.time() + 30 * DAY_S) * 1000))
    assert _value("chat4all_receipts_expired_total", channel="whatsapp") == before + 1


def test_rows_that_had_their_days_are_counted_and_what_stays_too_long_is_told(road: World) -> None:
    """A delivery that ended goes after its days; one that does not end is told by how much longer it is there."""
    before = _value("chat4all_rows_expired_total", kind="deliveries")
    road.say(message(TALK, 1, to=[whatsapp(1)]), message(TALK, 2, to=[whatsapp(1)]))
    road.run()
    first, second = road.rows()
    road.store.record({first.key: Facts(attempts=1, sent_at=5)})
    road.store.raise_cursor(first.key.lane, second.key.seq, 0)
    Tidier(road.parts, lambda parts, now: tidy(parts, now + 38 * DAY_S * 1000)).wake().join(10)
    assert _value("chat4all_rows_expired_total", kind="deliveries") == before + 1
    assert 9 * DAY_S < READERS[metrics.RETIRING_BEHIND]()[()] < 11 * DAY_S


def test_how_far_behind_the_chains_are(road: World) -> None:
    """Records that no chain has finished, and the age of the oldest: up from the first one said, back to 0 when done."""
    now = [0.0]
    behind = Lag(road.log, road.store, [INCOMING], lambda: time.time() + now[0])
    assert (behind.lag(), behind.oldest()) == ({(INCOMING, "0"): 0}, {(INCOMING, "0"): 0.0})
    road.say(message(TALK, 1), message(TALK, 2))
    now[0] = 60.0
    assert behind.lag() == {(INCOMING, "0"): 2}
    assert 59 < behind.oldest()[INCOMING, "0"] < 65
    road.run()
    assert (behind.lag(), behind.oldest()) == ({(INCOMING, "0"): 0}, {(INCOMING, "0"): 0.0})


def test_deliveries_are_counted_as_they_are_made(road: World) -> None:
    """One pending, one refused at once for want of an address."""
    names = {state: _value("chat4all_deliveries_total", channel="whatsapp", state=state) for state in ("PENDING", "FAILED")}
    nowhere = whatsapp(2).__class__("contact-2", "whatsapp", "")
    road.say(message(TALK, 1, to=[whatsapp(1), nowhere]))
    road.run()
    for state, before in names.items():
        assert _value("chat4all_deliveries_total", channel="whatsapp", state=state) == before + 1


def test_the_sweep_tells_what_it_found_and_who_waits(road: World) -> None:
    """A lane with rows and no holder; a key that waits; and nothing once others sweep."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    [row] = road.rows()
    later = int(time.time() * 1000) + 60_000
    key = Waiting(row.key.lane, TALK, row.address, row.key.seq, row.key.index, later, 1)
    road.store.record({}, waiting=[key])
    now = [time.monotonic()]
    sweeper = Sweeper(lambda: now[0])
    sweeper.sweep(road.parts)
    assert road.wakes.lanes[-1] == row.key.lane
    assert sweeper.found()["whatsapp",] == 1
    assert sweeper.found()["telegram",] == 0
    assert sweeper.waiting(road.parts)["whatsapp",] == 1
    now[0] += 60
    assert sweeper.found() == {}


def test_a_figure_that_cannot_be_read_leaves_the_others_alone() -> None:
    """The scrape goes on without it, and says so."""

    def away() -> Any:
        raise Temporary("store_away")

    def read(reading: Reading) -> float:
        return next((each.samples[0].value for each in families if each.name == reading.name), -1.0)

    readings = Readings(
        metrics.READ_FAILURES,
        {metrics.STREAM_LAG: away, metrics.DISK_FREE: lambda: {(): 5.0}, metrics.CPU_SECONDS: lambda: {(): 7.0}},
    )
    before = _value("chat4all_read_failures_total", metric="chat4all_stream_lag_records")
    families = list(readings.collect())
    text = generate_latest(readings).decode()
    assert "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 7.0\n" in text
    assert (read(metrics.DISK_FREE), read(metrics.STREAM_LAG)) == (5.0, -1.0)
    assert _value("chat4all_read_failures_total", metric="chat4all_stream_lag_records") == before + 2


def test_what_the_provider_charges_for_is_counted_once(road: World) -> None:
    """By category; one that nobody has heard of is another."""
    road.say(*(message(TALK, number, to=[whatsapp(number)]) for number in (1, 2)))
    road.run()
    one, two = road.rows()
    labels: list[dict[str, str]] = [
        {"channel": "whatsapp", "category": "marketing", "price": "charged"},
        {"channel": "whatsapp", "category": "other", "price": "free"},
    ]
    before = [_value("chat4all_deliveries_priced_total", **each) for each in labels]
    priced = one.seen(Facts(sent_at=1, priced_at=2, price=Cost(True, "marketing", "PMP").text))
    moved([(one, priced), (priced, priced.seen(Facts(read_at=3)))])
    moved([(two, two.seen(Facts(priced_at=2, price=Cost(False, "gift", "").text)))])
    assert [_value("chat4all_deliveries_priced_total", **each) for each in labels] == [each + 1 for each in before]
