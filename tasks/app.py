"""What `celery -A tasks.app …` runs: the application, its tasks (`tasks.worker`), its signals (`tasks.process`).

Nothing is opened here: a worker opens its resources when it is ready, beat and Flower never do.
"""

from tasks import process
from tasks.celery_app import create_app
from tasks.worker import Once, Worker, declare, open_worker

__all__ = ["app"]

app = create_app()
worker: Once[Worker] = Once(lambda: open_worker(app))
declare(app, worker)
process.connect(app, worker)
