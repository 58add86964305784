"""Logs: JSON lines with stable event names, readable colours on a terminal. Never people's words, addresses or secrets."""

import logging
import sys
from typing import Any

import structlog

NEVER_LOGGED = frozenset({"text", "payload", "address", "authorization", "password", "token", "secret", "body", "value"})


def configure(process: str) -> None:
    """Set up logging for this process. Call once, at its start."""
    shown: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            structlog.processors.format_exc_info,
            _redact,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def logger(name: str) -> Any:
    """The logger of a module. Events are short stable names in snake_case, details are keywords."""
    return structlog.get_logger(module=name)


def _redact(_logger: Any, _method: str, event: Any) -> Any:
    for name in NEVER_LOGGED & event.keys():
        event[name] = "[redacted]"
    return event
