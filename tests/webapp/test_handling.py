"""How conversations are handled, over REST: who may see and change it, filters, and when a conversation is open again."""

import time
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.failures import Temporary
from chat4all.model.handling import LOOK, TELL
from chat4all.model.records import EVENTS, TEAM_VERSION, Range
from chat4all.ports.listing import SLOT_MS
from chat4all.v1 import chat_pb2 as pb
from tests.webapp.driver import Driver
from webapp.requests.bounds import Bounds

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
CARLA = "+5511999990000"


def of(talk: str) -> str:
    """The path of a conversation."""
    return f"/v1/conversations/{talk}"


def told(driver: Driver) -> list[pb.HandlingEvent]:
    """What those who answer were told."""
    found = []
    for partition, (first, end) in driver.parts.log.ends(EVENTS).items():
        if end > first:
            for record in driver.parts.log.read(EVENTS, [Range(partition, first, end - 1)], 5):
                if record.headers["kind"] == "handling":
                    assert record.headers["v"] == str(TEAM_VERSION)
                    found.append(pb.Event.FromString(record.value).handling)
    return found


def listed(driver: Driver, who: str = "crm", **query: str) -> list[str]:
    """All conversations that a filter lets through, page by page."""
    found, after = [], ""
    while True:
        answer = driver.ask(who, "GET", f"/v1/conversations?{urlencode({**query, 'after': after})}")
        found += [each["conversation_id"] for each in answer["conversations"]]
        if "next" not in answer:
            return found
        after = answer["next"]


def test_a_conversation_is_open_until_somebody_says_otherwise(gateway: Driver) -> None:
    """Nobody's, without labels, of normal priority; to those who answer only."""
    talk = gateway.private("alice", "bob")
    shown = gateway.ask("crm", "GET", of(talk))
    assert (shown["state"], shown["assignee"], shown["priority"], shown["labels"]) == ("open", "", "normal", [])
    assert (shown["handler"], shown["handling_version"]) == ("nobody", 0)
    for who in ("alice", "bot"):
        assert not {"state", "assignee", "labels", "handling_version"} & gateway.ask(who, "GET", of(talk)).keys()


def test_what_is_changed_is_shown_and_told(gateway: Driver) -> None:
    """What is left out stays; each change is one version more, and told once; saying it again changes nothing."""
    talk = gateway.private("alice", "bob")
    change = {"assignee": "bob", "priority": "high", "labels": ["vip", "a", "vip"], "handler": "human"}
    shown = gateway.ask("crm", "PATCH", of(talk), change)
    assert shown.items() >= (change | {"labels": ["a", "vip"], "state": "open", "handling_version": 1}).items()
    assert gateway.ask("crm", "PATCH", of(talk), change)["handling_version"] == 1
    later = gateway.ask("crm", "PATCH", of(talk), {"state": "closed", "assignee": None, "labels": None})
    assert (later["state"], later["assignee"], later["labels"], later["priority"]) == ("closed", "", [], "high")
    assert gateway.ask("crm", "GET", of(talk)) == later
    first, second = told(gateway)
    assert (first.version, first.state, first.assignee, list(first.labels)) == (1, "open", "bob", ["a", "vip"])
    assert (second.version, second.state, second.changed_by) == (2, "closed", "crm")
    assert not [each for each in gateway.parts.store.due_handlings(now_ms(), 9) if each.kind == TELL]


@pytest.mark.parametrize("who", ["alice", "bot"])
def test_who_does_not_answer_changes_and_filters_nothing(gateway: Driver, who: str) -> None:
    """403; and a conversation that is not theirs does not exist."""
    talk = gateway.private("alice", "bob")
    assert gateway.refused(who, "PATCH", of(talk), {"state": "closed"}, 403)[0] == "scope_needed"
    for query in ("state=open", "assignee=bob", "assignee=", "label=vip", "priority=high", "handler=bot"):
        assert gateway.refused(who, "GET", f"/v1/conversations?{query}", None, 403)[0] == "scope_needed"
    assert gateway.refused("eve", "PATCH", of(talk), {"state": "closed"}, 404)[0] == "unknown_conversation"
    assert gateway.refused("crm", "PATCH", of(str(uuid4())), {"state": "closed"}, 404)[0] == "unknown_conversation"
    assert gateway.ask("crm", "GET", of(talk))["handling_version"] == 0


WRONG = {
    "no such state": ({"state": "done"}, "state"),
    "no such priority": ({"priority": "x"}, "priority"),
    "nobody": ({"assignee": "nobody"}, "assignee"),
    "an inbox": ({"assignee": "inbox-whatsapp"}, "assignee"),
    "a label with a blank": ({"labels": ["a b"]}, "labels"),
    "an empty label": ({"labels": [""]}, "labels"),
    "a long label": ({"labels": ["x" * 51]}, "labels"),
    "many labels": ({"labels": [str(n) for n in range(21)]}, "labels"),
    "snoozed for ever": ({"state": "snoozed"}, "snoozed_until"),
    "snoozed until null": ({"state": "snoozed", "snoozed_until": None}, "snoozed_until"),
    "snoozed until yesterday": ({"state": "snoozed", "snoozed_until": "2020-01-01T00:00:00Z"}, "snoozed_until"),
    "snoozed for centuries": ({"state": "snoozed", "snoozed_until": "2500-01-01T00:00:00Z"}, "snoozed_until"),
    "snoozed until never": ({"state": "snoozed", "snoozed_until": "tomorrow"}, "snoozed_until"),
    "snoozed without a zone": ({"state": "snoozed", "snoozed_until": "2027-01-01T00:00:00"}, "snoozed_until"),
    "closed until": ({"state": "closed", "snoozed_until": "2027-01-01T00:00:00Z"}, "snoozed_until"),
    "open, but seen": ({"state": "open", "seen_up_to": 5}, "seen_up_to"),
    "seen, but not closed": ({"seen_up_to": 5}, "seen_up_to"),
    "seen far away": ({"state": "closed", "seen_up_to": 2**60}, "seen_up_to"),
    "an unknown field": ({"colour": "red"}, "colour"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(gateway: Driver, name: str) -> None:
    """422 with the field, and nothing has changed."""
    body, field = WRONG[name]
    talk = gateway.private("alice", "bob")
    assert gateway.refused("crm", "PATCH", of(talk), body, 422)[1] == field
    assert gateway.ask("crm", "GET", of(talk))["handling_version"] == 0


def test_a_change_of_what_was_changed_meanwhile_is_refused(gateway: Driver) -> None:
    """With the version that one has seen: 409 says how it is now."""
    talk = gateway.private("alice", "bob")
    gateway.ask("crm", "PATCH", of(talk), {"assignee": "bob", "handling_version": 0})
    problem = gateway.ask("crm", "PATCH", of(talk), {"assignee": "alice", "handling_version": 0}, 409)
    assert (problem["code"], problem["assignee"], problem["handling_version"]) == ("handling_changed", "bob", 1)
    assert gateway.ask("crm", "PATCH", of(talk), {"assignee": "alice", "handling_version": 1})["assignee"] == "alice"


def test_a_snooze_can_be_moved_and_ended(gateway: Driver) -> None:
    """Until another time; whoever opens or closes it ends the snooze. The time is kept with other changes."""
    talk, first, second = gateway.private("alice", "bob"), rfc3339(now_ms() + 90_000), rfc3339(now_ms() + 180_000)
    assert gateway.ask("crm", "PATCH", of(talk), {"state": "snoozed", "snoozed_until": first})["snoozed_until"] == first
    assert gateway.ask("crm", "PATCH", of(talk), {"snoozed_until": second})["snoozed_until"] == second
    kept = gateway.ask("crm", "PATCH", of(talk), {"priority": "low"})
    assert (kept["state"], kept["snoozed_until"]) == ("snoozed", second)
    assert [each.snoozed_until_ms > now_ms() for each in told(gateway)] == [True] * 3
    assert "snoozed_until" not in gateway.ask("crm", "PATCH", of(talk), {"state": "closed"})
    assert gateway.refused("crm", "PATCH", of(talk), {"snoozed_until": second}, 422)[1] == "snoozed_until"


def test_what_a_customer_said_that_nobody_saw_keeps_it_open(gateway: Driver) -> None:
    """Who closes says up to where they have seen it: what came after that is not lost among what is closed."""
    said = gateway.writes("whatsapp", CARLA, "hello", "w1")
    gateway.process()
    talk = said.conversation_id
    assert gateway.ask("crm", "PATCH", of(talk), {"state": "closed"})["state"] == "closed"
    gateway.ask("crm", "PATCH", of(talk), {"state": "open"})
    unseen = gateway.ask("crm", "PATCH", of(talk), {"state": "closed", "seen_up_to": said.seq - 1})
    assert unseen["state"] == "open"
    assert [each.state for each in told(gateway)] == ["closed", "open", "closed", "open"]
    assert told(gateway)[-1].changed_by == ""
    assert gateway.ask("crm", "PATCH", of(talk), {"state": "closed", "seen_up_to": said.seq})["state"] == "closed"


def test_what_cannot_be_told_now_is_told_later(gateway: Driver) -> None:
    """The log is away: the change is made, answered, and noted to be told."""
    talk = gateway.private("alice", "bob")
    gateway.log_faults.fail("append", Temporary("log", "away"))
    assert gateway.ask("crm", "PATCH", of(talk), {"state": "closed"})["state"] == "closed"
    assert told(gateway) == []
    assert {each.kind for each in gateway.parts.store.due_handlings(now_ms() + 5_000, 9)} == {TELL, LOOK}


def test_filters(gateway: Driver) -> None:
    """Each by itself and together, latest first, in pages of any size; what nobody touched is open and nobody's."""
    talks = [gateway.group("crm", "alice", "bob") for _ in range(6)]
    for talk in talks:
        gateway.send("crm", conversation_id=talk, sender="alice")
        time.sleep(0.002)
    gateway.process()
    until = rfc3339(now_ms() + 90_000)
    gateway.ask("crm", "PATCH", of(talks[0]), {"assignee": "bob", "labels": ["vip", "é"]})
    gateway.ask("crm", "PATCH", of(talks[1]), {"assignee": "bob", "state": "closed", "labels": ["vip"]})
    gateway.ask("crm", "PATCH", of(talks[2]), {"state": "snoozed", "snoozed_until": until, "priority": "urgent"})
    gateway.ask("crm", "PATCH", of(talks[3]), {"handler": "human", "labels": ["vip"]})
    cases: list[tuple[dict[str, str], list[int]]] = [
        ({"state": "open"}, [5, 4, 3, 0]),
        ({"state": "closed"}, [1]),
        ({"state": "snoozed"}, [2]),
        ({"assignee": "bob"}, [1, 0]),
        ({"assignee": "bob", "state": "open"}, [0]),
        ({"assignee": "eve"}, []),
        ({"assignee": ""}, [5, 4, 3, 2]),
        ({"assignee": "", "state": "open"}, [5, 4, 3]),
        ({"label": "vip"}, [3, 1, 0]),
        ({"label": "é"}, [0]),
        ({"label": "vip", "assignee": "bob", "state": "closed"}, [1]),
        ({"priority": "urgent"}, [2]),
        ({"handler": "human"}, [3]),
        ({"handler": "human", "label": "none"}, []),
    ]
    for query, wanted in cases:
        for limit in ("1", "2", "200"):
            assert listed(gateway, limit=limit, **query) == [talks[n] for n in wanted], query
    assert gateway.refused("crm", "GET", "/v1/conversations?state=done", None, 422) == ("invalid", "state")


def test_a_page_looks_at_a_bounded_number(gateway: Driver) -> None:
    """However few a filter lets through: the page then says where to go on, and in the end all were found."""
    gateway.given(bounds=Bounds(conversations=2))
    talks = [str(uuid4()) for _ in range(7)]
    for place, talk in enumerate(talks):
        founded = Conversation(talk, ConversationType.GROUP, "alice", now_ms() - place * SLOT_MS)
        gateway.parts.store.add_conversations([(founded, ["alice", "bob"])])
    gateway.ask("crm", "PATCH", of(talks[5]), {"priority": "urgent"})
    first = gateway.ask("crm", "GET", "/v1/conversations?priority=urgent&limit=1")
    assert first["conversations"] == []
    assert listed(gateway, priority="urgent", limit="1") == [talks[5]]


def test_the_lists_of_other_readers_are_as_before(gateway: Driver) -> None:
    """Members see their conversations whatever the state."""
    talk = gateway.private("alice", "bob")
    gateway.ask("crm", "PATCH", of(talk), {"state": "closed"})
    assert listed(gateway, "alice", order="activity") == listed(gateway, "alice") == [talk]
