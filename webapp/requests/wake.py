"""Wakes the workers when there is something to do for a file. A wake-up that is lost is made up for by `sweep_files`."""

from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError

from chat4all.settings import Settings
from chat4all.telemetry import logs

log = logs.logger(__name__)

KEY = "chat4all_tasks"
QUEUE = "channels"
TIMEOUT_S = 1.0


def init(app: Flask, settings: Settings) -> None:
    """Set up the way to the broker. Contacts nobody."""
    tasks = Celery("chat4all-gateway", broker=settings.broker_url, set_as_current=False)
    tasks.conf.update(
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=TIMEOUT_S,
        broker_use_ssl=settings.broker_tls,
        broker_transport_options={"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        if settings.broker_url.startswith("redis")
        else {},
    )
    app.extensions[KEY] = tasks


def wake_file(task: str, file_id: str) -> None:
    """Ask for `task` on a file: verify_file or fetch_media."""
    try:
        current_app.extensions[KEY].send_task(task, args=(file_id,), queue=QUEUE, ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("poke_failed", task=task, file_id=file_id, error=type(error).__name__)
