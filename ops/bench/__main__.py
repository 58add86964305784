"""`python -m ops.bench [full|short|observed|webhooks|readers|search]`: prints a table and writes build/bench.json
(observed.json, webhooks.json, readers.json, search.json).

On the embedded stack and, where its servers are installed, on the real one; STACK=embedded or STACK=real for one of them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from secrets import token_hex

from msgspec import Struct
from rich.console import Console

from chat4all.root import ROOT
from chat4all.settings import SettingsError
from ops.bench import figures, idle_readers, load, observed, search, webhooks
from ops.bench.figures import Accepting, Bare, Figures, spread
from ops.bench.flows import Course, Measured, idle, with_people
from ops.harness.guard import RealPeople, refuse_real
from ops.harness.readers import Readers
from ops.harness.servers import NotInstalled, environment, single
from ops.harness.system import System
from ops.native.processes import StartFailed

CONNECTIONS = 8
BARE_TIMEOUT_S = 300
IDLE_S = 5.0
WIDTH = 150
STACKS = ("embedded", "real")


class Size(Struct, frozen=True):
    """How much is sent: single requests, messages in :batch, messages a second for seconds, messages that wait."""

    singles: int
    batched: int
    per_second: int
    seconds: int
    waiting: int


SIZES = {"full": Size(3000, 20_000, 300, 30, 30_000), "short": Size(500, 2500, 300, 5, 5000)}


def measure(system: Measured, size: Size, console: Console) -> Figures:
    """One run over a system that has just begun."""
    load_before = round(os.getloadavg()[0], 2)
    with (
        system.operator() as operator,
        system.register("bench") as sender,
        Readers({"bench": sender.token}, system.stream_target, acknowledges=False) as readers,
    ):
        conversations = with_people(operator, "bench")
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
    bare = None if system.servers else _bare(system, size.waiting, console)
    return Figures(single, batch, steady, waiting, resting, load_before, bare)


def _accepting(system: System, token: str, conversations: list[str], size: Size) -> tuple[Accepting, Accepting]:
    """While nothing else happens: the bridge stands."""
    one = load.send(system, token, load.singles(load.messages(conversations, "bench", size.singles)), CONNECTIONS)
    many = load.batches(load.messages(conversations, "bench", size.batched), load.LARGEST_BATCH)
    batch = load.send(system, token, many, 2)
    return _taken(one, size.singles), _taken(batch, size.batched)


def _taken(sends: load.Sends, count: int) -> Accepting:
    return Accepting(round(count / sends.seconds, 1), spread(took * 1000 for took in sends.took))


def _bare(system: System, count: int, console: Console) -> Bare:
    """In a process and a data folder of its own, against the same simulator."""
    console.print("bare loop …")
    system.halt("gateway")
    data = system.settings.data / "bare"
    shutil.copytree(system.settings.data / "secrets", data / "secrets")
    env = {**system.env, "CHAT4ALL_DATA": str(data)}
    command = [sys.executable, "-m", "ops.bench.bare_loop", str(count)]
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=BARE_TIMEOUT_S, check=False)
    if ran.returncode:
        raise RuntimeError(f"the bare loop failed: {ran.stderr[-2000:]}")
    said = json.loads(ran.stdout.splitlines()[-1])
    return Bare(said["messages_per_second"], said["cpu_us_per_message"])


def run(stack: str, size: Size, console: Console) -> Figures:
    """A system of its own on this stack, measured. RealPeople, SettingsError, NotInstalled or StartFailed when it cannot."""
    console.print(f"[bold]{stack}")
    with tempfile.TemporaryDirectory(prefix="chat4all-bench-") as folder:
        servers = single() if stack == "real" else None
        system = Measured(Path(folder) / "data", load.UNLIMITED | (servers.place(f"b{token_hex(6)}") if servers else {}))
        if servers:
            system.servers = servers.each
        with environment(servers.secrets if servers else {}):
            refuse_real(system.settings)
            with system:
                return measure(system, size, console)


def main() -> int:
    """Measure, print, write; 1 when it may not run."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    others = {"observed": observed.main, "webhooks": webhooks.main, "readers": idle_readers.main, "search": search.main}
    if sys.argv[1:] and sys.argv[1] in others:
        return others[sys.argv[1]](console)
    size = SIZES[sys.argv[1] if len(sys.argv) > 1 else "full"]
    chosen = os.environ.get("STACK", "")
    measured: figures.Stacks = {}
    for stack in (chosen,) if chosen else STACKS:
        try:
            measured[stack] = run(stack, size, console)
        except NotInstalled as error:
            console.print(f"[yellow]{stack}: not measured: {error}")
        except (RealPeople, SettingsError, StartFailed) as error:
            console.print(f"[red]{error}")
            return 1
    figures.show(measured, console)
    path = ROOT / "build" / "bench.json"
    figures.write(measured, path)
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
