"""The Celery application: `celery -A tasks.app …`. Stages are in tasks.pipeline, settings in celeryconfig.py."""

from celery import Celery, signals

from chat4all import telemetry

app = Celery("chat4all")
app.config_from_object("celeryconfig")


@signals.setup_logging.connect
def _set_up_logging(**_: object) -> None:
    telemetry.configure("worker")
