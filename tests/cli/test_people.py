"""The commands for people, typed against a real gateway and stream server."""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given

from chat4all.cli.printing import event_line, message_line, printable, words
from chat4all.cli.session import Servers, kept
from chat4all.model.content import (
    Choices,
    Content,
    Deletion,
    Edit,
    Location,
    Media,
    Option,
    Poll,
    Reaction,
    Text,
    Unsupported,
    Vote,
    shown,
)
from chat4all.model.ids import private_conversation_id
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, Range, read_message
from chat4all.services.access import tokens
from chat4all.services.access.credentials import create_client
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes.events import message_event
from tests.bridges.road import Background, Road, settings_in
from tests.cli.commands import Typed, gateway, quiet
from tests.contents import contents

PASSWORD = "a long password"
MESSAGE_ID = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "data").model_copy(update={"broker": "memory://"})


@pytest.fixture
def road(settings: Settings) -> Iterator[Road]:
    """A gateway, a stream server, and alice registered; who is logged in is in the environment's folder."""
    road = Road(settings)
    yield road
    road.close()


@pytest.fixture
def typed(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    with quiet(), gateway(road.settings) as url, closing(Background(road)) as stream:
        stream.start()
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("CHAT4ALL_STREAM", f"127.0.0.1:{road.settings.stream_port}")
        monkeypatch.setenv("CHAT4ALL_CONFIG", str(tmp_path / "config"))
        monkeypatch.setenv("CHAT4ALL_PASSWORD", PASSWORD)
        monkeypatch.delenv("TOKEN", raising=False)
        yield Typed(monkeypatch, capsys)


def test_where_registration_is_closed_a_token_opens_it(typed: Typed, settings: Settings, road: Road) -> None:
    """As with compose: a service client with scope manage registers, and the new user is logged in."""
    with gateway(settings.model_copy(update={"open_registration": False})) as url:
        assert "scope manage" in typed.error("--base-url", url, "register", "alice")
        create_client(road.store, "shop", ["manage"])
        token = tokens.issue(road.store.users(["shop"])["shop"], tokens.ACCESS, 60, settings.secret("jwt"))
        assert "logged in" in typed.fine("--base-url", url, "--token", token, "register", "alice")
        login = kept()
        assert login is not None
        assert login.user_id == "alice"


def test_a_gateway_with_tls_has_its_stream_beside_it(typed: Typed) -> None:
    """A proxy stands in front of both; a login on this machine says nothing about another server."""
    typed.fine("register", "alice")
    here = kept()
    assert here is not None
    assert Servers().addresses() == (here.base_url, here.stream_target)
    assert Servers("https://chat.example.org").addresses() == ("https://chat.example.org", "https://chat.example.org")
    assert Servers("http://127.0.0.1:9").addresses() == ("http://127.0.0.1:9", "127.0.0.1:50051")


def test_register_login_logout(typed: Typed, tmp_path: Path) -> None:
    """The login is kept in a file that only its owner can read, and goes with logout."""
    assert "registered alice" in typed.fine("register", "alice")
    file = tmp_path / "config" / "session.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    typed.fine("logout")
    assert not file.exists()
    assert "not logged in" in typed.error("conversations")
    typed.fine("login", "alice")
    assert typed.fine("conversations") == ""
    assert [path.name for path in file.parent.iterdir()] == ["session.json"]


def test_wrong_password(typed: Typed) -> None:
    """One readable line, without the password."""
    typed.fine("register", "alice", "--no-login")
    error = typed.error("login", "alice", "--password", "not the password")
    assert "bad_credentials" in error
    assert "not the password" not in error


def test_a_login_renews_itself(typed: Typed, road: Road) -> None:
    """A token that has run out is replaced, and the new one is kept."""
    typed.fine("register", "alice")
    login = kept()
    assert login is not None
    file = Path(os.environ["CHAT4ALL_CONFIG"]) / "session.json"
    aged = json.loads(file.read_text())
    aged["tokens"] |= {"access": road.token("alice", -1), "expires_at": 0}
    file.write_text(json.dumps(aged))
    assert typed.fine("conversations") == ""
    renewed = kept()
    assert renewed is not None
    assert renewed.tokens.access != aged["tokens"]["access"]


def test_send_and_look(typed: Typed, road: Road) -> None:
    """What is sent can be followed, in words and as JSON."""
    typed.fine("register", "bob")
    typed.fine("register", "alice")
    out = typed.fine("send", "bob", "Hello", "Bob", "--id", MESSAGE_ID)
    talk = private_conversation_id("alice", "bob")
    assert out == f"accepted {MESSAGE_ID} in {talk}\n"
    road.say(talk, "stored\nin two lines", sender="bob")
    assert "alice, bob" in typed.fine("conversations")
    assert typed.fine("history", "bob").endswith("bob: stored⏎in two lines  ✓\n")
    [message] = [json.loads(line) for line in typed.fine("history", talk, "--json").splitlines()]
    assert message["payload"]["text"] == "stored\nin two lines"
    lines = typed.fine("status", message["message_id"]).splitlines()
    assert lines[0] == f"{message['message_id']}  SENT"
    assert lines[2] == "  chat4all to alice: SENT"
    assert typed.fine("read", "bob") == f"read up to {message['seq']}\n"


SENT = [
    (("--location", "-23.5,-46.6,MASP"), Location(-23.5, -46.6, "MASP")),
    (("--location", "0,0"), Location(0, 0)),
    (("Tea?", "--option", "y=Yes", "--option", "No"), Choices("Tea?", (Option("y", "Yes"), Option("No", "No")))),
    (("Tea?", "--option", "y=Yes", "--choices", "list"), Choices("Tea?", (Option("y", "Yes"),), "list")),
]


@pytest.mark.parametrize(("options", "content"), SENT)
def test_places_and_choices_are_sent(typed: Typed, road: Road, options: tuple[str, ...], content: Content) -> None:
    """As what they are."""
    typed.fine("register", "bob")
    typed.fine("register", "alice")
    typed.fine("send", "bob", *options)
    [message] = newest(road)
    assert message.payload == content


@pytest.mark.parametrize("place", ["here", "1", "1,east", ","])
def test_a_place_that_is_none_is_an_error(typed: Typed, place: str) -> None:
    """With the right way to write one."""
    typed.fine("register", "alice")
    assert "such as 52.52,13.4,Berlin" in typed.error("send", "bob", "--location", place)


def test_messages_are_answered_changed_and_reacted_to(typed: Typed, road: Road) -> None:
    """By their ids; the conversation is looked up."""
    typed.fine("register", "bob")
    typed.fine("register", "alice")
    talk = road.conversation("talk", "alice", "bob")
    [known] = road.say(talk, "Hello", sender="alice")
    typed.fine("send", talk, "Of course", "--reply-to", known.message_id)
    typed.fine("react", known.message_id, "👍")
    typed.fine("react", known.message_id, "")
    typed.fine("vote", known.message_id, "2", "1")
    typed.fine("vote", known.message_id)
    typed.fine("edit", known.message_id, "Hello", "Bob")
    typed.fine("delete", known.message_id, "--conversation", talk)
    answer, *changes = newest(road)[-7:]
    assert (answer.reply_to, answer.payload) == (known.message_id, Text("Of course"))
    target = known.message_id
    assert [each.payload for each in changes] == [
        Reaction(target, "👍"), Reaction(target, ""), Vote(target, (2, 1)), Vote(target),
        Edit(Text("Hello Bob"), target), Deletion(target),
    ]  # fmt: skip
    assert {each.conversation_id for each in changes} == {talk}


PRINTED = [
    (Text("a\x1b[2Jb"), "a·[2Jb"),
    (Media("f", "look", "cat\x07.png", "image/png"), "[cat·.png] look"),
    (Media("f", "", kind="voice"), "[voice]"),
    (Location(1, 2, "Home"), "📍 Home⏎https://maps.google.com/?q=1.0,2.0"),
    (Choices("Tea?", (Option("y", "Yes"), Option("n", "No"))), "Tea?⏎1. Yes⏎2. No"),
    (Reaction("7f1c0f9a-58b7", "👍"), "↩ 7f1c0f9a: 👍"),
    (Vote("7f1c0f9a-58b7", (2,), ("Ten\x07",)), "↩ 7f1c0f9a: 🗳 Ten·"),
    (Edit(Text("Hi"), "7f1c0f9a-58b7"), "↩ 7f1c0f9a: ✎ Hi"),
    (Deletion("7f1c0f9a-58b7"), "↩ 7f1c0f9a: [took a message back]"),
    (Unsupported("dice", "a \u202e die"), "a · die"),
]


@pytest.mark.parametrize(("content", "line"), PRINTED, ids=[type(each).__name__ for each, _ in PRINTED])
def test_every_kind_is_a_readable_line(content: Content, line: str) -> None:
    """Live and in history alike, and nothing in it moves a cursor."""
    message = Message("m", "c", "bob", content, 1, 5)
    event = pb.Event.FromString(message_event(message, 2).body)
    assert event_line(event).endswith(f"bob: {line}")
    history = {"sender": "bob", "status": "SENT", "accepted_at": "2026-01-01T00:00:00Z", "payload": shown(content)}
    assert message_line(history).endswith(f"bob: {line}  ✓")


def test_history_shows_what_became_of_a_message() -> None:
    """That it was edited, and what people felt about it."""
    since = {"edited_at": "2026-01-01T00:00:01Z", "reactions": [{"emoji": "👍\x1b", "sender": "bob", "at": "x"}]}
    message = {"sender": "bob", "status": "SENT", "accepted_at": "2026-01-01T00:00:00Z", "payload": shown(Text("hi"))} | since
    assert message_line(message).endswith("bob: hi (edited) 👍·  ✓")


def test_history_shows_how_a_poll_stands() -> None:
    """By option, whether each vote is told or only their number."""
    votes = [{"options": [2], "titles": ["Ten"], "sender": "bob", "at": "x"},
             {"titles": ["Nine", "Ten"], "counts": [3, 1], "sender": "channel", "at": "x"}]  # fmt: skip
    poll = {
        "sender": "bob",
        "status": "SENT",
        "accepted_at": "2026-01-01T00:00:00Z",
        "payload": shown(Poll("When?", ("Nine", "Ten"))),
    }
    assert message_line(poll | {"votes": votes}).endswith("(Nine: 3, Ten: 2)  ✓")


@given(contents(*get_args(Content)))
def test_nothing_that_people_send_gets_through_to_the_terminal(content: Content) -> None:
    """Of whatever kind."""
    assert words(content, "\x1b").isprintable()


def newest(road: Road) -> list[Message]:
    """All messages in the log, in the order of their conversation."""
    spans = road.log.ends(INCOMING)
    ranges = [Range(each, first, end - 1) for each, (first, end) in spans.items() if end > first]
    return [read_message(each) for each in road.log.read(INCOMING, ranges, 5)]


def test_words_from_standard_input(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dash reads the words; they never stand in the shell's history."""
    typed.fine("register", "bob")
    typed.fine("register", "alice")
    monkeypatch.setattr("sys.stdin", iter(()))
    monkeypatch.setattr("sys.stdin", type("Input", (), {"read": lambda _: "from a pipe"})())
    assert "message_id" in json.loads(typed.fine("send", "bob", "-", "--json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("send", "nobody", "hello"), "unknown_user"),
        (("send", "whatsapp:+5511999990000", "hello"), "chat4all: to"),
        (("status", MESSAGE_ID), "unknown_message"),
        (("history", MESSAGE_ID), "unknown_conversation"),
        (("--base-url", "http://127.0.0.1:9", "register", "carol"), "no answer from"),
    ],
)
def test_errors_are_one_line(typed: Typed, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 1 and a line that says what is wrong."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    typed.fine("register", "alice")
    assert said in typed.error(*words)


def test_stream_prints_each_message_once(typed: Typed, road: Road) -> None:
    """What waits is printed and acknowledged; with --all also what happens around it; as JSON for programs."""
    typed.fine("register", "bob")
    typed.fine("register", "alice")
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one", "two", sender="bob")
    lines = typed.fine("stream", "--count", "2", "--no-acknowledge").splitlines()
    assert [line[10:] for line in lines] == [f"{talk[:8]}  bob: one", f"{talk[:8]}  bob: two"]
    events = [json.loads(line) for line in typed.fine("stream", "--count", "2", "--json").splitlines()]
    assert [event["message"]["text"] for event in events] == ["one", "two"]


def test_a_token_stands_in_for_a_login(typed: Typed, road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOKEN, as the start prints it, is enough."""
    road.users("carol")
    monkeypatch.setenv("TOKEN", road.token("carol"))
    assert typed.fine("conversations") == ""
    assert typed.fine("token") == f"{os.environ['TOKEN']}\n"
    monkeypatch.setenv("TOKEN", "forged")
    assert "token_invalid" in typed.error("stream")


def test_what_a_message_cannot_do_to_a_terminal() -> None:
    """Control characters are shown, not obeyed."""
    assert printable("a\x1b[2Jb\rc\nd\u202e") == "a·[2Jb·c⏎d·"


def test_logging_out_ends_the_login_on_the_server(typed: Typed, road: Road) -> None:
    """Not only on this machine: whoever copied the file has nothing."""
    typed.fine("register", "alice")
    login = kept()
    assert login is not None
    assert "logged out" in typed.fine("logout")
    [session] = road.store.sessions("alice")
    assert session.ended
    assert "ended" in typed.error("--token", login.tokens.access, "conversations")
    assert "nobody was logged in" in typed.fine("logout")


def test_a_password_is_changed_and_logins_are_listed_and_ended(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login of this machine goes on; those elsewhere end."""
    typed.fine("register", "alice")
    elsewhere = kept()
    assert elsewhere is not None
    typed.fine("login", "alice")
    assert len(typed.fine("sessions").splitlines()) == 2
    monkeypatch.setenv("CHAT4ALL_NEW_PASSWORD", "quite another one")
    assert "all other logins have ended" in typed.fine("password")
    assert typed.fine("conversations") == ""
    assert "ended" in typed.error("--token", elsewhere.tokens.access, "conversations")
    [line] = typed.fine("sessions").splitlines()
    assert "(this one)" in line
    assert "ended" in typed.fine("sessions", "--end", line.split()[0])
    assert "ended" in typed.error("conversations")


def test_a_stream_ticket_is_printed(typed: Typed, settings: Settings) -> None:
    """Nothing but the ticket, for a URL: that of who is logged in."""
    typed.fine("register", "alice")
    [line] = typed.fine("ticket").splitlines()
    assert tokens.verify(line, settings.secret("jwt"), tokens.TICKET).user_id == "alice"


def test_commands_that_share_a_login_renew_it_once(typed: Typed, road: Road) -> None:
    """A refresh token is good once: who finds that another command has renewed it takes what that one kept."""
    typed.fine("register", "alice")
    one, other = Servers().client(), Servers().client()
    one.renew()
    newest = kept()
    assert newest is not None
    other.renew()
    assert other.token() == newest.tokens.access
    [session] = road.store.sessions("alice")
    assert session.turn == 1


def test_users_are_disabled_enabled_and_reset(typed: Typed, settings: Settings, road: Road) -> None:
    """By who has a token of a service client with scope manage."""
    typed.fine("register", "alice")
    create_client(road.store, "crm", ["manage"])
    crm = tokens.issue(road.store.users(["crm"])["crm"], tokens.ACCESS, 60, settings.secret("jwt"))
    assert "disabled since" in typed.fine("--token", crm, "user", "disable", "alice")
    assert "ended" in typed.error("conversations")
    assert "disabled" in typed.error("login", "alice")
    assert "enabled" in typed.fine("--token", crm, "user", "enable", "alice")
    typed.fine("login", "alice")
    assert len(typed.fine("--token", crm, "user", "sessions", "alice").splitlines()) == 1
    password = typed.fine("--token", crm, "user", "reset-password", "alice").strip()
    assert "ended" in typed.error("conversations")
    typed.fine("login", "alice", "--password", password)
    assert "ended" in typed.fine("--token", crm, "user", "sessions", "alice", "--end-all")
    assert "ended" in typed.error("conversations")
