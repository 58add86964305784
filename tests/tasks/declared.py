"""The application that workers run, with a worker that no test needs."""

from celery import Celery

from tasks.celery_app import create_app
from tasks.worker import Once, Worker, declare


def _none() -> Worker:
    raise AssertionError("no task runs here")


def declared() -> Celery:
    """All tasks, none of which can run."""
    app = create_app()
    declare(app, Once(_none))
    return app
