"""The wheel: built from the sources as git has them, installed into an environment that has nothing, used outside the tree."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops.native.processes import free_ports

ROOT = Path(__file__).parents[2]
PORTS = ("gateway_port", "stream_port", "events_port", "objects_port", "flower_port", "simulator_port", "metrics_port")
CONVERSATION = """
import json, sys
from chat4all.client import Client
from chat4all.v1 import chat_pb2
alice, bob = Client(sys.argv[1], sys.argv[2]), Client(sys.argv[1], sys.argv[2])
words = json.loads(sys.argv[3])
alice.login("alice", words["alice"]); bob.login("bob", words["bob"])
sent = alice.send("Hello from a wheel", to="bob")
for event in bob.stream():
    if event.message.message_id == sent.message_id:
        print(event.message.text)
        break
"""


def _run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    words = [str(each) for each in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what git knows and what is about to be added: nothing that only this folder has."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "tree" / name).write_bytes((ROOT / name).read_bytes())
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, folder / "tree", cwd=folder)
    return next(folder.glob("*.whl"))


def test_the_generator_is_that_of_the_requirements() -> None:
    """Stubs in a wheel are made by the version that the environment of the sources uses."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    generator = next(each for each in needed if each.startswith("grpcio-tools"))
    assert generator in (ROOT / "requirements.txt").read_text().splitlines()


def test_the_wheel_takes_one_name(wheel: Path) -> None:
    """site-packages gets `chat4all` and nothing else; inside it are the stubs, the types' mark and the service."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(each for each in names if each.endswith("/METADATA"))).decode()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"chat4all"}
    assert {
        "chat4all/py.typed",
        "chat4all/v1/chat_pb2.py",
        "chat4all/v1/chat_pb2.pyi",
        "chat4all/_service/tasks/app.py",
        "chat4all/_service/webapp/console/main.js",
    } <= {*names}
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]
    pinned = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] not in "#-"]
    assert len(re.findall(r"(?m)^Requires-Dist: ", metadata)) == len(pinned)
    assert "License-Expression: Apache-2.0" in metadata


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The bin folder of an environment that has the wheel and what it asks for."""
    environment = wheel.parent / "environment"
    _run(sys.executable, "-m", "venv", environment, cwd=wheel.parent)
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
    _run(environment / "bin" / "python", *pip, "-c", ROOT / "constraints.txt", wheel, cwd=wheel.parent)
    return environment / "bin"


@pytest.fixture
def running(installed: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """`chat4all run` of that environment, in a folder of its own; its settings."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CHAT4ALL_", "VIRTUAL_ENV"))}
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    env = outside | {f"CHAT4ALL_{name.upper()}": port for name, port in ports.items()}
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([installed / "chat4all", "run"], cwd=tmp_path, env=env, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 90
            while "Ctrl-C stops it" not in (said := (tmp_path / "out").read_text()):
                assert process.poll() is None and time.monotonic() < deadline, said
                time.sleep(0.2)
            yield {**env, "data": str(tmp_path / "data")}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.mark.end_to_end
@pytest.mark.timeout(420)
def test_it_runs_outside_the_tree(installed: Path, running: dict[str, str], tmp_path: Path) -> None:
    """`chat4all run` starts everything, and a program that imports the client sends and streams."""
    addresses = [f"http://127.0.0.1:{running['CHAT4ALL_GATEWAY_PORT']}", f"127.0.0.1:{running['CHAT4ALL_STREAM_PORT']}"]
    words = (Path(running["data"]) / "demo.json").read_text()
    assert json.loads(words).keys() >= {"alice", "bob"}
    said = _run(installed / "python", "-c", CONVERSATION, *addresses, words, cwd=tmp_path, env=running)
    assert said == "Hello from a wheel\n"
