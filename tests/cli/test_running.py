"""Commands find the system that runs on their data folder."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.cli.running import SUPERVISOR, beside_running, note
from chat4all.settings import Settings


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder on which a system was started with ports of its own."""
    note(Settings(data=tmp_path, gateway_port=9000, stream_port=9001))
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def answering(noted: Path) -> Iterator[None]:
    """Its supervisor listens."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(noted / SUPERVISOR))
        listening.listen()
        yield


@pytest.mark.usefixtures("answering")
def test_a_command_asks_where_the_running_system_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make run` was given need not be said again; what is said counts."""
    monkeypatch.setenv("CHAT4ALL_STREAM_PORT", "9100")
    assert (beside_running().gateway_url, beside_running().stream_target) == ("http://127.0.0.1:9000", "127.0.0.1:9100")


@pytest.mark.usefixtures("noted")
def test_a_system_that_ended_is_not_asked() -> None:
    """Its note is still there, and means nothing."""
    assert beside_running().gateway_port == 8000
