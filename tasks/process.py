"""What workers, the beat and Flower do as they begin and end, by Celery's signals. Only `connect` acts."""

import logging
import sys

from celery import signals

from chat4all.settings import load
from chat4all.telemetry import exporter, logs, tracing
from tasks import resources, watchdog
from tasks.lanes import deliver


def connect() -> None:
    """From now on signals are answered. Once per process, by its entry point.

    Receivers of one signal run in the order given here; where one fails, Celery logs it and runs the next.
    """
    signals.setup_logging.connect(set_up_logging)
    signals.celeryd_init.connect(name_worker)
    signals.celeryd_init.connect(expose_worker)
    signals.beat_init.connect(expose_beat)
    signals.worker_ready.connect(look_at_lanes)
    signals.worker_ready.connect(watch)
    signals.worker_shutting_down.connect(release_lanes)
    signals.worker_shutdown.connect(end_tracing)
    signals.worker_shutdown.connect(close_resources)


def set_up_logging(**_: object) -> None:
    """A worker has said its name before; of beat and flower the command is the name."""
    command = next((each for each in ("beat", "flower") if each in sys.argv), "celery")
    logs.configure(logs.process_name() or command)


def name_worker(sender: str = "", **_: object) -> None:
    """In the worker's own process, which never forks: its name is what `-n` says before the host's."""
    name = _name(sender)
    logs.configure(name)
    logging.captureWarnings(True)
    tracing.begin(name, load())
    spans = tracing.spans()
    if spans:
        spans.instrument_celery()


def expose_worker(sender: str = "", **_: object) -> None:
    """Where Prometheus finds the worker's figures."""
    exporter.serve(_name(sender), load())


def expose_beat(**_: object) -> None:
    """The beat has figures of its process only."""
    exporter.serve("beat", load())


def look_at_lanes(**_: object) -> None:
    """The worker takes tasks from now on; a worker that died may have left its lanes to it."""
    deliver.look_at_all()


def watch(**_: object) -> None:
    """Whether it takes any is looked after from now on."""
    watchdog.begin()


def release_lanes(**_: object) -> None:
    """The worker is told to stop, and still has tasks to end."""
    deliver.let_go()


def end_tracing(**_: object) -> None:
    """The worker's tasks have ended: the last spans go out."""
    tracing.end()


def close_resources(**_: object) -> None:
    """The worker's tasks have ended."""
    resources.close()


def _name(sender: str) -> str:
    """`pipeline@host` is the process worker-pipeline."""
    return f"worker-{sender.partition('@')[0]}"
