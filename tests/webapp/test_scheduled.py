"""Messages that are to be sent later, over REST: accepted, listed, changed, cancelled, and refused."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.content import Text
from chat4all.model.deferred_records import RELEASING
from chat4all.model.drafts import Draft
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.records import EVENTS, Range
from chat4all.model.scheduled_messages import AHEAD_MOST_MS, record_id_of
from chat4all.v1 import chat_pb2 as pb
from tests.webapp.driver import Driver

HOUR_MS = 3_600_000
CARLA = "whatsapp:+5511999990000"


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start(scheduled_limit=5)
    driver.people("alice", "bob", "eve")
    driver.service("crm", "send", "manage")
    return driver


def at(ahead_ms: int = HOUR_MS) -> str:
    return rfc3339(now_ms() + ahead_ms)


def later(gateway: Driver, who: str = "alice", expect: int = 202, **more: Any) -> Any:
    """Somebody says something to Bob, for an hour later."""
    return gateway.send(who, **{"to": ["bob"], "send_at": at(), "expect": expect, **more})


def waiting(gateway: Driver, who: str = "alice", query: str = "") -> list[Any]:
    return list(gateway.ask(who, "GET", f"/v1/scheduled-messages{query}")["scheduled_messages"])


def events(gateway: Driver) -> list[pb.ScheduledEvent]:
    log = gateway.parts.log
    spans = [Range(partition, first, end - 1) for partition, (first, end) in log.ends(EVENTS).items() if end > first]
    found = [pb.Event.FromString(each.value) for each in log.read(EVENTS, spans, 5)] if spans else []
    return [each.scheduled for each in found if each.HasField("scheduled")]


def test_what_is_to_be_sent_later_waits_and_is_shown(gateway: Driver) -> None:
    """Nothing is in the log, and no conversation is founded, before it is due; its sender is told that it waits."""
    send_at = at()
    made = later(gateway, send_at=send_at, text="good morning", metadata={"n": 1})
    assert made["status"] == "scheduled"
    assert gateway.records() == []
    assert gateway.ask("alice", "GET", "/v1/conversations")["conversations"] == []
    [shown] = waiting(gateway)
    assert shown == gateway.ask("alice", "GET", f"/v1/scheduled-messages/{made['message_id']}")
    assert (
        shown.items()
        >= {
            "message_id": made["message_id"],
            "conversation_id": made["conversation_id"],
            "state": "scheduled",
            "send_at": send_at,
            "sender": "alice",
            "payload": {"type": "text", "text": "good morning"},
            "to": ["bob"],
            "metadata": {"n": 1},
        }.items()
    )
    [told] = events(gateway)
    assert (told.message_id, told.state, told.sender, rfc3339(told.send_at_ms)) == (
        made["message_id"],
        "scheduled",
        "alice",
        send_at,
    )
    assert made["conversation_id"] == gateway.send("alice", to=["bob"])["conversation_id"]


def test_the_same_again_is_the_same_message(gateway: Driver) -> None:
    """By its id or its key, also when time or words were changed since; another body under the id is refused."""
    name, send_at = str(uuid4()), at()
    first = later(gateway, message_id=name, send_at=send_at)
    assert later(gateway, message_id=name, send_at=send_at) == first
    gateway.ask("alice", "PATCH", f"/v1/scheduled-messages/{name}", {"send_at": at(2 * HOUR_MS)})
    assert later(gateway, message_id=name, send_at=send_at) == first
    assert later(gateway, message_id=name, send_at=at(3 * HOUR_MS), expect=409)["code"] == "message_id_conflict"
    assert later(gateway, message_id=name, send_at=send_at, text="other", expect=409)["code"] == "message_id_conflict"
    body = {"payload": {"type": "text", "text": "x"}, "to": ["bob"], "send_at": send_at}
    keyed = [gateway.call("alice", "POST", "/v1/messages", body, headers={"Idempotency-Key": "k"}).get_json() for _ in range(2)]
    assert keyed[0] == keyed[1]
    other = gateway.call("alice", "POST", "/v1/messages", body | {"to": ["eve"]}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    assert len(waiting(gateway)) == 2


def test_what_is_said_now_cannot_take_the_id_of_what_waits(gateway: Driver) -> None:
    """Nor the other way round; in another conversation the id is free."""
    name = str(uuid4())
    later(gateway, message_id=name)
    assert gateway.send("alice", to=["bob"], message_id=name, expect=409)["code"] == "message_id_conflict"
    gateway.send("eve", to=["alice"], message_id=name)
    said = gateway.send("alice", to=["bob"])["message_id"]
    gateway.process()
    assert later(gateway, message_id=said, expect=409)["code"] == "message_id_conflict"


@pytest.mark.parametrize(
    "given",
    [
        "2026-12-01T09:00:00",
        "tomorrow",
        "",
        1767225600,
        "2026-W49-2",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
    ],
)
def test_a_time_without_its_zone_or_that_is_none_is_refused(gateway: Driver, given: Any) -> None:
    """By field, with a word on how to write it."""
    problem = later(gateway, send_at=given, expect=422)
    assert problem["errors"][0]["field"] == "send_at"
    assert "zone" in problem["detail"]


def test_every_zone_names_the_same_moment(gateway: Driver) -> None:
    """Written with Z, with an offset, with a part of a second: it is one message."""
    name = str(uuid4())
    day = rfc3339(now_ms() + 86_400_000)[:10]
    for written in (f"{day}T12:00:00Z", f"{day}T09:00:00-03:00", f"{day}T17:30:00.000+05:30"):
        later(gateway, message_id=name, send_at=written)
    [shown] = waiting(gateway)
    assert shown["send_at"] == f"{day}T12:00:00.000Z"


def test_how_far_ahead_and_behind_a_time_may_lie(gateway: Driver) -> None:
    """90 days; a minute behind, as clocks differ: that is due at once."""
    assert gateway.refused("alice", "POST", "/v1/messages", said(at(-61_000))) == ("invalid", "send_at")
    assert gateway.refused("alice", "POST", "/v1/messages", said(at(AHEAD_MOST_MS + 60_000))) == ("invalid", "send_at")
    assert gateway.refused("alice", "POST", "/v1/messages", said("1970-01-01T00:00:00Z")) == ("invalid", "send_at")
    assert later(gateway, send_at=at(-30_000))["status"] == "scheduled"
    assert later(gateway, send_at=at(AHEAD_MOST_MS - 60_000))["status"] == "scheduled"


def said(send_at: str, **more: Any) -> dict[str, Any]:
    return {"payload": {"type": "text", "text": "x"}, "to": ["bob"], "send_at": send_at, **more}


def test_a_workspace_has_so_many_at_most(gateway: Driver) -> None:
    """One too many is refused, also of a batch; repeating one that waits is answered, and who cancels one may have another."""
    names = [later(gateway, message_id=str(uuid4()), send_at=at())["message_id"] for _ in range(4)]
    batch = gateway.ask("alice", "POST", "/v1/messages:batch", {"messages": [said(at()), said(at())]})["results"]
    assert [each["status"] for each in batch] == ["scheduled", "error"]
    assert batch[1]["error"]["code"] == "quota_exceeded"
    assert later(gateway, expect=429)["code"] == "quota_exceeded"
    gateway.ask("alice", "DELETE", f"/v1/scheduled-messages/{names[0]}")
    assert later(gateway)["status"] == "scheduled"


def test_what_can_be_known_now_is_checked_now(gateway: Driver) -> None:
    """What is said, by whom, to whom, with which files; not who may be written to just then."""
    group = gateway.group("alice", "bob")
    for more, code in (
        ({"payload": {"type": "text", "text": ""}}, "empty_text"),
        ({"to": ["nobody"]}, "unknown_user"),
        ({"to": [CARLA]}, "scope_needed"),
        ({"conversation_id": str(uuid4()), "to": None}, "unknown_conversation"),
        ({"payload": {"type": "media", "file_id": str(uuid4())}, "conversation_id": group, "to": None}, "unknown_file"),
    ):
        body = {name: each for name, each in (said(at()) | more).items() if each is not None}
        answer = gateway.call("alice", "POST", "/v1/messages", body)
        assert answer.status_code in (403, 404, 422), (more, answer.get_data(as_text=True))
        assert answer.get_json()["code"] == code
    assert waiting(gateway) == []
    assert gateway.ask("crm", "POST", "/v1/messages", said(at(), to=[CARLA]), 202)["status"] == "scheduled"


def test_members_see_their_own_and_the_team_sees_all(gateway: Driver) -> None:
    """Another's is not there for them: 404. A client says it for somebody; both may see and cancel it."""
    mine = later(gateway)["message_id"]
    theirs = later(gateway, "crm", sender="eve", to=["bob"])["message_id"]
    assert [each["message_id"] for each in waiting(gateway)] == [mine]
    assert {each["message_id"] for each in waiting(gateway, "crm")} == {mine, theirs}
    assert [each["message_id"] for each in waiting(gateway, "crm", "?from=eve")] == [theirs]
    assert gateway.ask("eve", "GET", f"/v1/scheduled-messages/{theirs}")["scheduled_by"] == "crm"
    for method, body in (("GET", None), ("PATCH", {"send_at": at()}), ("DELETE", None)):
        assert gateway.refused("bob", method, f"/v1/scheduled-messages/{mine}", body, expect=404)[0] == "unknown_message"
    assert gateway.ask("eve", "DELETE", f"/v1/scheduled-messages/{theirs}")["state"] == "cancelled"
    assert gateway.ask("crm", "DELETE", f"/v1/scheduled-messages/{mine}")["state"] == "cancelled"


def test_what_waits_is_listed_by_time_page_by_page_and_filtered(gateway: Driver) -> None:
    """By when it is sent and where; a page says how to go on."""
    names = [
        later(gateway, send_at=at(number * HOUR_MS), to=["bob" if number % 2 else "eve"])["message_id"]
        for number in (3, 1, 4, 2)
    ]
    ordered = [names[1], names[3], names[0], names[2]]
    assert [each["message_id"] for each in waiting(gateway)] == ordered
    seen, after = [], ""
    while True:
        page = gateway.ask("alice", "GET", f"/v1/scheduled-messages?limit=1&after={after}")
        seen += [each["message_id"] for each in page["scheduled_messages"]]
        if "next" not in page:
            break
        after = page["next"]
    assert seen == ordered
    assert [
        each["message_id"] for each in waiting(gateway, query=f"?since={at(int(1.5 * HOUR_MS))}&until={at(int(3.5 * HOUR_MS))}")
    ] == ordered[1:3]
    home = waiting(gateway)[0]["conversation_id"]
    assert [each["message_id"] for each in waiting(gateway, query=f"?conversation_id={home}")] == [ordered[0], ordered[2]]
    for wrong, field in (
        ("after=x", "after"),
        ("after=1.x", "after"),
        ("since=now", "since"),
        ("until=2026-01-01", "until"),
        ("limit=0", "limit"),
    ):
        assert gateway.refused("alice", "GET", f"/v1/scheduled-messages?{wrong}") == ("invalid", field)


def test_time_and_words_are_changed_and_looked_at_again(gateway: Driver) -> None:
    """What cannot be is refused by field, and nothing changes then; readers are told the newest time."""
    name = later(gateway)["message_id"]
    send_at = at(2 * HOUR_MS)
    changed = gateway.ask(
        "alice", "PATCH", f"/v1/scheduled-messages/{name}", {"send_at": send_at, "payload": {"type": "text", "text": "new"}}
    )
    assert (changed["send_at"], changed["payload"]["text"]) == (send_at, "new")
    for body, field in (
        ({"send_at": at(-HOUR_MS)}, "send_at"),
        ({"send_at": None}, "send_at"),
        ({"payload": {"type": "text", "text": ""}}, "payload.text"),
        ({"payload": {"type": "nothing"}}, "payload"),
        ({"to": ["eve"]}, "to"),
    ):
        assert gateway.refused("alice", "PATCH", f"/v1/scheduled-messages/{name}", body)[1] == field
    assert gateway.ask("alice", "PATCH", f"/v1/scheduled-messages/{name}", {}) == changed
    assert {(each.scheduled_version, each.state) for each in events(gateway)} == {(1, "scheduled"), (2, "scheduled")}
    assert gateway.ask("alice", "DELETE", f"/v1/scheduled-messages/{name}")["state"] == "cancelled"
    assert [each.state for each in events(gateway)][-1] == "cancelled"
    assert gateway.refused("alice", "PATCH", f"/v1/scheduled-messages/{name}", {"send_at": at()}, 409)[0] == "too_late"
    assert gateway.ask("alice", "DELETE", f"/v1/scheduled-messages/{name}")["state"] == "cancelled"
    assert waiting(gateway) == []


def test_what_is_being_sent_is_neither_changed_nor_cancelled(gateway: Driver) -> None:
    """409 says so: whoever is answered otherwise may rely on it."""
    name = later(gateway)["message_id"]
    store, record_id = gateway.parts.store, record_id_of(name)
    assert store.put_deferred_records([store.deferred_records([record_id])[record_id].to(RELEASING, now_ms())]) == [True]
    assert gateway.refused("alice", "PATCH", f"/v1/scheduled-messages/{name}", {"send_at": at()}, 409)[0] == "too_late"
    assert gateway.refused("alice", "DELETE", f"/v1/scheduled-messages/{name}", expect=409)[0] == "too_late"
    assert waiting(gateway)[0]["state"] == "sending"


def test_a_change_that_another_overtakes_is_made_upon_that(gateway: Driver) -> None:
    """Both stand in the end, one as time, one as words; no change is lost."""
    name = later(gateway)["message_id"]
    between = gateway.faults
    send_at = at(5 * HOUR_MS)
    store = gateway.parts.store
    put, is_first = between.real.put_deferred_records, [True]

    def overtaken(records: Any) -> Any:
        if is_first.pop() if is_first else False:
            there = store.deferred_records([record_id_of(name)])[record_id_of(name)]
            put(
                [
                    there.changed(
                        now_ms(),
                        body=there.body | {"draft": there.body["draft"] | {"payload": {"type": "text", "text": "theirs"}}},
                    )
                ]
            )
        return put(records)

    with between.instead("put_deferred_records", overtaken):
        changed = gateway.ask("alice", "PATCH", f"/v1/scheduled-messages/{name}", {"send_at": send_at})
    assert (changed["send_at"], changed["payload"]["text"]) == (send_at, "theirs")


@pytest.mark.parametrize("failure", [Temporary("log"), Unknown("log")])
def test_while_the_log_is_away_it_may_wait_already_and_the_same_again_is_it(gateway: Driver, failure: Exception) -> None:
    """The answer says that it may; said again it is accepted, told, and there once."""
    name, send_at = str(uuid4()), at()
    gateway.log_faults.fail("append", failure)
    assert later(gateway, message_id=name, send_at=send_at, expect=503)["code"] == "outcome_unknown"
    gateway.log_faults.mend()
    assert later(gateway, message_id=name, send_at=send_at)["status"] == "scheduled"
    assert len(waiting(gateway)) == len(events(gateway)) == 1


def test_while_the_store_is_away_nothing_is_accepted(gateway: Driver) -> None:
    """503; said again it is there once."""
    name, send_at = str(uuid4()), at()
    gateway.faults.fail("put_deferred_records", Temporary("store"))
    assert later(gateway, message_id=name, send_at=send_at, expect=503)["code"] == "unavailable"
    gateway.faults.mend()
    assert waiting(gateway) == []
    later(gateway, message_id=name, send_at=send_at)
    assert len(waiting(gateway)) == 1


def test_a_note_for_later_is_shown_to_the_team_alone(gateway: Driver) -> None:
    """Who may send and does not answer sees none of it."""
    gateway.service("bot", "send")
    talk = gateway.group("alice", "bob")
    body = {"payload": {"type": "text", "text": "ask her"}, "conversation_id": talk, "visibility": "internal", "send_at": at()}
    name = gateway.ask("crm", "POST", "/v1/messages", body, 202)["message_id"]
    assert gateway.refused("bot", "GET", f"/v1/scheduled-messages/{name}", expect=404)[0] == "unknown_message"
    assert gateway.ask("crm", "GET", f"/v1/scheduled-messages/{name}")["payload"]["text"] == "ask her"


def test_what_is_frozen_when_it_is_due_has_the_digest_of_what_was_asked(gateway: Driver) -> None:
    """So a client that says the same again after it was sent hears that it was accepted."""
    name, send_at = str(uuid4()), at()
    later(gateway, message_id=name, send_at=send_at)
    record = gateway.parts.store.deferred_records([record_id_of(name)])[record_id_of(name)]
    draft = Draft(Text("hello"), message_id=name, to=["bob"])
    [frozen] = gateway.parts.acceptor.freeze(Caller("alice"), [(draft, record.body["digest"])])
    gateway.parts.acceptor.append_frozen([frozen])  # type: ignore[list-item]
    gateway.process()
    assert later(gateway, message_id=name, send_at=send_at)["message_id"] == name
    assert len(gateway.records()) == 1
