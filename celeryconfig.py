"""Celery's settings: it carries wake-ups and nothing else. docs/decisions/ says why each is as it is."""

from chat4all.settings import load

_settings = load()

broker_url = _settings.broker_url
result_backend = None
task_ignore_result = True
task_serializer = "json"
accept_content = ["json"]
imports = ("tasks.pipeline",)
