"""While messages flow a second node joins: workers, a bridge, a stream server with readers of its own. Then it is killed."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from chat4all.ports import LaneState
from ops.demo.flow import Flow
from ops.harness.readers import Readers
from ops.harness.spawning import end, spawn
from ops.harness.system import Running
from ops.native.processes import free_ports
from storage.open import open_store

WARM_S, TOGETHER_S = 5.0, 12.0
NEW = ("worker-pipeline", "worker-channels", "bridge", "stream")


class _Node:
    """The second one's processes, by part."""

    def __init__(self, system: Running) -> None:
        self._system = system
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.stream_port, events_port = free_ports(2)
        self._env = {
            **os.environ,
            "CHAT4ALL_DATA": str(system.settings.data.resolve()),
            "CHAT4ALL_STREAM_PORT": str(self.stream_port),
            "CHAT4ALL_EVENTS_PORT": str(events_port),
        }

    def add(self, part: str) -> int:
        """Start one; its pid."""
        self.running[part] = spawn(self._system.settings, self._env, part, "second")
        return self.running[part].pid

    def kill9(self) -> None:
        """All of them at once."""
        for each in self.running.values():
            each.kill()
            each.wait(10)


def tell(system: Running, console: Console) -> bool:
    """Tell it; False when a promise was broken."""
    console.rule("[bold]A second node joins while messages flow, and is killed again")
    store = open_store(system.settings)
    try:
        with _node(system) as node, Flow(system, console, lambda: _lanes(store.lanes().values())) as flow:
            flow.go(WARM_S)
            for part in NEW:
                flow.say(f"a second {part} joins (pid {node.add(part)})")
                flow.go(2.0)
            _read_there(flow, node)
            node.kill9()
            flow.say(f"kill -9 of the second node: {', '.join(NEW)}")
            flow.go(3.0)
            flow.say(f"nothing is late any more, after {flow.until_calm():.0f} s")
            return flow.verdict()
    finally:
        store.close()


@contextmanager
def _node(system: Running) -> Iterator[_Node]:
    node = _Node(system)
    try:
        yield node
    finally:
        for each in node.running.values():
            end(each)


def _read_there(flow: Flow, node: _Node) -> None:
    """The same people read at the second stream server too."""
    with Readers(flow.crowd.tokens, f"{flow.system.settings.host}:{node.stream_port}", acknowledges=False) as there:
        flow.say("the same people read at the second stream server as well")
        flow.go(TOGETHER_S)
        flow.say(f"it has shown them {len(there.seen())} messages")


def _lanes(states: Iterable[LaneState]) -> Table:
    """How many lanes each worker holds."""
    held = Counter(_pid(each.lease.holder) for each in states if each.lease.holder)
    table = Table("worker, by pid", "lanes held")
    for pid, lanes in sorted(held.items()):
        table.add_row(pid, str(lanes))
    return table


def _pid(holder: str) -> str:
    """A holder is its machine, its process and when that began."""
    return holder.split("/")[1] if holder.count("/") == 2 else holder
