"""The Celery application itself: its name, its broker transport, its settings (celeryconfig.py). `tasks.app` is what is run."""

from celery import Celery

app = Celery("chat4all", amqp="tasks.broker:Amqp")
app.config_from_object("celeryconfig")
