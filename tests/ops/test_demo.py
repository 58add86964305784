"""What the demonstrations reckon and show by themselves; their stories are told by running systems."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from rich.console import Console

from chat4all.settings import Settings
from ops.demo import __main__ as demo
from ops.demo import chat, failover, kill, load, scale


def shown(what: object) -> str:
    console = Console(width=120, file=StringIO(), record=True)
    console.print(what)
    return console.export_text()


def lane(holder: str) -> Any:
    return SimpleNamespace(lease=SimpleNamespace(holder=holder))


def test_lanes_are_counted_by_who_holds_them() -> None:
    """A holder is shown by its process; lanes that nobody holds are not."""
    rows = shown(scale._lanes([lane("machine/12/99"), lane("machine/12/99"), lane("odd"), lane("")])).splitlines()
    cells = [[each for each in row.replace("│", " ").split() if each] for row in rows]
    assert ["12", "2"] in cells and ["odd", "1"] in cells and not any("0" in each for each in cells)


def test_times_and_names_are_for_people() -> None:
    """Waits as median and worst of a hundred; the time of day with its milliseconds; contacts by their name."""
    assert load._both([1.0] * 98 + [9.0, 9.0]) == "1 / 9"
    assert load._both([]) == "-"
    assert chat._clock("2026-01-02T03:04:05.678900Z") == "03:04:05.678"
    assert (chat._name("contact-7"), chat._name("bob")) == ("Carla", "bob")


def test_a_node_is_all_its_processes() -> None:
    """Children too, the root last; where there is none there is nothing to kill."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert [each.pid for each in failover._tree(os.getpid())][-1] == os.getpid()
        assert child.pid in [each.pid for each in failover._tree(os.getpid())]
        assert [each.pid for each in failover._tree(child.pid)] == [child.pid]
    finally:
        child.kill()
        child.wait()
    assert failover._tree(0) == []
    assert not psutil.pid_exists(child.pid) and failover._tree(child.pid) == []


def test_the_verdict_counts_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is on no phone is lost, and makes the story end badly; one that came twice is only told."""
    texts = ["m1 number 1", "m1 number 1", "of others"]
    phones = SimpleNamespace(sent=lambda _channel: [{"text": each} for each in texts])
    seen = [SimpleNamespace(message_id=each) for each in ("m1", "m2")]
    system: Any = SimpleNamespace(phones=phones)
    flow: Any = SimpleNamespace(accepted=["m1", "m2"])
    readers: Any = SimpleNamespace(seen=lambda: seen)
    monkeypatch.setattr(kill, "_resends", lambda *_: 1)
    console = Console(width=120, file=StringIO(), record=True)
    count = kill._Count(system, flow, readers)
    assert not kill._verdict(system, console, count, flow)
    texts.append("m2 number 2")
    assert kill._verdict(system, console, count, flow)
    first, second, *_ = console.export_text().split("accepted ")[1:]
    assert first.startswith("2, lost 1") and second.startswith("2, lost 0")
    assert "doubled on phones 1" in first


@pytest.mark.parametrize(
    ("words", "says"),
    [(["demo", "chta"], "There are these stories: chat"), (["demo", "chat"], "Nothing runs on")],
)
def test_what_cannot_be_told_says_why(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A story that there is not, and no running system: each in a line, and it ends with 1."""
    monkeypatch.setattr(demo, "beside_running", lambda: Settings(data=tmp_path))
    monkeypatch.setattr(sys, "argv", words)
    assert demo.main() == 1
    assert says in capsys.readouterr().out
