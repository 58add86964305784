"""What `celery -A tasks.app …` runs: the application, with what its processes do as they begin and end (`tasks.process`).

Stages are in `tasks.pipeline`, settings in celeryconfig.py.
"""

from tasks.celery_app import app
from tasks.process import connect

__all__ = ["app"]

connect()
