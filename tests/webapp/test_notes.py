"""Internal notes over REST: who may write and read them; and bots, which are silent while a human answers."""

from typing import Any
from uuid import uuid4

import pytest

from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob")
CLIENTS = {"crm": ("send", "manage"), "bot": ("send",)}
CARLA = "+5511999990000"
SECRET = "he owes us money"


def customer(gateway: Driver) -> str:
    """A conversation of alice with somebody on WhatsApp."""
    members = ["alice", f"whatsapp:{CARLA}"]
    return str(gateway.ask("crm", "POST", "/v1/conversations", {"type": "group", "members": members}, 201)["conversation_id"])


def history(gateway: Driver, who: str, talk: str) -> list[tuple[str, str]]:
    """(visibility, words) of what somebody reads."""
    found = gateway.ask(who, "GET", f"/v1/conversations/{talk}/messages")["messages"]
    return [(each.get("visibility", ""), each["payload"]["text"]) for each in found]


def test_a_note_is_read_by_those_who_answer_only(gateway: Driver) -> None:
    """In history, by its id, also by a client that reads every conversation; whoever writes it need not be a member."""
    talk = customer(gateway)
    gateway.send("crm", "hello", conversation_id=talk, sender="alice")
    said = gateway.send("crm", SECRET, conversation_id=talk, visibility="internal")
    gateway.process()
    assert history(gateway, "crm", talk) == [("", "hello"), ("internal", SECRET)]
    shown = gateway.ask("crm", "GET", f"/v1/messages/{said['message_id']}")
    assert (shown["visibility"], shown["sender"], shown["status"], shown["deliveries"]) == ("internal", "crm", "SENT", [])
    for who in ("alice", "bot"):
        assert history(gateway, who, talk) == [("", "hello")]
        path = f"/v1/messages/{said['message_id']}"
        for query in ("", f"?conversation_id={talk}"):
            assert gateway.refused(who, "GET", path + query, None, 404)[0] == "unknown_message"
        assert SECRET not in str(gateway.ask(who, "GET", f"/v1/conversations/{talk}/messages?limit=1"))


def test_a_note_is_frozen_without_recipients(gateway: Driver) -> None:
    """Whoever is in the conversation: not even the way to them is looked up. A message to all of them has one."""
    talk = customer(gateway)
    gateway.send("crm", SECRET, conversation_id=talk, visibility="internal", sender="alice")
    gateway.send("crm", "hello", conversation_id=talk, visibility="all", sender="alice")
    note, said = gateway.records()
    assert (note.recipients, note.renditions, note.sender_name) == ((), (), "")
    assert len(said.recipients) == 1


def test_a_note_said_again_is_one_note(gateway: Driver) -> None:
    """The same id is the same note; as a message to all it is another body."""
    talk, message_id = customer(gateway), str(uuid4())
    body: dict[str, Any] = {"conversation_id": talk, "sender": "alice", "message_id": message_id}
    first = gateway.send("crm", SECRET, visibility="internal", **body)
    gateway.process()
    assert gateway.send("crm", SECRET, visibility="internal", **body) == first
    code = gateway.send("crm", SECRET, 409, **body)["code"]
    assert code == "message_id_conflict"
    assert len(gateway.records()) == 1


WRONG: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    "a person": ("alice", {}, 403, "scope_needed", "visibility"),
    "a bot": ("bot", {}, 403, "scope_needed", "visibility"),
    "to somebody": ("crm", {"to": ["alice"]}, 422, "invalid", "to"),
    "on a channel": ("crm", {"channels": ["whatsapp"]}, 422, "invalid", "channels"),
    "on all": ("crm", {"channels": ["all"]}, 422, "invalid", "channels"),
    "nowhere": ("crm", {"conversation_id": None}, 422, "missing", "conversation_id"),
    "a place": ("crm", {"payload": {"type": "location", "latitude": 1, "longitude": 1}}, 422, "invalid", "payload.type"),
    "seen by some": ("crm", {"visibility": "some"}, 422, "invalid", "visibility"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_could_make_a_note_go_somewhere_is_refused(gateway: Driver, name: str) -> None:
    """With the field; and nothing is appended."""
    who, change, status, code, field = WRONG[name]
    body: dict[str, Any] = {
        "conversation_id": customer(gateway),
        "payload": {"type": "text", "text": SECRET},
        "visibility": "internal",
    }
    body = {key: value for key, value in (body | change).items() if value is not None}
    assert gateway.refused(who, "POST", "/v1/messages", body, status) == (code, field)
    assert gateway.records() == []


def test_bots_are_silent_while_a_human_answers(gateway: Driver) -> None:
    """409 for a client that is not of those who answer; these, and people, may speak. What is known is accepted again."""
    talk, message_id = customer(gateway), str(uuid4())
    gateway.send("bot", "hi", conversation_id=talk, sender="alice", message_id=message_id)
    gateway.process()
    gateway.ask("crm", "PATCH", f"/v1/conversations/{talk}", {"handler": "human"})
    assert gateway.send("bot", "hm", 409, conversation_id=talk, sender="alice")["code"] == "handled_by_human"
    gateway.send("bot", "hi", conversation_id=talk, sender="alice", message_id=message_id)
    gateway.send("alice", "I am here", conversation_id=talk)
    gateway.send("crm", "so am I", conversation_id=talk, sender="alice")
    gateway.ask("crm", "PATCH", f"/v1/conversations/{talk}", {"handler": "bot"})
    gateway.send("bot", "back", conversation_id=talk, sender="alice")
