"""The Celery application: `celery -A tasks.app …`. Stages are in tasks.pipeline, settings in celeryconfig.py."""

import logging
import sys

from celery import Celery, signals

from chat4all.settings import load
from chat4all.telemetry import logs, tracing

app = Celery("chat4all", amqp="tasks.broker:Amqp")
app.config_from_object("celeryconfig")


@signals.setup_logging.connect
def _set_up_logging(**_: object) -> None:
    # A worker has said its name before; of beat and flower the command is the name.
    command = next((each for each in ("beat", "flower") if each in sys.argv), "celery")
    logs.configure(logs.process_name() or command)


@signals.celeryd_init.connect
def _set_up_worker(sender: str = "", **_: object) -> None:
    """In the worker's own process, which never forks: its name is what `-n` says before the host's."""
    name = f"worker-{sender.partition('@')[0]}"
    logs.configure(name)
    logging.captureWarnings(True)
    tracing.begin(name, load())
    spans = tracing.spans()
    if spans:
        spans.instrument_celery()


@signals.worker_shutdown.connect
def _end_worker(**_: object) -> None:
    tracing.end()
