"""The commands for operators, on a log and store in a folder."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chat4all.model.records import INCOMING
from chat4all.services.access import tokens
from chat4all.services.access.credentials import check_secret
from storage.shrinking import can_shrink
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path))
    yield road
    road.close()


@pytest.fixture
def typed(road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    monkeypatch.setenv("CHAT4ALL_DATA", str(road.settings.data))
    monkeypatch.setenv("CHAT4ALL_CONFIG", str(road.settings.data / "config"))
    for name in ("TOKEN", "CHAT4ALL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Typed(monkeypatch, capsys)


def test_a_client_is_made_once(typed: Typed, road: Road) -> None:
    """Its secret is shown then and never again; a second one of that name is refused."""
    made = json.loads(typed.fine("client", "create", "shop", "--scope", "send,manage"))
    user = road.store.users(["shop"])["shop"]
    assert check_secret(user, made["client_secret"])
    assert set(user.scopes) == {"send", "manage"}
    assert "shop is taken" in typed.error("client", "create", "shop", "--scope", "send")
    assert "unknown scope" in typed.error("client", "create", "other", "--scope", "everything")


def test_a_client_is_listed_rotated_and_deleted(typed: Typed, road: Road) -> None:
    """The old secret is void, and at the end its name is nobody's: not to be had again."""
    made = json.loads(typed.fine("client", "create", "shop", "--scope", "send"))
    assert json.loads(typed.fine("client", "list")) == {"client_id": "shop", "scopes": ["send"]}
    rotated = json.loads(typed.fine("client", "rotate", "shop"))
    user = road.store.users(["shop"])["shop"]
    assert check_secret(user, rotated["client_secret"])
    assert not check_secret(user, made["client_secret"])
    assert "deleted shop" in typed.fine("client", "delete", "shop")
    assert typed.fine("client", "list") == ""
    for command in ("rotate", "delete"):
        assert "no service client shop" in typed.error("client", command, "shop")
    assert "shop is taken" in typed.error("client", "create", "shop", "--scope", "send")
    assert "is disabled" in typed.error("token", "shop")


def test_a_token_names_whom_it_should(typed: Typed, road: Road) -> None:
    """It is what the gateway would have issued; for nobody there is none."""
    typed.fine("client", "create", "shop", "--scope", "send")
    caller = tokens.verify(typed.fine("token", "shop").strip(), road.settings.secret("jwt"))
    assert (caller.user_id, caller.scopes) == ("shop", frozenset({"send"}))
    assert "there is no nobody" in typed.error("token", "nobody")
    assert "not logged in" in typed.error("token")


def test_compact_makes_files_of_an_older_version_able_to_shrink(typed: Typed, road: Road) -> None:
    """Store and every topic are told with their sizes, and hold what they held."""
    road.users("alice", "bob")
    road.say(road.conversation("talk", "alice", "bob"), "one secret")
    road.close()
    paths = [road.settings.data / "store.db", *(road.settings.data / "log").glob("*.topic")]
    for path in paths:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA auto_vacuum=NONE")
            db.execute("VACUUM")
    out = typed.fine("compact")
    assert [line.partition(":")[0] for line in out.splitlines()] == [path.name for path in [paths[0], *sorted(paths[1:])]]
    for path in paths:
        with closing(sqlite3.connect(path)) as db:
            assert can_shrink(db)
    assert "one secret" in typed.fine("log", "tail", INCOMING, "-n", "1", "--values")


def test_log_tail_shows_records_and_keeps_words_back(typed: Typed, road: Road) -> None:
    """The last records with their places and headers; contents only when asked for."""
    road.users("alice", "bob")
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one secret", "two secret", "three secret")
    out = typed.fine("log", "tail", INCOMING, "-n", "2")
    assert len(out.splitlines()) == 2
    assert talk in out
    assert "secret" not in out
    assert "three secret" in typed.fine("log", "tail", INCOMING, "-n", "1", "--values")
    assert typed.fine("log", "tail", INCOMING, "-n", "0") == ""


def test_an_unknown_topic_is_an_error(typed: Typed, road: Road) -> None:
    """One line that says so."""
    assert "chat-nothing" in typed.error("log", "tail", "chat-nothing")
