"""Gunicorn's own messages as JSON log lines. Single requests are not logged: metrics and traces show them."""

from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from chat4all.telemetry import logs


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own logger with our handler."""

    def setup(self, cfg: Config) -> None:
        """Called once, in the master process; workers inherit it."""
        super().setup(cfg)
        logs.configure("gateway")
        self.error_log.handlers = [logs.Library()]

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Nothing: a line for each request would cost more than it tells, and hold callers' addresses."""
