"""What workers, the beat and Flower do as they begin and end, by Celery's signals. Only `connect` acts."""

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from celery import Celery, signals

from chat4all.settings import load
from chat4all.telemetry import exporter, logs, tracing
from tasks import watchdog

if TYPE_CHECKING:
    # Beat and Flower have no worker, and need not load what one works with.
    from tasks.worker import Once, Worker


def connect_every() -> None:
    """What concerns workers, beat and Flower alike is answered from now on. Once per process, by its entry point."""
    signals.setup_logging.connect(set_up_logging)
    signals.beat_init.connect(expose_beat)


def connect(app: Celery, worker: "Once[Worker]") -> None:
    """From now on all signals are answered. Once per process, by its entry point.

    Receivers of one signal run in the order given here; where one fails, Celery logs it and runs the next.
    """
    connect_every()
    signals.celeryd_init.connect(name_worker)
    signals.celeryd_init.connect(expose_worker)

    def on(signal: signals.Signal, act: Callable[[], None]) -> None:
        signal.connect(lambda **_: act(), weak=False)

    # The worker takes tasks from now on: its resources are opened, unless an outage keeps it from that until the first task.
    on(signals.worker_ready, lambda: worker.get().look_at_lanes(set(app.amqp.queues.consume_from)))
    on(signals.worker_ready, lambda: watchdog.begin(app))
    signals.worker_ready.connect(lambda sender, **_: setattr(app.amqp, "begins", sender.begin), weak=False)
    # It is told to stop, and still has tasks to end.
    on(signals.worker_shutting_down, lambda: worker.made.release_lanes() if worker.made else None)
    # They have ended: the last spans go out, and what is open is let go of.
    on(signals.worker_shutdown, tracing.end)
    on(signals.worker_shutdown, lambda: worker.made.close() if worker.made else None)


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


def _name(sender: str) -> str:
    """`pipeline@host` is the process worker-pipeline."""
    return f"worker-{sender.partition('@')[0]}"
