"""Commands of people find the server without being told: the one that runs here, or the one of their login."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat4all.cli import session
from chat4all.cli.running import SUPERVISOR, note
from chat4all.cli.session import Kept, Servers, keep, kept
from chat4all.client import Tokens
from chat4all.settings import Settings
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed, answered, cut_off, gateway, quiet

HERE = ("http://127.0.0.1:9000", "127.0.0.1:9001")
MOVED = ("http://127.0.0.1:9100", "127.0.0.1:9101")
FAR = Kept("alice", "https://chat.example.org", "stream.example.org:443", Tokens("token"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, and nobody logged in."""
    monkeypatch.setenv("CHAT4ALL_DATA", str(tmp_path))
    monkeypatch.setenv("CHAT4ALL_CONFIG", str(tmp_path / "config"))
    for name in ("CHAT4ALL_BASE_URL", "BASE_URL", "CHAT4ALL_STREAM", "CHAT4ALL_TOKEN", "TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@contextmanager
def running(folder: Path, ports: tuple[int, int]) -> Iterator[None]:
    """A system on this folder whose supervisor answers."""
    note(Settings(data=folder, gateway_port=ports[0], stream_port=ports[1]))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / SUPERVISOR))
        listening.listen()
        yield
    (folder / SUPERVISOR).unlink()


def logged_in(servers: Servers) -> None:
    """Log in at a server that says yes."""
    with cut_off("/auth/token", answered(200, access_token="token", refresh_token="", expires_in=3600), arrives=False):
        servers.log_in("alice", "a long password")


def test_what_runs_here_is_asked(folder: Path) -> None:
    """Gateway and stream; what is said of either counts."""
    assert Servers().addresses() == ("http://127.0.0.1:8000", "127.0.0.1:50051")
    with running(folder, (9000, 9001)):
        assert Servers().addresses() == HERE
        assert Servers(base_url=HERE[0]).addresses() == HERE
        assert Servers(stream_target="localhost:1").addresses() == (HERE[0], "localhost:1")
        assert Servers("https://chat.example.org").addresses() == ("https://chat.example.org", "https://chat.example.org")
        assert Servers("http://127.0.0.1:9").addresses() == ("http://127.0.0.1:9", session.STREAM)


def test_a_login_elsewhere_stays_there(folder: Path) -> None:
    """A system that happens to run here does not get its token."""
    keep(FAR)
    with running(folder, (9000, 9001)):
        assert Servers().addresses() == (FAR.base_url, FAR.stream_target)
        assert Servers(base_url=HERE[0]).addresses() == HERE


def test_a_login_here_follows_the_system_to_other_ports(folder: Path) -> None:
    """Whoever starts it with other ports need not log in again; while it does not run, nobody else is asked in its place."""
    with running(folder, (9000, 9001)):
        logged_in(Servers())
    assert Servers().addresses() == HERE
    with running(folder, (9100, 9101)):
        assert Servers().addresses() == MOVED


def test_a_login_of_older_code_is_read(folder: Path) -> None:
    """It says no folder."""
    keep(FAR)
    file = folder / "config" / session.FILE
    said = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in said.items() if name != "data"}))
    assert kept() == FAR


def test_commands_are_typed_without_an_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Register, log out, log in and list, at a gateway on a port that nobody said."""
    settings = settings_in(folder).model_copy(update={"broker": "memory://"})
    monkeypatch.setenv("CHAT4ALL_PASSWORD", "a long password")
    typed = Typed(monkeypatch, capsys)
    Road(settings).close()
    with quiet(), gateway(settings) as url, running(folder, (int(url.rpartition(":")[2]), 9001)):
        assert "logged in" in typed.fine("register", "alice")
        typed.fine("logout")
        assert url in typed.fine("login", "alice")
        assert typed.fine("conversations") == ""
