"""Starts the metrics exporter in workers and in the beat."""

from celery import signals

from chat4all.settings import load
from chat4all.telemetry import exporter


@signals.celeryd_init.connect
def show_worker(sender: str = "", **_: object) -> None:
    """`pipeline@host` is the process worker-pipeline."""
    exporter.serve(f"worker-{sender.partition('@')[0]}", load())


@signals.beat_init.connect
def show_beat(**_: object) -> None:
    """The beat has figures of its process only."""
    exporter.serve("beat", load())
