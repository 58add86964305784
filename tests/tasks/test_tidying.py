"""Time passes, and what is kept comes down: nothing that is still needed goes, and readers are shown what they were shown."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from chat4all.model.clock import DAY_MS
from chat4all.model.content import Deletion
from chat4all.model.deliveries import Facts, Lane
from chat4all.model.failures import Temporary
from chat4all.model.messages import Message, Recipient
from chat4all.model.modifiers import Modification
from chat4all.model.records import INCOMING
from chat4all.ports import Expired, Handle, Lease, Waiting
from tasks.tidying import Tidier, tidy
from tests.tasks.declared import declared
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", "tidying")
NOW = int(time.time() * 1000)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    """A world with limits for everything, on one partition."""
    limits = {"messages": 60, "deliveries": 28, "handles": 26, "letters": 20}
    with world(tmp_path, partitions=1, **{f"keep_{kind}_days": days for kind, days in limits.items()}) as road:
        yield road


def said(road: World, *messages: Message, facts: Facts | None = None) -> None:
    """Have these said, and their deliveries ended with these facts, the lane's cursor behind them."""
    road.say(*messages)
    road.run()
    rows = road.rows()
    if facts:
        handles = [Handle("whatsapp", "a", f"wamid.{row.key}", row.key) for row in rows]
        road.store.record({row.key: facts for row in rows}, handles)
    road.store.raise_cursor(Lane("whatsapp", 0), rows[-1].key.seq, 0)


SENT = Facts(attempts=2, attempted_at=NOW, refusals=1, sent_at=NOW, provider_id="wamid.1", delivered_at=NOW + 5)


def test_what_became_of_a_delivery_outlives_its_row(road: World) -> None:
    """After its days the row is gone; what was seen of it is not, until its message goes."""
    group = [whatsapp(1), whatsapp(2)]
    said(road, message(TALK, 1, to=group), facts=SENT)
    keys = [row.key for row in road.rows()]
    tidy(road.parts, NOW + 27 * DAY_MS)
    assert len(road.rows()) == 2
    for days in (29, 30, 59):
        tidy(road.parts, NOW + days * DAY_MS)
        assert road.rows() == []
        assert road.store.outcomes(keys) == dict.fromkeys(keys, SENT)
    tidy(road.parts, NOW + 62 * DAY_MS)
    assert road.store.page(TALK, None, None, 9) == []
    assert road.store.outcomes(keys) == {}


@pytest.mark.parametrize("name", Facts.__struct_fields__)
def test_a_row_goes_when_its_delivery_has_ended_and_not_before(road: World, name: str) -> None:
    """Ended as the rules say it, by any fact that ends it."""
    facts = structs.replace(Facts(), **{name: 5 if isinstance(getattr(Facts(), name), int) else "x"})
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=facts)
    [row] = road.rows()
    tidy(road.parts, NOW + 29 * DAY_MS)
    assert (road.rows() == []) == row.facts.ended


def test_a_delivery_that_has_not_ended_stays_and_so_does_what_is_behind_it(road: World) -> None:
    """However old: the lane finds what waits through rows and message."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    said(road, message(TALK, 2, to=[whatsapp(1)]))
    said(road, message(TALK, 3, to=[whatsapp(1)]))
    rows = road.rows()
    road.store.record({rows[2].key: SENT})
    expired = tidy(road.parts, NOW + 300 * DAY_MS)
    assert [row.key for row in road.rows()] == [rows[1].key, rows[2].key]
    assert [each.seq for each in road.store.page(TALK, None, None, 9)] == [rows[1].key.seq, rows[2].key.seq]
    assert 271 * DAY_MS < expired.behind_ms < 273 * DAY_MS


def test_what_a_lane_has_not_come_past_stays(road: World) -> None:
    """The cursor is where a new holder begins to read."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    road.say(message(TALK, 2, to=[whatsapp(2)]))
    road.run()
    [_, second] = road.rows()
    road.store.record({second.key: SENT})
    tidy(road.parts, NOW + 300 * DAY_MS)
    assert [row.key for row in road.rows()] == [second.key]


def test_a_key_that_waits_finds_its_rows_after_everything_was_tidied(road: World) -> None:
    """HeldKey for long: its message and its row are there when its time comes."""
    said(road, message(TALK, 1, to=[whatsapp(1)]))
    [row] = road.rows()
    waits = Waiting(row.key.lane, TALK, row.address, row.key.seq, row.key.index, NOW + 400 * DAY_MS, 3)
    road.store.record({}, waiting=[waits])
    tidy(road.parts, NOW + 300 * DAY_MS)
    assert road.store.waiting(row.key.lane) == [waits]
    assert road.store.deliveries([row.key]) == {row.key: row}
    assert road.store.messages([(TALK, row.key.seq)])


def test_what_was_said_of_a_message_goes_with_it_and_not_before(road: World) -> None:
    """A deletion that went first would give the words back: both stay while a delivery waits, and go when it has ended."""
    said(road, message(TALK, 1, to=[whatsapp(1)]))
    [row] = road.rows()
    place = (TALK, row.key.seq)
    deletion = Modification(TALK, row.key.seq, row.key.seq + 1, NOW + 5, Deletion(row.message_id))
    road.store.put_modifications([deletion])
    tidy(road.parts, NOW + 300 * DAY_MS)
    assert road.store.messages([place])
    assert road.store.modifications([place]) == {place: [deletion]}
    road.store.put_raw({(TALK, row.message_id): b"{}"})
    road.store.record({row.key: SENT})
    tidy(road.parts, NOW + 59 * DAY_MS)
    assert road.store.modifications([place]) == {place: [deletion]}
    assert road.store.raw(TALK, row.message_id) == b"{}"
    tidy(road.parts, NOW + 62 * DAY_MS)
    assert road.store.messages([place]) == {}
    assert road.store.modifications([place]) == {}
    assert road.store.raw(TALK, row.message_id) is None


def test_while_records_wait_for_their_stages_nothing_grows_old(road: World) -> None:
    """The pipeline was away for a year: what it had done before is not forgotten behind its back."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    road.say(message(TALK, 2, to=[whatsapp(1)]))
    tidy(road.parts, NOW + 365 * DAY_MS)
    assert len(road.rows()) == 1
    assert road.log.ends(INCOMING)[0] == (1, 2)


def test_repeats_are_known_for_longer_than_messages(road: World) -> None:
    """After the message is gone its id still is that message's; later it may be anything."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    [place] = [(TALK, each.message_id) for each in road.store.page(TALK, None, None, 9)]
    tidy(road.parts, NOW + 62 * DAY_MS)
    assert road.store.page(TALK, None, None, 9) == []
    assert place in road.store.registered([place])
    tidy(road.parts, NOW + 77 * DAY_MS)
    assert road.store.registered([place]) == {}


def test_handles_go_before_the_rows_that_they_name(road: World) -> None:
    """No receipt can say something of a delivery whose outcome is kept already."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    [row] = road.rows()
    name = ("whatsapp", "a", f"wamid.{row.key}")
    tidy(road.parts, NOW + 25 * DAY_MS)
    assert road.store.handles([name]) == {name: row.key}
    tidy(road.parts, NOW + 27 * DAY_MS)
    assert road.store.handles([name]) == {}
    assert road.rows() == [row]


def test_a_message_to_more_people_than_one_step_takes_is_retired_whole(road: World) -> None:
    """A step may end in the middle of a message."""
    people = [Recipient(f"c-{number}", "whatsapp", f"+5511{number:08}") for number in range(1_003)]
    said(road, message(TALK, 1, to=people), facts=SENT)
    keys = [row.key for row in road.rows()]
    tidy(road.parts, NOW + 29 * DAY_MS)
    assert road.rows() == []
    assert len(road.store.outcomes(keys)) == 1_003


def test_what_is_kept_for_ever_is_never_retired(tmp_path: Path) -> None:
    """0 days: as every version before."""
    with world(tmp_path, partitions=1, keep_deliveries_days=0, keep_handles_days=0, keep_letters_days=0) as road:
        said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
        [row] = road.rows()
        tidy(road.parts, NOW + 7000 * DAY_MS)
        assert road.rows() == [row]
        assert road.store.handles([("whatsapp", "a", f"wamid.{row.key}")])
        assert road.store.page(TALK, None, None, 9)


def test_what_no_stage_has_worked_on_is_never_trimmed(tmp_path: Path) -> None:
    """Long after, when everything is older than the retention: only what was worked on is forgotten."""
    with world(tmp_path, partitions=1, log_retention_h=1) as road:
        road.say(message(TALK, 1))
        road.run()
        time.sleep(0.005)
        road.say(message(TALK, 2))
        tidy(road.parts, NOW + 2 * DAY_MS)
        assert road.log.ends(INCOMING)[0] == (1, 2)


def test_a_lease_is_none_of_its_business(road: World) -> None:
    """Rows behind the cursor go whoever holds the lane: a holder reads on from the cursor."""
    said(road, message(TALK, 1, to=[whatsapp(1)]), facts=SENT)
    lane, lease = Lane("whatsapp", 0), Lease("me", 1, 1)
    assert road.store.swap_lease(lane, Lease(), lease)
    tidy(road.parts, NOW + 29 * DAY_MS)
    assert road.rows() == []
    assert road.store.lanes([lane])[lane].lease == lease


def test_the_beat_asks_for_nothing_that_workers_do_not_know() -> None:
    """Among it `tidy`, once a minute."""
    app = declared()
    asked = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    assert asked["tidy"] == 60.0
    assert asked.keys() <= app.tasks.keys()


def test_a_poke_tidies_in_a_thread_of_its_own_and_one_at_a_time(road: World) -> None:
    """A task returns at once; woken while it works nothing more begins; after an outage the next wake-up begins anew."""
    begun, go_on, times = threading.Semaphore(0), threading.Event(), list[int]()

    def slow(_parts: object, now: int) -> Expired:
        times.append(now)
        begun.release()
        assert go_on.wait(10)
        raise Temporary("store", "away")

    tidier = Tidier(road.parts, slow)
    tidier.wake()
    assert begun.acquire(timeout=10)
    tidier.wake().join(10)
    assert len(times) == 1
    go_on.set()
    deadline = time.monotonic() + 10
    while len(times) == 1 and time.monotonic() < deadline:
        tidier.wake().join(10)
    assert len(times) == 2
