"""What a run happens on, and how its servers are harmed: the same faults on the embedded parts and on real servers."""

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from chat4all.root import ROOT
from ops.harness import broker
from ops.harness.api import Api
from ops.harness.guard import refuse_real
from ops.harness.place import new_operator
from ops.harness.servers import environment
from ops.harness.spawning import end, log_of, spawn
from ops.harness.system import System
from ops.native.processes import free_ports

# Short, so that a row ends soon; leases, resends and the grace for unknown outcomes are as delivered.
QUICK = {
    "CHAT4ALL_BACKOFF_FIRST_S": "0.2",
    "CHAT4ALL_BACKOFF_MOST_S": "5",
    "CHAT4ALL_BREAKER_PROBE_S": "3",
    "CHAT4ALL_OPEN_REGISTRATION": "true",
}


class NotHere(Exception):
    """This fault cannot be made on this stack or machine. The text says why; the row is listed as not run."""


class Stack(ABC):
    """A system of its own and its servers. A context manager: running inside, gone after."""

    name: str

    def __init__(
        self, data: Path, env: Mapping[str, str], servers: Mapping[str, str], secrets: Mapping[str, str] | None = None
    ) -> None:
        self.system = System(data, {**servers, **QUICK, **env})
        places = {"simulator": self.system.settings.simulator_url, "gateway": self.system.settings.gateway_url}
        self.system.env |= {name: env[name].format(**places) for name in env if "{" in env[name]}
        self._secrets = secrets or {}
        self._spawned: list[subprocess.Popen[bytes]] = []
        # What ends with it: contexts that a fault entered.
        self.beside = ExitStack()
        self.second_ports = free_ports(2)

    @property
    def stream_targets(self) -> str:
        """Where readers connect: the stream server, else the second one, which runs only where a row starts it."""
        host = self.system.settings.host
        return f"ipv4:{host}:{self.system.settings.stream_port},{host}:{self.second_ports[0]}"

    @contextmanager
    def running(self) -> Iterator["Stack"]:
        """Everything started; ended, with what was started by hand, on the way out."""
        try:
            # The run opens log and store itself, with the same passwords.
            with environment(self._secrets):
                refuse_real(self.system.settings)
                with self.beside, self.system:
                    try:
                        yield self
                    finally:
                        for each in self._spawned:
                            self.end(each)
        finally:
            self.put_away()

    def put_away(self) -> None:  # noqa: B027 - most stacks have nothing to undo
        """Undo what was done to the machine before the start."""

    def spawn(self, part: str, name: str = "", env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
        """Another process of a part, outside the supervisor. `name` takes the worker's place in Celery's own names."""
        process = spawn(self.system.settings, {**self.system.env, **(env or {})}, part, name)
        self._spawned.append(process)
        return process

    def log_of(self, part: str, name: str) -> Path:
        """Where a process of `spawn` writes."""
        return log_of(self.system.settings, part, name)

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """End a process of `spawn`, by force if it does not hear."""
        end(process)

    def delete_queues(self) -> None:
        """Delete every queue that workers take from, with what is in it."""
        broker.delete_queues(self.system.settings.broker_url)

    def wipe_broker(self) -> None:
        """The broker loses all it holds."""
        broker.wipe(self.system.settings.broker_url)

    def operator(self) -> Api:
        """A connection that may send in anybody's name: a service client of our own."""
        return new_operator(self.system, "faults")

    def register(self, who: str) -> Api:
        """A user, made in its own name."""
        return self.system.register(who)

    @abstractmethod
    def log_down(self) -> AbstractContextManager[None]:
        """Inside, nothing can be appended to the log."""

    @abstractmethod
    def store_down(self) -> AbstractContextManager[None]:
        """Inside, nothing can be written to the store."""

    @abstractmethod
    def store_frozen(self) -> AbstractContextManager[None]:
        """Inside, the store keeps its connections and answers nothing."""

    @abstractmethod
    def broker_down(self) -> AbstractContextManager[None]:
        """Killed on the way in, started again on the way out."""

    @abstractmethod
    def reset_offsets(self) -> None:
        """Where the bridge's group is goes back to the beginning. The bridge stands meanwhile."""


class Embedded(Stack):
    """SQLite, and a Redis of the system's own."""

    name = "embedded"

    def __init__(self, data: Path, env: Mapping[str, str], small: str = "", size_mb: int = 24) -> None:
        super().__init__(data, env, {})
        self._small = data / small if small else None
        if self._small:
            mount(self._small, size_mb)

    def put_away(self) -> None:
        """Take the small disk away."""
        if self._small:
            subprocess.run(["umount", str(self._small)], check=True, timeout=20)

    @property
    def small(self) -> Path:
        """The folder that has a small disk of its own."""
        if self._small is None:
            raise NotHere("no small disk was asked for")
        return self._small

    @contextmanager
    def _held(self, *files: Path) -> Iterator[None]:
        command = [sys.executable, "-m", "ops.faults.hold", *map(str, files)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None and holder.stdin is not None  # noqa: S101
            if holder.stdout.readline().strip() != b"held":
                raise RuntimeError("the write lock could not be taken")
            yield
            holder.stdin.close()

    def log_down(self) -> AbstractContextManager[None]:
        """A writer that hangs holds every topic."""
        folder = self.system.settings.data / self.system.settings.log.partition(":")[2]
        return self._held(*sorted(folder.glob("*.topic")))

    def store_down(self) -> AbstractContextManager[None]:
        """A writer that hangs holds the file."""
        return self._held(self.system.settings.data / self.system.settings.store.partition(":")[2])

    def store_frozen(self) -> AbstractContextManager[None]:
        """There is none."""
        raise NotHere("the embedded store is no process that could be frozen")

    @contextmanager
    def broker_down(self) -> Iterator[None]:
        """See Stack."""
        self.system.kill9("redis")
        self.system.halt("redis")
        yield
        self.system.go_on("redis")

    def reset_offsets(self) -> None:
        """See Stack."""
        import sqlite3  # noqa: PLC0415  (only this stack keeps offsets so)

        folder = self.system.settings.data / self.system.settings.log.partition(":")[2]
        groups = sqlite3.connect(folder / "groups.db", timeout=10)
        with groups:
            groups.execute("UPDATE committed SET position = 0")
        groups.close()


def mount(folder: Path, size_mb: int) -> None:
    """A file system of its own, this small. NotHere where that is not allowed."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise NotHere("a small disk needs root")
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise NotHere(f"a small disk cannot be mounted: {made.stderr.strip()}")
