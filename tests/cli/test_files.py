"""`chat4all upload` and `download`, typed against a real gateway whose worker is at hand."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from chat4all.settings import Settings
from ops.native.processes import free_port
from tasks.files import file_tasks as workers
from tasks.resources import open_parts
from tests.bridges.road import settings_in
from tests.cli.commands import Typed, answered, cut_off, gateway, quiet
from tests.wakes import Wakes

DATA = os.urandom(300_000)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    port = free_port()
    places = {"broker": "memory://", "gateway_port": port, "objects_url": f"http://127.0.0.1:{port}"}
    return settings_in(tmp_path / "data").model_copy(update=places)


@pytest.fixture
def typed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typed]:
    """Alice is logged in, and bob is there."""
    parts = open_parts(settings)

    def work(task: str, file_id: str) -> None:
        workers.jobs(parts)[task](file_id)

    with quiet(), gateway(settings, settings.gateway_port, Wakes(work)) as url:
        for name, value in {"BASE_URL": url, "CONFIG": str(tmp_path / "config"), "PASSWORD": "a long password"}.items():
            monkeypatch.setenv(f"CHAT4ALL_{name}", value)
        typed = Typed(monkeypatch, capsys)
        for who in ("bob", "alice"):
            typed.fine("register", who)
        yield typed
    parts.close()


@pytest.fixture
def tea(tmp_path: Path) -> Path:
    """A file of alice's."""
    file = tmp_path / "tea.bin"
    file.write_bytes(DATA)
    return file


def upload(typed: Typed, file: Path, *words: str) -> str:
    return typed.fine("upload", str(file), "--conversation", "bob", *words)


def test_a_file_goes_up_and_comes_down(typed: Typed, tea: Path, tmp_path: Path) -> None:
    """It is sent as a message, comes down byte for byte, and leaves no note."""
    told = json.loads(upload(typed, tea, "--json", "--text", "for you"))
    assert (told["status"], told["was_there"], bool(told["message_id"])) == ("ready", False, True)
    typed.fine("download", told["file_id"], str(tmp_path / "copy.bin"))
    assert (tmp_path / "copy.bin").read_bytes() == DATA
    assert not list((tmp_path / "config" / "uploads").iterdir())


@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_an_upload_that_was_cut_before_it_was_sent_is_sent(typed: Typed, tea: Path, answer_is_lost: bool) -> None:
    """Run again it says that the file was there and sends it: nothing goes up again, and it is one message."""
    with cut_off("/v1/messages", arrives=answer_is_lost) as sent:
        status, _, _ = typed("upload", str(tea), "--conversation", "bob")
    assert status == 130
    with patch("requests.put", side_effect=AssertionError("brought again")):
        said = upload(typed, tea)
    assert said.startswith("was uploaded before: ")
    assert said.strip().endswith(f"sent as {sent[0]['message_id']}")
    assert upload(typed, tea).startswith("uploaded ")


def test_other_words_do_not_send_a_file_twice(typed: Typed, tea: Path) -> None:
    """Sent by an earlier run whose answer was lost: the message is the one that was sent."""
    with cut_off("/v1/messages"):
        assert typed("upload", str(tea), "--conversation", "bob")[0] == 130
    first = json.loads(upload(typed, tea, "--text", "other words", "--json"))
    assert (first["was_there"], bool(first["message_id"])) == (True, True)


def test_a_send_that_is_refused_leaves_the_note(typed: Typed, tea: Path, tmp_path: Path) -> None:
    """The file is there; run again, it is only sent."""
    with cut_off("/v1/messages", answered(403, code="forbidden", detail="the log is away"), arrives=False):
        status, _, err = typed("upload", str(tea), "--conversation", "bob")
    assert (status, "the log is away" in err) == (1, True)
    assert len(list((tmp_path / "config" / "uploads").iterdir())) == 1
    assert upload(typed, tea).startswith("was uploaded before: ")
