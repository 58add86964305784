"""Exposes the metrics of a process: an HTTP server of its own, and a file by which Prometheus finds it.

The gateway exposes its metrics at its REST port (webapp/server), and uses only the functions below about targets and the
process.
"""

import atexit
import json
import os
import shutil
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import psutil
from prometheus_client import start_http_server

from chat4all.settings import EMBEDDED, Settings
from chat4all.telemetry import instruments, logs, metrics
from chat4all.telemetry.instruments import REGISTRY, Readings, Values

log = logs.logger(__name__)

# A second worker of a kind finds its port taken, and takes the one so much further.
STEP = 10
TRIES = 20
SNAPSHOT_S = 0.5


def serve(process: str, settings: Settings) -> int:
    """Show this process's metrics from now on; the port. Call once, at the process's start. `process` is the part's name.

    0 where metrics are off, or cannot be shown: that is logged, and keeps nobody from working.
    """
    if not instruments.ON:
        return 0
    read_process(os.getpid())
    REGISTRY.register(Readings(metrics.READ_FAILURES))
    instruments.begin()
    try:
        port = _listen(settings)
        announce(process, port, settings)
    except OSError as error:
        log.error("metrics_not_shown", why=str(error))
        return 0
    log.info("metrics_ready", port=port)
    return port


def _listen(settings: Settings) -> int:
    first = settings.metrics_port
    for port in range(first, min(first + STEP * TRIES, 65536), STEP) if first else (0,):
        try:
            server, _ = start_http_server(port, settings.metrics_host, REGISTRY)
        except OSError as error:
            taken = error
            continue
        return int(server.server_port)
    raise OSError(f"CHAT4ALL_METRICS_PORT: neither {first} nor those {STEP} apart from it can be listened on") from taken


# How Prometheus finds a process.


def targets_folder(settings: Settings) -> Path:
    """Where the files are that Prometheus' file_sd reads."""
    return settings.data / "metrics" / "targets"


def announce(process: str, port: int, settings: Settings, host: str = "") -> None:
    """Write where this process is to be scraped; the file goes when the process ends, or when the next one starts."""
    host = host or settings.metrics_host
    target = f"{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{port}"
    folder = targets_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if not psutil.pid_exists(_pid_of(path)):
            path.unlink(missing_ok=True)
    path = folder.resolve() / f"{process}-{os.getpid()}.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps([{"targets": [target], "labels": {"process": process}}]))
    draft.replace(path)
    pid = os.getpid()
    atexit.register(lambda: path.unlink(missing_ok=True) if os.getpid() == pid else None)


def _pid_of(path: Path) -> int:
    pid = path.stem.rpartition("-")[2]
    return int(pid) if pid.isdigit() else 0


def targets(settings: Settings) -> dict[str, str]:
    """Where each living process is to be scraped: URL by name and pid, as in the files."""
    found = {}
    for path in sorted(targets_folder(settings).glob("*.json")):
        try:
            [entry] = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        found[path.stem] = f"http://{entry['targets'][0]}/metrics"
    return found


# What is known of every process.


def read_process(root: int) -> None:
    """Read the metrics of the process `root`, with its children, at each scrape."""
    snapshot = Snapshot(psutil.Process(root))
    for reading, name in (
        (metrics.CPU_SECONDS, "cpu"),
        (metrics.MEMORY, "memory"),
        (metrics.OPEN_FILES, "files"),
        (metrics.THREADS, "threads"),
        (metrics.PROCESSES, "processes"),
        (metrics.STARTED, "started"),
    ):
        reading.from_(snapshot.reader(name))
    built = version("chat4all")
    metrics.BUILD.from_(lambda: {(built,): 1})


def read_disk(settings: Settings) -> None:
    """Read how full the disk of the data folder is, and what the embedded parts take of it, at each scrape."""
    folder = settings.data
    metrics.DISK_FREE.from_(lambda: {(): shutil.disk_usage(folder).free})
    metrics.DISK_SIZE.from_(lambda: {(): shutil.disk_usage(folder).total})
    embedded = {
        part: folder / place.partition(":")[2]
        for part, place in (("store", settings.store), ("log", settings.log))
        if place.startswith(EMBEDDED)
    }
    if embedded:
        metrics.DATA_BYTES.from_(lambda: {(part,): _bytes(path) for part, path in embedded.items()})


def _bytes(path: Path) -> int:
    """Of a database with the files beside it, or of a folder of them."""
    files = path.iterdir() if path.is_dir() else path.parent.glob(f"{path.name}*")
    return sum(each.stat().st_size for each in files if each.is_file())


class Snapshot:
    """A process and its children, looked at once for all the figures of a scrape."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._at = -SNAPSHOT_S
        self._seen: dict[str, float] = {}

    def reader(self, name: str) -> Callable[[], Values]:
        """Reads one figure."""
        return lambda: {(): self._look()[name]}

    def _look(self) -> dict[str, float]:
        if time.monotonic() - self._at > SNAPSHOT_S:
            self._seen, self._at = look_at(self._root), time.monotonic()
        return self._seen


def look_at(root: psutil.Process) -> dict[str, float]:
    """The figures of a process tree. CPU has that of children which have ended."""
    gone = root.cpu_times()
    found = {"cpu": gone.children_user + gone.children_system, "memory": 0.0, "files": 0.0, "threads": 0.0, "processes": 0.0}
    for each in [root, *root.children(recursive=True)]:
        try:
            with each.oneshot():
                times = each.cpu_times()
                here = {
                    "cpu": times.user + times.system,
                    "memory": each.memory_info().rss,
                    "files": each.num_fds(),
                    "threads": each.num_threads(),
                    "processes": 1,
                }
        except psutil.Error:
            continue
        for name, value in here.items():
            found[name] += value
    return found | {"started": root.create_time()}
