"""Flower shows what runs in Celery, to who has the password, on Redis and on RabbitMQ."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from chat4all.root import ROOT
from ops.harness.system import System
from ops.harness.waiting import wait_until

USER, PASSWORD = "operator", "for this test"
MESSAGES = 20
WORDS = "nobody else's business"

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower takes its password from the environment, as in compose."""
    monkeypatch.setenv("FLOWER_BASIC_AUTH", f"{USER}:{PASSWORD}")


def ask(system: System, path: str, password: str = PASSWORD) -> Any:
    """What Flower's API says."""
    request = Request(f"http://{system.settings.host}:{system.settings.flower_port}{path}")
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode())
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def tasks(system: System, name: str) -> list[dict[str, Any]]:
    """Tasks of a name that succeeded."""
    found = ask(system, f"/api/tasks?limit=1000&taskname={name}")
    return [each for each in found.values() if each["state"] == "SUCCESS"]


def _shown(system: System, name: str) -> bool:
    return bool(tasks(system, name))


def test_flower_shows_every_stage(system: System) -> None:
    """A batch's chain and a replay can be seen with what they are about, and nobody's words; without the password nothing."""
    with closing(system.register("ann")) as api, closing(system.register("ben")):
        talk = api.private("ann", "ben")
        sent = [api.send({"conversation_id": talk, "payload": {"type": "text", "text": WORDS}}) for _ in range(MESSAGES)]
        wait_until("all are stored", lambda: len(api.history(talk)) == len(sent), 30)
    for stage in ("persist", "fan_out"):
        wait_until(f"{stage} is shown", partial(_shown, system, stage), 30)
        assert all("chat-incoming" in each["args"] for each in tasks(system, stage))
    found = re.search(r"(\d+):(\d+)-(\d+)", tasks(system, "persist")[0]["args"])
    assert found
    replayed = replay(system, "log", f"chat-incoming:{found[0]}")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    wait_until("the replay is shown", lambda: any("replay" in each["args"] for each in tasks(system, "fan_out")), 30)
    assert WORDS not in json.dumps(ask(system, "/api/tasks?limit=1000"))
    assert not [each for each in ask(system, "/api/tasks?limit=1000").values() if "sweep" in str(each["name"])]
    with pytest.raises(HTTPError) as refused:
        ask(system, "/api/tasks", "wrong")
    refused.value.close()
    assert refused.value.code == 401


def replay(system: System, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command line of a replay."""
    command: Sequence[str] = [sys.executable, "-m", "celery", "-A", "tasks.app", "replay", *words]
    return subprocess.run(command, cwd=ROOT, env=system.env, capture_output=True, text=True, timeout=60, check=False)
