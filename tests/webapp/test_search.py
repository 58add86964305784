"""GET /v1/search: who finds what, how, and what is refused."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from bridges.documents import documents_of, members_of, people_of
from chat4all.model.content import Deletion, Edit, Text
from chat4all.model.modifiers import Modification
from chat4all.ports import Feeding
from tests.webapp.driver import Driver

CARLA = "+5511999990000"


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start(search="sqlite:search.db")
    driver.people("alice", "bob", "eve")
    driver.service("crm", "send", "manage")
    driver.service("bot", "send")
    return driver


def index_all(gateway: Driver) -> None:
    """What the indexer makes of all that was said."""
    messages, store, index = gateway.process(), gateway.parts.store, gateway.parts.search
    assert index is not None
    index.begin("test")
    index.empty("test", Feeding("topic"))
    people = people_of(store, members_of(store, {each.conversation_id for each in messages}))
    assert index.feed("test", Feeding("topic"), documents_of(store, messages), people)


def find(gateway: Driver, who: str, q: str, expect: int = 200, **more: Any) -> Any:
    named = {{"within": "in", "since": "from"}.get(name, name): value for name, value in more.items()}
    return gateway.ask(who, "GET", f"/v1/search?{urlencode({'q': q, **named})}", None, expect)


def texts(gateway: Driver, who: str, q: str, **more: Any) -> list[str]:
    return [each["snippet"]["text"] for each in find(gateway, who, q, **more)["messages"]]


def test_a_message_is_found_with_where_its_words_are(gateway: Driver) -> None:
    """Place, sender, time, type; and a snippet without markup, with the words' places in it."""
    talk = gateway.group("alice", "bob")
    sent = gateway.send("alice", "Olá! Informações <b>do</b> PEDIDO", conversation_id=talk)
    index_all(gateway)
    [found] = find(gateway, "bob", "pedidos informacao")["messages"]
    assert (found["message_id"], found["conversation_id"], found["sender"]) == (sent["message_id"], talk, "alice")
    assert found["type"] == "text"
    assert found["seq"] > 0
    text = found["snippet"]["text"]
    assert text == "Olá! Informações <b>do</b> PEDIDO"
    assert [text[each["start"] : each["end"]] for each in found["snippet"]["marks"]] == ["Informações", "PEDIDO"]


def test_members_find_what_they_may_read(gateway: Driver) -> None:
    """What was said while they were there; a manager finds all; a bot only where it is told the conversation."""
    ours, theirs = gateway.group("alice", "bob"), gateway.group("alice", "eve")
    gateway.send("alice", "secret plan one", conversation_id=ours)
    gateway.send("alice", "secret plan two", conversation_id=theirs)
    gateway.process()
    gateway.ask("alice", "POST", f"/v1/conversations/{ours}/members", {"members": ["eve"]})
    gateway.send("alice", "secret plan three", conversation_id=ours)
    gateway.ask("alice", "DELETE", f"/v1/conversations/{ours}/members/bob", None, 204)
    gateway.send("alice", "secret plan four", conversation_id=ours)
    index_all(gateway)
    seen = {who: {text.split()[-1] for text in texts(gateway, who, "secret")} for who in ("alice", "bob", "eve", "crm", "bot")}
    assert seen == {
        "alice": {"one", "two", "three", "four"},
        "bob": {"one", "three"},
        "eve": {"two", "three", "four"},
        "crm": {"one", "two", "three", "four"},
        "bot": set(),
    }
    assert len(texts(gateway, "bot", "secret", conversation=ours)) == 3
    assert gateway.refused("eve", "GET", f"/v1/search?q=x&conversation={uuid4()}", None, 404)[0] == "unknown_conversation"
    assert gateway.refused("bob", "GET", f"/v1/search?q=x&conversation={theirs}", None, 404)[0] == "unknown_conversation"


def test_notes_are_found_by_those_who_answer(gateway: Driver) -> None:
    """Not by members, nor by bots that may read the conversation."""
    talk = gateway.group("alice", "bob")
    gateway.send("crm", "he owes us", conversation_id=talk, visibility="internal")
    index_all(gateway)
    [note] = find(gateway, "crm", "owes")["messages"]
    assert note["visibility"] == "internal"
    for who in ("alice", "bot"):
        assert texts(gateway, who, "owes", conversation=talk) == []


def test_an_index_that_is_behind_shows_nothing_that_is_gone(gateway: Driver) -> None:
    """A message that was deleted or edited a moment ago: the store says so, and it is asked."""
    talk = gateway.group("alice", "bob")
    for text in ("deleted words", "edited words", "words that stay"):
        gateway.send("alice", text, conversation_id=talk)
    index_all(gateway)
    gone, changed, _ = gateway.process()
    deletion, edit = Deletion(gone.message_id), Edit(Text("other things"), changed.message_id)
    gateway.parts.store.put_modifications(
        [
            Modification(talk, gone.seq, gone.seq + 10, 5, deletion, "alice"),
            Modification(talk, changed.seq, changed.seq + 10, 5, edit, "alice"),
        ]
    )
    assert texts(gateway, "bob", "words") == ["words that stay"]
    assert texts(gateway, "crm", "deleted") == []


def test_pages_follow_each_other(gateway: Driver) -> None:
    """Newest first, each once; those that may not be read cost a page nothing."""
    talk, other = gateway.group("alice", "bob"), gateway.group("alice", "eve")
    for number in range(12):
        gateway.send("alice", f"word {number}", conversation_id=talk)
        gateway.send("alice", "word elsewhere", conversation_id=other)
    index_all(gateway)
    after, found = "", list[str]()
    while True:
        page = find(gateway, "bob", "word", limit=5, after=after)
        found += [each["snippet"]["text"] for each in page["messages"]]
        if "next" not in page:
            break
        after = page["next"]
    assert sorted(found) == sorted(f"word {number}" for number in range(12))


def test_filters(gateway: Driver) -> None:
    """By type and time; a message's time is that of its acceptance, `from` is in, `to` is not."""
    talk = gateway.group("alice", "bob")
    gateway.send("alice", "a word", conversation_id=talk)
    poll = {"type": "poll", "question": "a word?", "options": ["yes", "no"]}
    gateway.ask("alice", "POST", "/v1/messages", {"conversation_id": talk, "payload": poll}, 202)
    index_all(gateway)
    found = {each["type"]: each for each in find(gateway, "bob", "word")["messages"]}
    assert found.keys() == {"text", "poll"}
    assert [each["type"] for each in find(gateway, "bob", "word", type="poll,media")["messages"]] == ["poll"]
    at = found["text"]["accepted_at"]
    assert "text" in [each["type"] for each in find(gateway, "bob", "word", since=at)["messages"]]
    assert "text" not in [each["type"] for each in find(gateway, "bob", "word", to=at)["messages"]]
    assert texts(gateway, "bob", "word", to="2020-01-01T00:00:00Z") == []


def test_contacts_are_found_by_name_and_address(gateway: Driver) -> None:
    """By those who may manage them: as they are called now, and whoever has exactly this id first."""
    talk = gateway.group("crm", "alice", f"whatsapp:{CARLA}")
    gateway.send("alice", "hello alice", conversation_id=talk)
    index_all(gateway)
    [carla] = find(gateway, "crm", "99999-0000", within="contacts")["contacts"]
    assert [each["address"] for each in carla["identities"]] == [CARLA]
    assert find(gateway, "crm", f"whatsapp:{CARLA}", within="contacts")["contacts"] == [carla]
    assert [each["user_id"] for each in find(gateway, "crm", "ali", within="contacts")["contacts"]] == ["alice"]
    # Never in a conversation: only by the whole id.
    assert [each["user_id"] for each in find(gateway, "crm", "eve", within="contacts")["contacts"]] == ["eve"]
    both = find(gateway, "crm", "alice", within="messages,contacts")
    assert ([each["user_id"] for each in both["contacts"]], len(both["messages"])) == (["alice"], 1)
    assert gateway.refused("alice", "GET", "/v1/search?q=x&in=contacts", None, 403)[0] == "scope_needed"


WRONG = [
    ("q=%22%22", "q"),
    ("q=", "q"),
    ("q=%21%3F", "q"),
    ("q=" + "a" * 300, "q"),
    ("q=" + "+".join(f"w{number}" for number in range(20)), "q"),
    ("", "q"),
    ("q=x&in=people", "in"),
    ("q=x&type=video", "type"),
    ("q=x&from=yesterday", "from"),
    ("q=x&to=2026-01-01T00:00:00", "to"),
    ("q=x&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
    ("q=x&conversation=talk", "conversation_id"),
    ("q=x&after=zzz", "after"),
    ("q=x&limit=0", "limit"),
    ("q=x&sort=old", "sort"),
    ("q=%22&in=contacts", "q"),
]


@pytest.mark.parametrize(("query", "field"), WRONG)
def test_a_question_that_cannot_be_answered_says_why(gateway: Driver, query: str, field: str) -> None:
    """422 with the field; never a 5xx."""
    assert gateway.refused("crm", "GET", f"/v1/search?{query}") == (
        "malformed_uuid" if field == "conversation_id" else "invalid",
        field,
    )


def test_without_an_index_it_says_how_to_have_one(start: Callable[..., Driver]) -> None:
    """Search is off unless it is asked for."""
    gateway = start()
    gateway.people("alice")
    problem = gateway.ask("alice", "GET", "/v1/search?q=x", None, 409)
    assert (problem["code"], "CHAT4ALL_SEARCH" in problem["detail"]) == ("search_off", True)


def test_an_index_that_is_being_made_says_so(gateway: Driver) -> None:
    """What was found is not all that there is."""
    index = gateway.parts.search
    assert index is not None
    assert find(gateway, "alice", "word")["partial"] is True
    index_all(gateway)
    assert find(gateway, "alice", "word")["partial"] is False
    index.begin("test")
    index.empty("test", Feeding("topic", {}, ""))
    assert find(gateway, "alice", "word")["partial"] is True


def test_searches_are_timed(gateway: Driver) -> None:
    """In the gateway's figures."""
    find(gateway, "alice", "word")
    assert b"chat4all_search_seconds_count" in gateway.client.get("/metrics").data


def test_a_search_needs_a_login(gateway: Driver) -> None:
    """As every call."""
    assert gateway.call(None, "GET", "/v1/search?q=x").status_code == 401
