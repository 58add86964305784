"""Logs: JSON lines with stable event names, readable colours on a terminal. Never people's words, addresses or secrets.

Fields are named as in OpenTelemetry's log data model (`severity_text`, `event_name`, `trace_id`, `body`) and its semantic
conventions (`service.name`, `exception.type`); docs/tracing.md lists them. What libraries log comes out the same way.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from chat4all.redaction import know_environment, redact_fields, redacted

SEVERITY = {"warning": "WARN", "critical": "FATAL", "exception": "ERROR"}
NAMES = {"event": "event_name", "module": "scope.name"}
LIBRARY = "library_message"


class _Process:
    """What every line of this process says. `trace_id`: that of the request or task that a thread is in; empty if none."""

    name = ""
    trace_id: "Callable[[], str] | None" = None


def configure(process: str) -> None:
    """Set up logging for this process, of ours and of libraries. Call once, at its start; again when its name is known."""
    _Process.name = process
    know_environment()
    on_terminal = sys.stderr.isatty()
    shown: list[Any] = [structlog.dev.ConsoleRenderer()] if on_terminal else [_named, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            _placed,
            _exception,
            redact_fields,
            *shown,
            _last_look,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    if not any(isinstance(each, Library) for each in root.handlers):
        root.addHandler(Library())


def process_name() -> str:
    """What `configure` was last told; empty before."""
    return _Process.name


def name_traces(trace_id: "Callable[[], str] | None") -> None:
    """From now on each line says the trace that `trace_id` gives for its thread or task, unless it says one itself."""
    _Process.trace_id = staticmethod(trace_id) if trace_id else None


def of_workspace(workspace: str) -> None:
    """From now on each line of this thread or task says whose it is about; "": it says nothing of that."""
    if workspace:
        structlog.contextvars.bind_contextvars(workspace=workspace)
    else:
        structlog.contextvars.unbind_contextvars("workspace")


def logger(name: str) -> Any:
    """The logger of a module. Events are short stable names in snake_case, details are keywords."""
    return structlog.get_logger(module=name)


class Library(logging.Handler):
    """What libraries log, as lines of ours: their words are the `body`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. Never raises: a log must stop nothing."""
        try:
            said = {"body": record.getMessage(), "exc_info": record.exc_info}
            logger(record.name).log(max(record.levelno, logging.INFO), LIBRARY, **said)
        except Exception:  # noqa: BLE001 - as the base class says
            self.handleError(record)


def _placed(_logger: Any, _method: str, event: Any) -> Any:
    event["process"] = _Process.name
    if _Process.trace_id and not event.get("trace_id"):
        trace_id = _Process.trace_id()
        if trace_id:
            event["trace_id"] = trace_id
    return event


def _exception(_logger: Any, _method: str, event: Any) -> Any:
    """What was raised and where. Never what it said: that may quote people's words or addresses."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception.type"] = type(error).__name__
        event["exception.stacktrace"] = _frames(error.__traceback__)
        cause = error.__cause__ or error.__context__
        if cause:
            event["exception.cause"] = type(cause).__name__
    return event


def _frames(trace: TracebackType | None) -> str:
    found = []
    while trace:
        code = trace.tb_frame.f_code
        found.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(found)


def _named(_logger: Any, _method: str, event: Any) -> Any:
    """OpenTelemetry's names, the ones that people look for first."""
    level = event.pop("level", "info")
    line = {"@timestamp": event.pop("@timestamp"), "severity_text": SEVERITY.get(level, level.upper())}
    line |= {named: event.pop(ours) for ours, named in NAMES.items() if ours in event}
    return {**line, "service.name": "chat4all", **event}


def _last_look(_logger: Any, _method: str, line: Any) -> Any:
    """A second net below the first: what is known to be secret, or looks so, wherever it stands in the line."""
    return redacted(line)
