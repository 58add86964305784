"""Further processes of a running system, outside its supervisor: a second worker, bridge or stream server."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from chat4all.cli.parts import parts_of
from chat4all.root import ROOT
from chat4all.settings import Settings

STOP_S = 15.0


def spawn(settings: Settings, env: Mapping[str, str], part: str, name: str = "") -> "subprocess.Popen[bytes]":
    """Another process of a part, with this whole environment. `name` takes a worker's place in Celery's own names.

    What it prints goes to a file of its own beside the others'.
    """
    made = next(each for each in parts_of(settings) if each.name == part)
    command = [each.replace("channels@", f"{name}@").replace("pipeline@", f"{name}@") for each in made.command(settings)]
    with log_of(settings, part, name).open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def log_of(settings: Settings, part: str, name: str) -> Path:
    """Where a spawned process writes."""
    return settings.data / "logs" / f"{part}-{name}.log"


def end(process: "subprocess.Popen[bytes]", within_s: float = STOP_S) -> None:
    """End a spawned process, by force if it does not hear."""
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
