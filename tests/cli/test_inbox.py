"""The commands of those who answer, typed against a real gateway."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from chat4all.client import Client, Tokens
from chat4all.model.clock import DAY_MS, day_of, now_ms
from chat4all.model.content import Text
from chat4all.model.conversations import User, UserKind
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, Range, read_message
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed, answered, gateway, quiet


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path / "data").model_copy(update={"broker": "memory://"}))
    road.users("alice", "bob")
    road.store.add_users([User("crm", UserKind.CLIENT, 1, scopes=("manage", "send"))])
    yield road
    road.close()


@pytest.fixture
def typed(road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """Commands of a service client with scope manage."""
    with quiet(), gateway(road.settings) as url:
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("TOKEN", road.client_token("crm", "manage", "send"))
        yield Typed(monkeypatch, capsys)


def incoming(road: Road, partition: int) -> list[Message]:
    """The messages in a partition of the log."""
    first, end = road.log.ends(INCOMING)[partition]
    return (
        [read_message(each) for each in road.log.read(INCOMING, [Range(partition, first, end - 1)], 5)] if end > first else []
    )


def test_what_is_unread_is_listed(typed: Typed, road: Road) -> None:
    """With how many messages, up to a bound; with the option only what has any, or has none."""
    talk, quiet_talk, long_talk = (road.conversation(name, "alice", "bob") for name in ("talk", "quiet", "long"))
    road.say(talk, "one", "two")
    road.say(long_talk, *map(str, range(101)))
    lines = {line.split()[0]: line for line in typed.fine("inbox").splitlines()}
    assert "2 unread" in lines[talk]
    assert "99+ unread" in lines[long_talk]
    assert "unread" not in lines[quiet_talk]
    assert sorted(line.split()[0] for line in typed.fine("inbox", "--unread").splitlines()) == sorted([talk, long_talk])
    assert [line.split()[0] for line in typed.fine("inbox", "--no-unread").splitlines()] == [quiet_talk]


def test_a_reply_is_kept_and_sent(typed: Typed, road: Road) -> None:
    """By its shortcut: added, listed, changed, sent with the customer's name, deleted."""
    talk = road.conversation("talk", "alice", "crm")
    assert "hello  Greeting: Hi" in typed.fine("replies", "add", "Greeting", "hello", "Hi {{name|you}}")
    typed.fine("replies", "add", "Hours", "hours", "9 to 5")
    assert [line.split()[1] for line in typed.fine("replies", "list", "he").splitlines()] == ["hello"]
    typed.fine("replies", "change", "hello", "--text", "Hi {{name|you}}, it is {{agent|us}}")
    assert "unknown_variable" in typed.error("replies", "change", "hello", "--text", "{{nobody}}")
    assert f"in {talk}" in typed.fine("replies", "send", "hello", talk)
    [record] = [each for part in range(2) for each in incoming(road, part)]
    assert record.payload == Text("Hi you, it is us")
    typed.fine("replies", "delete", "hello")
    assert [line.split()[1] for line in typed.fine("replies", "list").splitlines()] == ["hours"]


def test_conversations_are_counted(typed: Typed, road: Road) -> None:
    """As CSV, or a line of JSON for each row; all pages together."""
    for name in ("one", "two"):
        road.say(road.conversation(name, "alice", "crm"), f"hi {name}")
    today = day_of(now_ms())
    tomorrow = day_of(now_ms() + DAY_MS)
    out = typed.fine("report", today, tomorrow, "--by", "day,channel")
    assert out == (
        "day,channel,conversations,answered,answer_seconds,closed,resolution_seconds,messages_in,messages_out\n"
        f"{today},chat4all,2,0,0.0,0,0.0,2,0\n"
    )
    [row] = map(json.loads, typed.fine("report", today, tomorrow, "--by", "", "--json").splitlines())
    assert (row["conversations"], "day" in row) == (2, False)
    assert "31 days" in typed.error("report", "2026-01-01", "2026-03-01")
    assert typed.fine("costs", today, tomorrow) == ""
    assert "category" in typed.error("costs", today, tomorrow, "--by", "agent")


def test_the_client_adds_up_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the same names are one, however many pages they are on."""
    pages: dict[str, dict[str, Any]] = {
        "": {"rows": [{"day": "b", "closed": 1}, {"day": "a", "closed": 1}], "next": "7:x"},
        "7:x": {"rows": [{"day": "b", "closed": 2}]},
    }

    def request(_session: requests.Session, method: str, url: str, params: dict[str, str], **_: Any) -> requests.Response:
        return answered(200, **pages[params.get("after", "")])

    client = Client("http://127.0.0.1:9", tokens=Tokens("token"))
    monkeypatch.setattr("requests.Session.request", request)
    assert client.report("2026-03-01", "2026-03-02") == [{"day": "a", "closed": 1}, {"day": "b", "closed": 3}]
