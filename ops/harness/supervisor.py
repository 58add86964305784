"""Asks the supervisor of a data folder about its parts, over its socket."""

import os
import signal
import time
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from ops.harness.waiting import wait_until


class Supervised:
    """The parts of the system that runs on a data folder. `kills` counts, per part, what `kill9` did."""

    def __init__(self, data: Path) -> None:
        self.socket = data.resolve() / "supervisor.sock"
        self.kills: dict[str, int] = {}

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def answers(self) -> bool:
        """Whether the supervisor is there."""
        try:
            return bool(self._call("getState"))
        except (OSError, Fault):
            return False

    def parts(self) -> dict[str, str]:
        """Every part and its state, in the supervisor's words (RUNNING, BACKOFF, …)."""
        return {each["name"]: each["statename"] for each in self._call("getAllProcessInfo")}

    def pids(self) -> dict[str, int]:
        """Every part and its process; 0 while it has none."""
        return {each["name"]: int(each["pid"]) for each in self._call("getAllProcessInfo")}

    def pid(self, part: str) -> int:
        """The part's process; 0 while it has none."""
        return self.pids()[part]

    def _full_name(self, part: str) -> str:
        return next(f"{each['group']}:{part}" for each in self._call("getAllProcessInfo") if each["name"] == part)

    def kill9(self, part: str) -> int:
        """Kill the part's process as if the machine had taken it away; the pid that was. ProcessLookupError: it had none."""
        pid = self.pid(part)
        if not pid:
            # 0 would be all of ours.
            raise ProcessLookupError(f"{part} has no process")
        os.kill(pid, signal.SIGKILL)
        self.kills[part] = self.kills.get(part, 0) + 1
        return pid

    def freeze(self, part: str) -> None:
        """Let the part's process stand still, its children too, as a machine that swaps or a debugger does."""
        self._signal(part, signal.SIGSTOP)

    def thaw(self, part: str) -> None:
        """Let a frozen part go on."""
        self._signal(part, signal.SIGCONT)

    def _signal(self, part: str, number: signal.Signals) -> None:
        root = psutil.Process(self.pid(part))
        for each in [root, *root.children(recursive=True)]:
            each.send_signal(number)

    def halt(self, part: str) -> None:
        """Stop the part as Ctrl-C would, and leave it so; also one that has just died and is about to be started again."""
        wait_until(f"{part} is stopped", lambda: self._stop(part), 10)

    def _stop(self, part: str) -> bool:
        """Whether it is stopped now; False while it has died and the supervisor has not begun to start it again."""
        try:
            self._call("stopProcess", self._full_name(part))
        except Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise
            return self.parts()[part] == "STOPPED"
        return True

    def go_on(self, part: str) -> None:
        """Start a halted part."""
        self._call("startProcess", self._full_name(part))

    def wait_restarted(self, part: str, old: int, patience_s: float = 30.0) -> int:
        """Wait until the part has another process than `old`; its pid. TimeoutError when that does not come."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            new = self.pid(part)
            if new not in (0, old) and self.parts()[part] == "RUNNING":
                return new
            time.sleep(0.1)
        raise TimeoutError(f"{part} was not started again within {patience_s:.0f} s")
