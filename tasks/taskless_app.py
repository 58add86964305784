"""What `celery -A tasks.taskless_app beat` and `… flower` run: the application without its tasks.

Neither runs a task, and what tasks work with is a third of a process's memory.
"""

from tasks import process
from tasks.celery_app import create_app

__all__ = ["app"]

app = create_app()
process.connect_every()
