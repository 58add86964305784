"""Workspaces from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.settings import Settings
from tests.bridges.road import settings_in
from tests.cli.commands import Typed, as_client


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "data").model_copy(update={"broker": "memory://"})


@pytest.fixture
def typed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typed]:
    with as_client(settings, "operator", monkeypatch, capsys) as made:
        yield made


def test_a_workspace_is_made_used_limited_suspended_and_removed(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the secret logs in there, and is somebody else than in `default`."""
    made = json.loads(typed.fine("workspace", "create", "acme", "--name", "Acme & Sons"))
    assert (made["workspace_id"], made["state"], made["client_id"]) == ("acme", "active", "admin")
    assert typed.fine("workspace", "list").strip() == "acme  active  Acme & Sons"
    with monkeypatch.context() as elsewhere:
        elsewhere.delenv("CHAT4ALL_TOKEN")
        elsewhere.setenv("CHAT4ALL_PASSWORD", made["client_secret"])
        typed.fine("login", "admin", "--workspace", "acme")
        assert [each["current"] for each in map(json.loads, typed.fine("sessions", "--json").splitlines())] == [True]
    assert typed.fine("workspace", "limit", "acme", "--accounts", "2").strip() == "acme  active  Acme & Sons  accounts 2"
    assert "suspended" in typed.fine("workspace", "suspend", "acme")
    assert "active" in typed.fine("workspace", "resume", "acme")
    assert json.loads(typed.fine("workspace", "rotate", "acme"))["client_secret"] != made["client_secret"]
    assert "removed" in typed.fine("workspace", "remove", "acme", "--yes")
    assert json.loads(typed.fine("workspace", "show", "acme"))["state"] == "removed"
