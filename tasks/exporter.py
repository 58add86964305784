"""Workers and the beat show their metrics from their start on."""

from celery import signals

from chat4all import exposing
from chat4all.settings import load


@signals.celeryd_init.connect
def show_worker(sender: str = "", **_: object) -> None:
    """`pipeline@host` is the process worker-pipeline."""
    exposing.serve(f"worker-{sender.partition('@')[0]}", load())


@signals.beat_init.connect
def show_beat(**_: object) -> None:
    """The beat has figures of its process only."""
    exposing.serve("beat", load())
