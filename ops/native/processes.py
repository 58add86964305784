"""One server as one plain process: started, asked until it answers, stopped by pid, killed, frozen and thawed."""

import json
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from ops.native.packages import PACKAGES

LOOPBACK = "127.0.0.1"
POLL_S = 0.1
LOG_TAIL = 1500
ASK_S = 2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class StartFailed(Exception):
    """A server did not come up. The text names it and ends with the last lines of its log."""


# Below those that systems take for outgoing connections (from 32768 on Linux, 49152 elsewhere): nobody gets one of these
# by chance between now and when it is listened on.
PORTS = range(10_000, 32_000)


def free_ports(count: int, host: str = LOOPBACK) -> list[int]:
    """So many different ports that nobody listens on now."""
    found: list[int] = []
    candidates = iter(SystemRandom().sample(PORTS, len(PORTS)))
    while len(found) < count:
        with socket.socket() as probe:
            try:
                probe.bind((host, port := next(candidates)))
            except OSError:
                continue
            found.append(port)
    return found


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on now."""
    return free_ports(1, host)[0]


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def is_well(address: str, path: str) -> bool:
    """Whether a server's own readiness check, at this path, answers 200 within two seconds."""
    try:
        with urlopen(f"http://{address}{path}", timeout=ASK_S) as answer:
            return bool(answer.status == 200)
    except HTTPError as refused:
        refused.close()
        return False
    except OSError:
        return False


class Server(ABC):
    """A server with its data, log and pid in `folder`; programs are under `home`.

    A second object on the same `folder` sees the same process. Used by one thread at a time. Data survives `stop` and `kill9`.
    """

    name: ClassVar[str]
    start_limit_s: ClassVar[float] = 90
    stop_limit_s: ClassVar[float] = 30

    def __init__(self, home: Path, folder: Path, port: int, host: str = LOOPBACK) -> None:
        self.home = home.absolute()
        self.folder = folder.absolute()
        self.host = host
        self.port = port
        self._child: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    @classmethod
    def install(cls, home: Path) -> bool:
        """Install the program under `home`; False when it was there. InstallFailed when it cannot be had."""
        return PACKAGES[cls.name].install(home / cls.name)

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the program is there in the version we want."""
        return PACKAGES[cls.name].is_in(home / cls.name)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run, in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work now, not only listens. Ends within a few seconds and does not raise."""

    def prepare(self) -> None:  # noqa: B027 - most servers have something to write; those that have not say nothing
        """Write configuration, format disks. Called before every start."""

    def environment(self) -> dict[str, str]:
        """Variables of the process beside ours."""
        return {}

    @property
    def address(self) -> str:
        """host:port that clients use."""
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "server.log"

    @property
    def process(self) -> psutil.Process | None:
        """The running process, or None. A pid that went to somebody else's process is not ours."""
        noted = self._noted()
        if noted is None:
            return None
        return _alive(int(noted["pid"]), noted.get("identity", ""))

    @property
    def is_running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self.process is not None

    @property
    def ready_s(self) -> float | None:
        """Seconds that the last start took until the server answered."""
        noted = self._noted()
        return None if noted is None else noted.get("ready_s")

    def start(self) -> float:
        """Start, and wait until it answers; seconds that took. StartFailed otherwise, and then nothing is left running."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> bool:
        """Start without waiting, for servers that need each other. False when it ran already."""
        self._deadline = time.monotonic() + self.start_limit_s
        if self.is_running:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_taken(self.host, self.port):
            raise StartFailed(f"{self.name}: {self.address} is taken by another process; stop it or choose another port")
        self.prepare()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._note({"pid": self._child.pid, "identity": identity(psutil.Process(self._child.pid)), "began": time.time()})
        return True

    def wait_ready(self) -> float:
        """Wait until it answers; seconds since `launch`. StartFailed otherwise, and then it is killed."""
        while not self.is_ready():
            time.sleep(POLL_S)
        return self.ready_s or 0.0

    def is_ready(self) -> bool:
        """Whether it answers since `launch`; asked again and again while it starts. StartFailed as `wait_ready`."""
        if self.answers():
            noted = self._noted() or {}
            noted.setdefault("ready_s", round(time.time() - noted.get("began", time.time()), 1))
            self._note(noted)
            return True
        if not self.is_running or time.monotonic() > self._deadline:
            self.kill9()
            raise StartFailed(f"{self.name} at {self.address} did not come up: {_tail(self.log)}")
        return False

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not. Only what this folder's start made; safe to call twice."""
        process = self.process
        if process is not None:
            self.resume()
            process.terminate()
            _wait_gone([process], self.stop_limit_s)
        self.kill9()

    def kill9(self) -> None:
        """End it at once, as a power cut would, with every process it started. Safe to call twice."""
        family = self._family()
        _signal(family, signal.SIGKILL)
        _wait_gone(family, 10)
        if self._child is not None:
            self._child.wait(10)
            self._child = None

    def pause(self) -> None:
        """Freeze it: it keeps its connections and answers nothing."""
        _signal(self._family(), signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        _signal(self._family(), signal.SIGCONT)

    def memory(self) -> int:
        """Resident bytes, with its children; 0 when it does not run."""
        total = 0
        for each in self._family():
            try:
                total += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def cpu_s(self) -> float:
        """Seconds of CPU that the process has used since it started; 0 when it does not run."""
        process = self.process
        if process is None:
            return 0.0
        used = process.cpu_times()
        return float(used.user + used.system)

    def _family(self) -> list[psutil.Process]:
        process = self.process
        if process is None:
            return []
        try:
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _noted(self) -> dict[str, Any] | None:
        path = self.folder / "process.json"
        try:
            noted: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        return noted

    def _note(self, noted: dict[str, Any]) -> None:
        draft = self.folder / ".process.json"
        draft.write_text(json.dumps(noted))
        draft.replace(self.folder / "process.json")


def start_all(servers: Sequence[Server]) -> None:
    """Start servers that need each other: all are launched before the first is waited for. What ran already stays."""
    launched: list[Server] = []
    try:
        for each in servers:
            if each.launch():
                launched.append(each)
        waiting = list(servers)
        while waiting := [each for each in waiting if not each.is_ready()]:
            time.sleep(POLL_S)
    except BaseException:
        for each in launched:
            each.kill9()
        raise


def identity(process: psutil.Process) -> str:
    """What tells it from every other process that has or gets its pid. psutil.NoSuchProcess when it is gone.

    On Linux when it began, in ticks since the machine's start: a time of day would change whenever the clock is set.
    """
    if not psutil.LINUX:
        return f"{process.create_time():.2f}"
    try:
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    return f"{BOOT_ID.read_text().strip()} {ticks}"


def _alive(pid: int, known_as: str) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if identity(process) == known_as and _lives(process) else None
    except psutil.NoSuchProcess:
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for each in processes:
        try:
            each.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _wait_gone(processes: Sequence[psutil.Process], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and any(_lives(each) for each in processes):
        time.sleep(0.02)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_TAIL:].strip() if log.exists() else "it wrote nothing"
