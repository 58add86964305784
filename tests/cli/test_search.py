"""The commands that find something, typed against a real gateway."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridges.indexer import Bounds, Indexer
from chat4all.model.conversations import Identity, User, UserKind
from storage.open import open_search
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed, gateway, quiet

SEARCH = "sqlite:search.db"


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path / "data").model_copy(update={"broker": "memory://", "search": SEARCH}))
    road.users("alice", "bob")
    carla = User("carla", UserKind.CONTACT, 1, "Carla")
    road.store.add_users([User("crm", UserKind.CLIENT, 1, scopes=("manage", "send")), carla])
    road.store.claim_addresses([Identity("whatsapp", "+5511999990000", "carla", 1)])
    yield road
    road.close()


@pytest.fixture
def typed(road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """Commands of a service client with scope manage."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(road.settings.data))
    with quiet(), gateway(road.settings) as url:
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("TOKEN", road.client_token("crm", "manage", "send"))
        yield Typed(monkeypatch, capsys)


def index(road: Road) -> None:
    """What an indexer makes of the store as it starts."""
    found = open_search(road.settings)
    assert found is not None
    with closing(found):
        found.migrate()
        Indexer(road.settings, road.log, road.store, found, Bounds(0)).begin()


def test_what_was_said_and_who_is_called_so_is_found(typed: Typed, road: Road) -> None:
    """In lines, with who said it and where; page by page, as many as one wants."""
    talk = road.conversation("talk", "alice", "bob", "carla")
    said = road.say(talk, *(f"Informações {number}" for number in range(60)), "something else")
    index(road)
    lines = typed.fine("search", "messages", "informacao", "--limit", "55").splitlines()
    assert len(lines) == 55
    assert f"alice: Informações 59  [{talk} {said[59].message_id}]" in lines[0]
    assert typed.fine("search", "messages", "else", "--until", "2020-01-01T00:00:00Z") == ""
    assert typed.fine("search", "contacts", "99999-0000").split() == ["carla", "Carla", "whatsapp:+5511999990000"]


def test_an_index_is_made_anew(typed: Typed, road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says so to whoever feeds it; where search is off it says how to switch it on."""
    road.say(road.conversation("talk", "alice", "bob"), "hello")
    index(road)
    monkeypatch.setenv("CHAT4ALL_SEARCH", SEARCH)
    assert "makes it anew" in typed.fine("search", "rebuild")
    found = open_search(road.settings)
    assert found is not None
    with closing(found):
        assert not found.feeding().is_complete
    index(road)
    assert len(typed.fine("search", "messages", "hello").splitlines()) == 1
    monkeypatch.delenv("CHAT4ALL_SEARCH")
    assert "search is off" in typed("search", "rebuild")[2]
