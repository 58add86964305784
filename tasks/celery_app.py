"""The Celery application itself: its name, its broker transport, its settings (celeryconfig.py). `tasks.app` is what is run."""

from celery import Celery


def create_app() -> Celery:
    """An application without tasks: whoever makes it declares them. Contacts nobody."""
    app = Celery("chat4all", amqp="tasks.broker:Amqp")
    app.config_from_object("celeryconfig")
    return app
