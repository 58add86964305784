# ruff: noqa: N999
"""How gunicorn serves the gateway: `gunicorn -c webapp/gunicorn.conf.py "webapp.app:create_app()"`."""

import os
import resource
import shutil
from typing import Any

from chat4all.settings import load

_settings = load()
logger_class = "webapp.server.gunicorn_log.Log"
_metrics = (_settings.data / "metrics" / "gateway").resolve()

bind = f"{_settings.host}:{_settings.gateway_port}"
worker_class = "webapp.server.worker.Worker"
workers = _settings.gateway_processes
threads = _settings.gateway_threads
# Each worker opens log and store for itself: neither survives a fork.
preload_app = False
timeout = 60
graceful_timeout = 15
keepalive = 75
backlog = 1024
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
control_socket_disable = True

# A connection is an open file; workers keep the number of theirs within bounds themselves (webapp/server/worker.py).
worker_connections = 10_000
_now, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
if 0 <= _now < 16_384:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_most, 16_384) if _most > 0 else 16_384, _most))

os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)


def on_starting(_server: Any) -> None:
    """Begin counting anew."""
    shutil.rmtree(_metrics, ignore_errors=True)
    _metrics.mkdir(parents=True, exist_ok=True)


def when_ready(_server: Any) -> None:
    """Say where Prometheus finds us."""
    # Not before the variable above is set: the library decides at its import where it counts.
    from chat4all.telemetry import exporter, instruments  # noqa: PLC0415

    if instruments.ON:
        exporter.announce("gateway", _settings.gateway_port, _settings, _settings.host)


def post_fork(_server: Any, worker: Any) -> None:
    """In the worker, before it loads the gateway."""
    from webapp.server.orphans import end_without  # noqa: PLC0415

    end_without(worker.ppid)


def worker_exit(_server: Any, worker: Any) -> None:
    """Let go of log and store; called in the worker, after its last request. It has none if it could not load the gateway."""
    from webapp.requests.gateway import KEY  # noqa: PLC0415

    if hasattr(worker, "wsgi"):
        worker.wsgi.extensions[KEY].close()


def child_exit(server: Any, worker: Any) -> None:
    """Keep what a worker that ended had counted, and forget its file. Whatever is wrong with that, requests go on."""
    from webapp.server.metrics import bury  # noqa: PLC0415

    try:
        bury(_metrics, worker.pid)
    except Exception:
        server.log.exception("metrics of worker %s are not merged", worker.pid)
