"""Messages whose time has come are sent once, or their sender is told why not, whoever dies and whoever is at it as well."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
from chat4all.model.content import Text
from chat4all.model.conversations import User, UserKind
from chat4all.model.deferred_records import CANCELLED, CLAIM_MS, REFUSED, RELEASED, RELEASING, WAITING, DeferredRecord
from chat4all.model.drafts import Accepted, Draft, Refused
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, VERSION, Range, read_message
from chat4all.model.scheduled_messages import SCHEDULED, record_id_of
from chat4all.model.workspaces import REMOVED, SUSPENDED, Workspace
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.refusals import Conflict
from chat4all.services.schedule import Schedule
from tasks.deferred_records import DeferredRunner
from tasks.scheduled_messages import SENDER_GONE, UNREADABLE, WORKSPACE_REMOVED, ScheduledReleaser
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, world

CRM = Caller("crm", UserKind.CLIENT, frozenset({"send", "manage"}))
ALICE = Caller("alice")


class Desk:
    """A world with people in a workspace, and runners that release what is due."""

    def __init__(self, road: World, workspace: str = "default") -> None:
        self.road, self.workspace = road, workspace
        channels = {"whatsapp": Fake()}
        self.acceptors = Acceptors(road.store, road.log, road.parts.settings, channels)
        self.acceptor, self.store = self.acceptors.of(workspace), self.acceptors.store(workspace)
        self.runners = [DeferredRunner(road.parts, {SCHEDULED: ScheduledReleaser(road.parts, channels)}) for _ in range(2)]
        people = [User(name, UserKind.PERSON, 1) for name in ("alice", "bob")]
        self.store.add_users([User("crm", UserKind.CLIENT, 1, scopes=("send", "manage")), *people])
        self.schedule = Schedule(self.store, self.acceptor)

    def later(self, caller: Caller = ALICE, text: str = "hello", **more: Any) -> str:
        """Something that is due now; its message id."""
        fields: dict[str, Any] = {"to": ["bob"], "send_at": now_ms() - 1000, "message_id": str(uuid4()), **more}
        caller = replace(caller, workspace=self.workspace)
        [answer] = self.acceptor.accept(caller, [Draft(Text(text), **fields)])
        assert isinstance(answer, Accepted), answer
        return answer.message_id

    def look(self, runner: int = 0) -> None:
        """A sweep, and what it began."""
        thread = self.runners[runner].sweep()
        if thread:
            thread.join(10)

    def record(self, message_id: str) -> DeferredRecord:
        return self.store.deferred_records([record_id_of(message_id)])[record_id_of(message_id)]

    def state(self, message_id: str) -> str:
        return self.record(message_id).state

    def aged(self, message_id: str) -> None:
        """Have it be taken some time ago."""
        there = self.record(message_id)
        older = replace(there, version=there.version + 1, changed_at=there.changed_at - CLAIM_MS)
        assert self.store.put_deferred_records([older]) == [True]

    def appended(self) -> list[Message]:
        """What is in the log, with what was appended twice."""
        ends = self.road.log.ends(INCOMING).items()
        spans = [Range(partition, first, end - 1) for partition, (first, end) in ends if end > first]
        return [read_message(each) for each in self.road.log.read(INCOMING, spans, 5)] if spans else []

    def said(self) -> Counter[str]:
        """How often readers are told of each message, once the stages have worked."""
        self.road.run()
        return Counter(name for name, _ in {(each.message_id, each.seq) for each in self.road.events("message")})

    def refusals(self) -> set[tuple[str, str]]:
        return {(each.message_id, each.reason) for each in self.road.events("rejected")}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with world(tmp_path) as road:
        yield Desk(road)


def test_what_is_due_is_sent_as_if_it_was_said_now(desk: Desk) -> None:
    """Once, with time, members and addresses of now; what is due later waits."""
    name, other = desk.later(), desk.later(send_at=now_ms() + 60_000)
    before = now_ms()
    desk.look()
    desk.look(1)
    [sent] = desk.appended()
    assert (sent.message_id, sent.payload, sent.sender) == (name, Text("hello"), "alice")
    assert sent.accepted_at >= before
    assert (desk.state(name), desk.state(other)) == (RELEASED, WAITING)
    assert desk.said() == {name: 1}
    assert [each.conversation_id for each in desk.road.events("conversation")] == [sent.conversation_id]


def test_what_may_be_otherwise_is_looked_at_when_it_is_due(desk: Desk) -> None:
    """Who is no member any more, and who was disabled, says nothing: their sender is told why, with the message's id."""
    group = desk.acceptor.people.found_pairs({str(uuid4()): ("alice", "bob")})
    [talk] = group
    left = desk.later(conversation_id=talk, to=None)
    gone = desk.later(CRM, sender="bob", to=["alice"])
    desk.store.change_members(talk, 1, [], ["alice"])
    desk.store.change_user("bob", lambda there: replace(there, disabled_at=1))
    desk.look()
    assert desk.appended() == []
    assert desk.refusals() == {(left, "not_a_member"), (gone, SENDER_GONE)}
    assert {(desk.state(each), desk.record(each).why) for each in (left, gone)} == {
        (REFUSED, "not_a_member"),
        (REFUSED, SENDER_GONE),
    }
    noted = [each.subject.split(" ") for each in desk.road.store.changes({talk: 0}) if each.kind == "rejected"]
    assert [(each[0], each[2], each[3]) for each in noted] == [(left, "not_a_member", "alice")]


def test_rights_are_those_of_now(desk: Desk) -> None:
    """A client that may no longer write for others does not, though it might when it asked."""
    name = desk.later(CRM, sender="alice")
    desk.store.change_user("crm", lambda there: replace(there, scopes=("manage",)))
    desk.look()
    assert desk.refusals() == {(name, "scope_needed")}


def test_what_was_said_now_under_the_same_id_is_not_said_again(desk: Desk) -> None:
    """Whoever was first is heard; the other's sender is told."""
    other = Acceptors(desk.road.parts.store, desk.road.parts.log, desk.road.parts.settings, {}).of()
    # It asked a moment ago whether anything waits.
    [before] = other.accept(ALICE, [Draft(Text("before"), to=["bob"], message_id=str(uuid4()))])
    name = desk.later()
    [answer] = other.accept(ALICE, [Draft(Text("another"), to=["bob"], message_id=name)])
    assert isinstance(answer, Accepted)
    assert isinstance(before, Accepted)
    desk.road.run()
    desk.look()
    assert desk.said() == {name: 1, before.message_id: 1}
    assert desk.refusals() == {(name, "message_id_conflict")}


@pytest.mark.parametrize("failure", [Temporary("log"), Unknown("log")])
def test_in_an_outage_it_comes_again_and_is_said_once(desk: Desk, failure: Exception) -> None:
    """Whether or not the log has it already."""
    name = desk.later()
    append = desk.road.log.append

    def half(*given: Any) -> Any:
        if isinstance(failure, Unknown):
            append(*given)
        raise failure

    with desk.road.log_faults.instead("append", half):
        desk.look()
    assert desk.state(name) == RELEASING
    desk.aged(name)
    desk.look(1)
    assert desk.state(name) == RELEASED
    assert desk.said() == {name: 1}


def test_while_the_store_is_away_nothing_is_decided(desk: Desk) -> None:
    """Neither sent nor refused; then it is sent."""
    name = desk.later()
    desk.road.faults.fail("memberships", Temporary("store"))
    desk.look()
    desk.road.faults.mend()
    assert (desk.appended(), desk.refusals(), desk.state(name)) == ([], set(), RELEASING)
    desk.aged(name)
    desk.look()
    assert desk.said() == {name: 1}


def test_what_was_decided_is_done_though_it_would_be_decided_otherwise_now(desk: Desk) -> None:
    """Who dies between the append and the mark has sent it: it is not refused as well. And the other way round."""
    sent, refused = desk.later(), desk.later(CRM, sender="bob", to=["alice"])
    desk.store.change_user("bob", lambda there: replace(there, disabled_at=1))
    put, number = desk.road.faults.real.put_deferred_records, [0]

    def dies(records: Sequence[DeferredRecord]) -> list[bool]:
        number[0] += 1
        if number[0] == 3:
            raise RuntimeError("killed")
        kept: list[bool] = put(records)
        return kept

    with desk.road.faults.instead("put_deferred_records", dies):
        desk.look()
    assert len(desk.appended()) == 1
    desk.store.change_user("bob", lambda there: replace(there, disabled_at=0))
    desk.store.change_user("alice", lambda there: replace(there, disabled_at=1))
    for each in (sent, refused):
        desk.aged(each)
    desk.look(1)
    assert (desk.state(sent), desk.state(refused)) == (RELEASED, REFUSED)
    assert desk.said() == {sent: 1}
    assert desk.refusals() == {(refused, SENDER_GONE)}


def test_wherever_a_releaser_dies_it_is_said_once(desk: Desk) -> None:
    """Before and after each write of it, in turn; another one goes on, then nobody has anything to do."""
    for place in ("put_deferred_records", "append"):
        for number in range(1, 4 if place.startswith("put") else 2):
            for after in (False, True):
                name = desk.later(text=f"{place} {number} {after}")
                faults = desk.road.faults if place.startswith("put") else desk.road.log_faults
                with faults.instead(place, dying(getattr(faults.real, place), number, after)):
                    desk.look()
                if desk.state(name) == RELEASING:
                    desk.aged(name)
                desk.look(1)
                assert desk.state(name) == RELEASED, (place, number, after)
                assert desk.said()[name] == 1, (place, number, after)


def dying(call: Callable[..., Any], number: int, after: bool) -> Callable[..., Any]:
    """The call, whose `number`th time is its caller's last moment, before or after it has an effect."""
    left = [number]

    def made(*given: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            if after:
                call(*given)
            raise RuntimeError("killed")
        return call(*given)

    return made


def test_releases_changes_and_cancellations_exclude_each_other(desk: Desk) -> None:
    """In every order of a release by each of two, a change, and a cancellation, and wherever within a release these come.

    What was cancelled is never said, what was changed is said as it is then, and who is told that it is too late hears it said
    as it was.
    """
    for order in permutations(["release", "release again", "change", "cancel"]):
        for within in (0, 1, 2, 3):
            check_order(desk, order, within)


class Story:
    """What happens to one message, step by step. `done`: by step, whether it was not too late."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.name = desk, desk.later(text="first")
        self.done: dict[str, bool] = {}

    def go(self, steps: Sequence[str]) -> None:
        for each in steps:
            if each not in self.done:
                self.done[each] = True
                self._go(each)

    def _go(self, step: str) -> None:
        try:
            if step == "change":
                self.desk.schedule.change(ALICE, self.name, payload=Text("second"))
            elif step == "cancel":
                self.desk.schedule.cancel(ALICE, self.name)
            else:
                self.desk.look(1)
        except Conflict:
            self.done[step] = False

    def release(self, within: int, behind: Sequence[str]) -> None:
        """A release that is stopped before its `within`th write while all these happen; 0: they come after it."""
        faults, left = self.desk.road.faults, [within]

        def stopped(records: Sequence[DeferredRecord]) -> Any:
            left[0] -= 1
            if left[0] == 0:
                faults.mend()
                self.go(behind)
            return faults.real.put_deferred_records(records)

        with faults.instead("put_deferred_records", stopped):
            self.desk.look()
        self.go(behind)


def check_order(desk: Desk, order: Sequence[str], within: int) -> None:
    """These steps one after the other, but for a release in which the later ones happen."""
    story, first = Story(desk), order.index("release")
    story.go(order[:first])
    story.release(within, order[first + 1 :])
    said = [each.payload for each in desk.appended() if each.message_id == story.name]
    expected = Text("second" if story.done["change"] else "first")
    assert desk.state(story.name) == (CANCELLED if story.done["cancel"] else RELEASED), (order, within)
    assert set(said) == (set() if story.done["cancel"] else {expected}), (order, within)
    assert desk.said()[story.name] == len(set(said)), (order, within)


def test_two_at_once_say_it_once_though_one_is_slow(desk: Desk) -> None:
    """One is frozen after it took it; another goes on; the first one wakes, and its decision is too late."""
    name, is_first = desk.later(), [True]

    def frozen(user_ids: Sequence[str]) -> Any:
        if is_first.pop() if is_first else False:
            desk.aged(name)
            desk.look(1)
        return desk.road.faults.real.users(user_ids)

    with desk.road.faults.instead("users", frozen):
        desk.look()
    assert (desk.state(name), len(desk.appended())) == (RELEASED, 1)
    assert desk.said() == {name: 1}


def test_what_newer_code_wrote_waits_for_it(desk: Desk) -> None:
    """Others are not held up, and it is sent when that code comes."""
    newer, known = desk.later(), desk.later()
    there = desk.record(newer)
    body = there.body | {"version": VERSION + 1}
    assert desk.store.put_deferred_records([there.changed(now_ms(), body=body)]) == [True]
    desk.look()
    assert (desk.state(newer), desk.state(known)) == (RELEASING, RELEASED)


def test_what_nobody_can_read_is_refused_and_its_sender_told(desk: Desk) -> None:
    """Others are not held up."""
    broken, known = desk.later(), desk.later()
    there = desk.record(broken)
    assert desk.store.put_deferred_records([there.changed(now_ms(), body=there.body | {"draft": {"payload": 7}})]) == [True]
    desk.look()
    assert (desk.state(broken), desk.state(known)) == (REFUSED, RELEASED)
    assert desk.refusals() == {(broken, UNREADABLE)}


def test_each_workspace_sends_its_own(tmp_path: Path) -> None:
    """Under its own names; one that is suspended sends what it had accepted, one that was removed sends nothing."""
    with world(tmp_path) as road:
        acme, gone = Desk(road, "acme"), Desk(road, "gone")
        road.store.put_workspace(Workspace("acme", state=SUSPENDED))
        road.store.put_workspace(Workspace("gone", state=REMOVED))
        sent, refused = acme.later(), gone.later()
        acme.look()
        assert [(each.message_id, each.sender) for each in acme.appended()] == [(sent, "acme/alice")]
        assert (acme.state(sent), gone.state(refused)) == (RELEASED, REFUSED)
        assert acme.refusals() == {(refused, WORKSPACE_REMOVED)}
        assert acme.said() == {sent: 1}


def test_a_stranger_is_told_what_waited_and_is_a_contact_then(desk: Desk) -> None:
    """The answer named the conversation that it came into."""
    [answer] = desk.acceptor.accept(
        CRM, [Draft(Text("hi"), to=["whatsapp:+5511999990000"], sender="alice", send_at=now_ms() - 1)]
    )
    assert not isinstance(answer, Refused)
    desk.look()
    [sent] = desk.appended()
    assert (sent.conversation_id, sent.recipients[0].address) == (answer.conversation_id, "+5511999990000")
