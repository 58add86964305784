"""`python -m ops.bench [full|short]`: prints a table and writes build/bench.json."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from chat4all.cli.parts import ROOT
from chat4all.settings import SettingsError
from ops.bench import figures, load
from ops.bench.figures import Accepting, Bare, Figures, spread
from ops.bench.flows import Course, idle
from ops.harness.api import Api
from ops.harness.guard import RealPeople, refuse_real
from ops.harness.readers import Readers
from ops.harness.system import System

CONVERSATIONS = 50
CONNECTIONS = 8
BARE_TIMEOUT_S = 300
IDLE_S = 5.0
WIDTH = 120


class Size(Struct, frozen=True):
    """How much is sent: single requests, messages in :batch, messages a second for seconds, messages that wait."""

    singles: int
    batched: int
    per_second: int
    seconds: int
    waiting: int


SIZES = {"full": Size(3000, 20_000, 300, 30, 30_000), "short": Size(500, 2500, 300, 5, 5000)}


def measure(system: System, size: Size, console: Console, load_before: float) -> Figures:
    """One run over a system that has just begun."""
    operator = system.operator()
    sender = system.register("bench")
    conversations = [_person(operator, number) for number in range(CONVERSATIONS)]
    with Readers({"bench": sender.token}, system.stream_target, acknowledges=False) as readers:
        course = Course(system, operator.token, "bench", conversations, readers)
        console.print("warming up …")
        course.steady(100, 2, receipts=False)
        console.print(f"{size.per_second}/s for {size.seconds} s …")
        steady = {
            f"{size.per_second}/s": course.steady(size.per_second, size.seconds, receipts=False),
            f"{size.per_second}/s, receipts": course.steady(size.per_second, size.seconds, receipts=True),
        }
        console.print(f"{size.waiting:,} waiting …")
        waiting = {f"{size.waiting:,} waiting": course.waiting(size.waiting)}
        console.print("idle …")
        resting = idle(system, IDLE_S)
        console.print("accepting …")
        system.halt("bridge")
        single, batch = _accepting(system, operator.token, conversations, size)
    console.print("bare loop …")
    system.halt("gateway")
    return Figures(single, batch, steady, waiting, bare_loop(system, size.waiting), resting, load_before)


def _person(operator: Api, number: int) -> str:
    first = {"from": "bench", "to": [f"whatsapp:+5541{number:09d}"], "payload": {"type": "text", "text": "hello"}}
    return str(operator.send(first)["conversation_id"])


def _accepting(system: System, token: str, conversations: list[str], size: Size) -> tuple[Accepting, Accepting]:
    """While nothing else happens: the bridge stands."""
    one = load.send(system, token, load.singles(load.messages(conversations, "bench", size.singles)), CONNECTIONS)
    many = load.batches(load.messages(conversations, "bench", size.batched), load.LARGEST_BATCH)
    batch = load.send(system, token, many, 2)
    return _taken(one, size.singles), _taken(batch, size.batched)


def _taken(sends: load.Sends, count: int) -> Accepting:
    return Accepting(round(count / sends.seconds, 1), spread(took * 1000 for took in sends.took))


def bare_loop(system: System, count: int) -> Bare:
    """In a process and a data folder of its own, against the same simulator."""
    data = system.settings.data / "bare"
    shutil.copytree(system.settings.data / "secrets", data / "secrets")
    env = {**system.env, "CHAT4ALL_DATA": str(data)}
    command = [sys.executable, "-m", "ops.bench.bare_loop", str(count)]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=BARE_TIMEOUT_S, check=False)
    if ran.returncode:
        raise RuntimeError(f"the bare loop failed: {ran.stderr[-2000:]}")
    said = json.loads(ran.stdout.splitlines()[-1])
    return Bare(said["messages_per_second"], said["cpu_us_per_message"])


def main() -> int:
    """Measure, print, write; 1 when it may not run."""
    console, load_before = Console(), round(os.getloadavg()[0], 2)
    console = console if console.is_terminal else Console(width=WIDTH)
    size = SIZES[sys.argv[1] if len(sys.argv) > 1 else "full"]
    with tempfile.TemporaryDirectory(prefix="chat4all-bench-") as folder:
        system = System(Path(folder) / "data")
        try:
            refuse_real(system.settings)
        except (RealPeople, SettingsError) as error:
            console.print(f"[red]{error}")
            return 1
        with system:
            measured = measure(system, size, console, load_before)
    figures.show(measured, console)
    path = ROOT / "build" / "bench.json"
    figures.write(measured, path)
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
