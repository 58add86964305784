"""The commands of those who answer, typed against a real gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.model.conversations import User, UserKind
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed, gateway, quiet


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
