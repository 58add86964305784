"""The command that says who is there, typed against a real gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.model.presence import Report
from chat4all.services.presence import report_record
from tests.bridges.road import PARTITIONS, Road, settings_in
from tests.cli.commands import Typed, gateway, quiet


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path / "data").model_copy(update={"broker": "memory://"}))
    road.users("alice", "bob", "carol")
    road.conversation("talk", "alice", "bob", "carol")
    road.store.raise_last_seen({"carol": 1_790_000_000_000})
    road.log.append([report_record(Report("p", ("bob",)), PARTITIONS)], 5)
    yield road
    road.close()


@pytest.fixture
def typed(road: Road, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """Alice's commands."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(road.settings.data))
    with quiet(), gateway(road.settings) as url:
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("TOKEN", road.token("alice"))
        yield Typed(monkeypatch, capsys)


def test_it_says_who_is_there(typed: Typed) -> None:
    """And when the others were; --hide hides oneself; strangers are not printed."""
    said = typed.fine("presence", "bob", "carol", "alice", "eve").splitlines()
    assert said[0] == "bob  there"
    assert said[1].startswith("carol  last seen at ")
    assert said[2:] == ["alice  not there"]
    assert typed.fine("presence", "--hide").splitlines() == ["alice  hidden"]
    assert '"hidden":true' in typed.fine("presence", "alice", "--json").replace(" ", "")
    assert typed.fine("presence", "--show").splitlines() == ["alice  not there"]
    assert "whose?" in typed.error("presence")
