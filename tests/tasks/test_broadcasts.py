"""Broadcasts: everybody with the tag is told once, at the rate, whatever fails on the way and whoever takes the steps."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.broadcasts import DONE, PAUSED, RATE_MOST, RUNNING, SHARE, STOPPED, WAITING, Broadcast, Result
from chat4all.model.contacts import REVOKED
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.deliveries import BROADCAST_STOPPED, Facts
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.messages import Message
from chat4all.model.quiet_hours import QuietHours
from chat4all.model.records import INCOMING, Range, read_message
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.broadcasts.registry import BroadcastRegistry
from chat4all.services.broadcasts.steps import BroadcastSteps
from chat4all.services.contacts.consents import decide_consent
from chat4all.services.contacts.merging import merge, unmerge
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS, REGISTRY
from tasks.broadcasts import BroadcastRunner
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, asked_anew, world

START = 1_700_000_000_000


class Desk:
    """A road with contacts, and a clock that the test moves by a second before each step."""

    def __init__(self, road: World, channel: Fake | None = None) -> None:
        self.road, self.store, self.now = road, road.store, START
        self.acceptor = Acceptor(road.store, road.log, road.parts.settings, {"whatsapp": channel or Fake()})
        self.steps = self.other()
        self.store.add_users([User("crm", UserKind.CLIENT, 1, scopes=("send", "manage")), User("alice", UserKind.PERSON, 1)])

    def other(self) -> BroadcastSteps:
        """Another process's."""
        return BroadcastSteps(self.store, self.acceptor, lambda: self.now)

    def contacts(self, count: int, tag: str = "vip") -> list[str]:
        """So many, with an address each."""
        ids = [f"c-{number:03d}" for number in range(count)]
        self.store.add_users([User(each, UserKind.CONTACT, 1, each) for each in ids])
        self.store.claim_addresses([Identity("whatsapp", f"+55119{number:08d}", each, 1) for number, each in enumerate(ids)])
        for each in ids:
            self.store.change_profile(each, lambda there: replace(there, tags=(tag,)))
        return ids

    def begins(self, rate: int = 3, **fields: Any) -> Broadcast:
        """One that runs."""
        made = Broadcast("b", "", {"type": "text", "text": "sale"}, "whatsapp", "vip", rate, "crm", 1, "alice")
        kept = replace(made, state=RUNNING, **fields)
        assert self.store.put_broadcast(kept)
        return kept

    def step(self, by: BroadcastSteps | None = None) -> list[Result]:
        """A second later."""
        self.now += 1_000
        return (by or self.steps).step(self.kept())

    def kept(self) -> Broadcast:
        found = self.store.broadcast("b")
        assert found
        return found

    def records(self) -> list[Message]:
        """What was accepted, with what was accepted twice."""
        ends = self.road.log.ends(INCOMING).items()
        spans = [Range(partition, first, end - 1) for partition, (first, end) in ends if end > first]
        return [read_message(each) for each in self.road.log.read(INCOMING, spans, 5)] if spans else []

    def told(self) -> Counter[str]:
        """How many messages each was told, by user id."""
        return Counter(to.user_id for _, to in {(each.message_id, each.recipients[0]) for each in self.records()})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with world(tmp_path, partitions=2) as road:
        yield Desk(road)


def test_everybody_with_the_tag_is_told_at_the_rate(desk: Desk) -> None:
    """Three a second; then it is done, and says what came of each."""
    ids = desk.contacts(8)
    desk.store.change_profile(ids[4], lambda there: replace(there, tags=("other",)))
    desk.begins()
    assert [len(desk.step()) for _ in range(4)] == [3, 3, 1, 0]
    assert desk.told() == dict.fromkeys([each for each in ids if each != ids[4]], 1)
    kept = desk.kept()
    assert (kept.state, kept.accepted, kept.refused, kept.skipped) == (DONE, 7, 0, 0)
    results = desk.store.results("b", 100)
    assert [each.contact_id for each in results] == [each for each in ids if each != ids[4]]
    assert {(each.message_id, each.conversation_id) for each in results} == {
        (each.message_id, each.conversation_id) for each in desk.records()
    }
    assert {each.sender for each in desk.records()} == {"alice"}


def test_who_cannot_or_does_not_want_to_be_told_is_passed_over(desk: Desk) -> None:
    """And the result says why."""
    one, two, three = desk.contacts(3)
    desk.store.release_address("whatsapp", "+5511900000000", one)
    decide_consent(desk.store, two, "whatsapp", REVOKED, "crm")
    desk.begins()
    assert {each.contact_id: each.reason for each in desk.step()} == {one: "no_address", two: "opted_out", three: ""}
    assert (desk.kept().skipped, desk.kept().accepted) == (2, 1)


def test_somebody_with_two_addresses_is_told_where_they_wrote_last(desk: Desk) -> None:
    """Once."""
    [one] = desk.contacts(1)
    desk.store.claim_addresses([Identity("whatsapp", "+5521", one, 2)])
    desk.store.note_wrote({("whatsapp", "+5521"): START})
    desk.begins()
    assert [each.address for each in desk.step()] == ["whatsapp:+5521"]


def test_what_was_not_used_of_the_rate_is_lost(desk: Desk) -> None:
    """After an hour of outage a step is as large as after a second; and there is no second step within one."""
    desk.contacts(9)
    desk.begins()
    desk.now += 3_600_000
    assert len(desk.step()) == 3
    assert desk.steps.step(desk.kept()) == []
    assert len(desk.step()) == 3


def test_of_several_at_once_one_takes_a_step(desk: Desk) -> None:
    """Who read the same as another, and comes later, does nothing."""
    desk.contacts(9)
    desk.begins()
    desk.now += 1_000
    seen = desk.kept()
    assert [len(each.step(seen)) for each in (desk.steps, desk.other())] == [3, 0]
    assert desk.kept().accepted == 3


@pytest.mark.parametrize("state", [PAUSED, STOPPED])
def test_a_step_under_way_is_the_last_one(desk: Desk, state: str) -> None:
    """Who is told while somebody pauses it counts, and is told no second time when it goes on."""
    ids = desk.contacts(6)
    desk.begins()
    put_results = desk.road.faults.real.put_results

    def pausing(broadcast_id: str, results: list[Result]) -> None:
        put_results(broadcast_id, results)
        there = desk.kept()
        assert desk.store.put_broadcast(replace(there.changed(state, desk.now), version=there.version + 1))

    desk.road.faults.answer("put_results", pausing)
    assert len(desk.step()) == 3
    assert (desk.kept().state, desk.kept().accepted, desk.kept().after) == (state, 3, ids[2])
    assert [each.state for each in desk.store.running_broadcasts()] == [state]


@pytest.mark.parametrize("after", range(4))
def test_who_was_merged_is_told_once(desk: Desk, after: int) -> None:
    """Before the broadcast or in its midst, whichever of them had the tag; and again apart they are not told twice."""
    ids = desk.contacts(4)
    desk.begins(1)
    for step in range(5):
        if step == after:
            merge(desk.store, ids[1], ids[3], "", START)
            desk.acceptor.people.standing.look_again()
        desk.step()
    unmerge(desk.store, ids[1], "", "", START)
    while desk.kept().state == RUNNING:
        desk.step()
    owners = [recipient.user_id for each in desk.records() for recipient in each.recipients]
    assert len(owners) == len(set(owners)) == 3
    assert {ids[0], ids[2]} < set(owners)


def test_who_is_in_a_list_with_two_addresses_is_told_once(desk: Desk) -> None:
    """In one step or in two."""
    ids = desk.contacts(3)
    merge(desk.store, ids[0], ids[2], "", START)
    desk.acceptor.people.standing.look_again()
    places = [desk.store.identities([each])[each][0].address for each in ids]
    desk.begins(1, tag="")
    desk.store.add_audience("b", places)
    results = [each for _ in range(5) for each in desk.step()]
    assert sorted((each.outcome, each.reason) for each in results) == [
        ("accepted", ""), ("accepted", ""), ("skipped", "same_person"),
    ]  # fmt: skip
    assert len(desk.records()) == 2


def test_a_list_is_told_at_its_addresses(desk: Desk) -> None:
    """Contacts and strangers, whatever their tags; who wants none is passed over."""
    one, two = desk.contacts(2)
    decide_consent(desk.store, two, "whatsapp", REVOKED, "crm")
    desk.begins(tag="")
    desk.store.add_audience("b", ["+5511900000000", "+5511900000001", "+5521"])
    assert [(each.turn, each.contact_id, each.reason) for each in [*desk.step(), *desk.step()]] == [
        ("+5511900000000", one, ""),
        ("+5521", "", ""),
        ("+5511900000001", two, "opted_out"),
    ]
    assert sum(desk.told().values()) == 2
    assert desk.kept().state == DONE


def test_nobody_is_told_in_their_quiet_hours(desk: Desk) -> None:
    """Each by their own clock: who sleeps has another turn when they do not, and it is done when all had theirs."""
    here, there, lost = desk.contacts(3)
    # 22:13 in London, 19:13 in Sao Paulo.
    for each, zone in ((here, "Europe/London"), (there, "America/Sao_Paulo"), (lost, "Europe/London")):
        desk.store.change_profile(each, lambda profile, zone=zone: replace(profile, time_zone=zone))  # type: ignore[misc]
    desk.begins(quiet=QuietHours("21:00", "08:00"))
    results = {each.contact_id: (each.outcome, each.due_at) for each in desk.step()}
    # 08:00 in London.
    due = 1_700_035_200_000
    assert results == {here: (WAITING, due), there: ("accepted", 0), lost: (WAITING, due)}
    assert (desk.kept().state, desk.kept().waiting, desk.kept().accepted) == (RUNNING, 2, 1)
    assert desk.step() == []
    desk.store.change_profile(lost, lambda profile: replace(profile, tags=()))
    asleep = desk.kept()
    assert desk.step() == []
    assert desk.kept() == asleep
    desk.now = due - 2_000
    assert desk.step() == []
    assert {each.contact_id: each.reason for each in desk.step()} == {here: "", lost: "left_audience"}
    kept = desk.kept()
    assert (kept.state, kept.waiting, kept.accepted, kept.skipped) == (DONE, 0, 2, 1)
    assert desk.told() == {here: 1, there: 1}


def test_broadcasts_leave_a_part_of_the_account_to_others(desk: Desk) -> None:
    """However fast they are to be, and however many there are."""
    desk.contacts(30)
    desk.begins(RATE_MOST, stepped_at=START)
    pace = desk.acceptor.people.channels["whatsapp"].limits.account_per_second
    desk.now += 50
    assert len(desk.steps.step(desk.kept(), together=2)) == int(pace * SHARE / 2 / 20)


FAULTS = st.lists(
    st.sampled_from(["", "append", "unsure", "put_results", "put_later", "put_broadcast", "profiles", "contact_page"]),
    max_size=12,
)


@tried(max_examples=40)
@given(faults=FAULTS, rate=st.integers(1, 7), quiet=st.booleans())
def test_whatever_fails_everybody_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, faults: list[str], rate: int, quiet: bool
) -> None:
    """Log or store are away, answers are lost, the process dies and another goes on: counts and results agree in the end.

    Also where all of them have to wait first, and a fault strikes while they are put off, or have their second turn.
    """
    with world(tmp_path_factory.mktemp("w"), partitions=2) as road:
        desk = Desk(road)
        ids = desk.contacts(9)
        # 22:13:20 at the start: quiet for seven seconds.
        desk.begins(rate, quiet=QuietHours("22:00", "22:14") if quiet else None)
        desk.now += 33_000 if quiet else 0
        for fault in faults:
            away = road.log_faults if fault in ("append", "unsure") else road.faults
            if fault:
                away.fail("append" if fault == "unsure" else fault, Unknown("log") if fault == "unsure" else Temporary("x"))
            with suppress(Temporary, Unknown):
                desk.step(desk.other())
            away.mend()
        for _ in range(30):
            if desk.kept().state == RUNNING:
                desk.step(desk.other())
        assert desk.kept().waiting == 0
        assert desk.told() == dict.fromkeys(ids, 1)
        assert (desk.kept().state, desk.kept().accepted) == (DONE, 9)
        assert [each.contact_id for each in desk.store.results("b", 100)] == ids


def turns() -> float:
    """How many the metric has counted."""
    return REGISTRY.get_sample_value("chat4all_broadcast_turns_total", {"outcome": "accepted"}) or 0.0


def test_the_runner_counts_turns_and_says_how_long_one_stands_still(desk: Desk) -> None:
    """While the log is away it waits, and shows it."""
    desk.contacts(2)
    desk.begins(RATE_MOST, moved_at=START)
    runner = BroadcastRunner(desk.road.parts, asked_anew(desk.road), BroadcastSteps(desk.store, desk.acceptor))
    desk.road.log_faults.fail("append", Temporary("away"))
    swept = runner.sweep()
    assert swept
    swept.join(5)
    assert runner.stalled()[()] > 1_000
    assert READERS[metrics.BROADCASTS_STALLED]() == runner.stalled()
    assert desk.kept().accepted == 0
    desk.road.log_faults.mend()
    before = turns()
    assert desk.store.put_broadcast(replace(desk.kept(), version=desk.kept().version + 1, stepped_at=START))
    again = runner.sweep()
    assert again
    again.join(5)
    assert (desk.kept().state, desk.kept().accepted) == (DONE, 2)
    assert turns() == before + 2
    assert runner.sweep() is None
    assert runner.stalled() == {(): 0}


def test_what_becomes_of_it_is_told_and_a_stop_withdraws_what_was_not_sent(desk: Desk) -> None:
    """An event for each change; what waits in a lane is withdrawn, what the provider has is not; nothing counts twice."""
    desk.contacts(4)
    registry = BroadcastRegistry(desk.store, desk.acceptor)
    made = Broadcast("b", "", {"type": "text", "text": "sale"}, "whatsapp", "vip", RATE_MOST, "crm", 1, "alice")
    registry.create(made)
    runner = BroadcastRunner(desk.road.parts, asked_anew(desk.road), BroadcastSteps(desk.store, desk.acceptor))
    registry.change("b", RUNNING)
    runner._run(desk.store.running_broadcasts()[:1])
    assert (desk.kept().state, desk.kept().untold) == (DONE, False)
    desk.road.run()
    keys = [each.key for each in desk.road.rows()]
    desk.store.record({keys[0]: Facts(attempts=1, attempted_at=START, sent_at=START, provider_id="p")}, [], {})
    kept = desk.kept()
    assert desk.store.put_broadcast(replace(kept, version=kept.version + 1, state=RUNNING, exhausted=False, after="z"))
    registry.change("b", STOPPED)
    for ended_ago in (0, 0, 6_000):
        there = desk.kept()
        desk.store.put_broadcast(replace(there, version=there.version + 1, ended_at=there.ended_at - ended_ago))
        runner._run(desk.store.running_broadcasts()[:1])
    assert (desk.kept().withdrawn, desk.kept().withdrawing, desk.store.running_broadcasts()) == (3, 0, [])
    assert {each.reason for each in desk.store.withdrawn(keys).values()} == {BROADCAST_STOPPED}
    assert keys[0] not in desk.store.withdrawn(keys)
    published = desk.road.events("broadcast")
    assert (published[0].state, published[-1].state, published[-1].withdrawn) == (DONE, STOPPED, 3)
    versions = [each.broadcast_version for each in published]
    assert versions == sorted(versions)


class Tiered(Fake):
    """An account that may write to four people a day."""

    limits = replace(Fake.limits, people_per_day=4)


@pytest.fixture
def tiered(tmp_path: Path) -> Iterator[Desk]:
    with world(tmp_path / "tiered", partitions=2) as road:
        yield Desk(road, Tiered())


DAY_S = 86_400


def test_what_exceeds_the_accounts_daily_budget_waits_until_it_is_free(tiered: Desk) -> None:
    """Nothing is refused or passed over. It says until when it waits, and goes on to; a day later the rest is told."""
    ids = tiered.contacts(7)
    tiered.begins(rate=3)
    assert [len(tiered.step()) for _ in range(4)] == [3, 1, 0, 0]
    kept = tiered.kept()
    assert (kept.state, kept.accepted, kept.untold) == (RUNNING, 4, True)
    assert tiered.now < kept.waits_until <= tiered.now + (DAY_S + 3_600) * 1_000
    before = kept.moved_at
    tiered.now += 60_000
    assert tiered.step() == []
    assert tiered.kept().moved_at > before
    tiered.now = kept.waits_until
    assert len(tiered.step()) == 3
    tiered.step()
    assert (tiered.kept().state, tiered.kept().waits_until) == (DONE, 0)
    assert tiered.told() == dict.fromkeys(ids, 1)


def test_a_broadcast_that_needs_just_its_budget_is_done(tiered: Desk) -> None:
    """It does not wait for a day to find out that nobody is left."""
    tiered.contacts(4)
    tiered.begins(rate=4)
    assert [len(tiered.step()) for _ in range(2)] == [4, 0]
    assert tiered.kept().state == DONE


def test_all_broadcasts_of_an_account_spend_the_same_budget(tiered: Desk) -> None:
    """Those that run share what is left; what one spent that has ended counts as long."""
    tiered.contacts(9)
    other = tiered.begins(rate=9)
    ended = replace(other, broadcast_id="a", state=DONE, spent={(tiered.now + 1_000) // 3_600_000: 1})
    runs = replace(other, broadcast_id="c")
    tiered.now += 1_000
    # Three are left for two: the first by name has one more.
    assert len(tiered.steps.step(tiered.kept(), 2, lambda: [ended, runs])) == 2


def test_the_runner_knows_what_others_of_the_account_have_spent(tiered: Desk) -> None:
    """Those that run, and those that ended: of another channel or workspace none."""
    tiered.contacts(9)
    spent = {tiered.now // 3_600_000: 1}
    made = tiered.begins(rate=9)
    ended = {
        name: replace(made, broadcast_id=name, state=DONE, spent=spent, channel=channel)
        for name, channel in (("a", "whatsapp"), ("d", "telegram"), ("agency/e", "whatsapp"))
    }
    for each in ended.values():
        assert tiered.store.put_broadcast(each)
    asked = []

    class Asks(BroadcastSteps):
        def step(self, broadcast: Broadcast, together: int = 1, others: Any = tuple) -> list[Result]:
            asked.append([each.broadcast_id for each in others()])
            return []

    runner = BroadcastRunner(tiered.road.parts, cast("Any", None), Asks(tiered.store, tiered.acceptor))
    thread = runner.sweep()
    assert thread
    thread.join(20)
    assert asked[0] == ["a"]
