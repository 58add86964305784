"""Traces: to which trace a message belongs, and its spans where tracing is on.

A trace context is a W3C `traceparent` as text: `00-<trace id>-<span id>-<01 where it is sampled>`. Every accepted message has
one, in its record's headers, its rows and its log lines, whether spans are recorded or not. Spans are made for sampled
messages only, by `chat4all.telemetry.spans`, which is imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import workspace_of
from chat4all.settings import Settings
from chat4all.telemetry import logs
from chat4all.telemetry.trace_context import HEADER, MESSAGE, Hop, Sending, new, read, trace_id

if TYPE_CHECKING:
    from chat4all.telemetry.spans import Spans
NOTHING = Hop()


class _Process:
    """What this process records with; None where tracing is off."""

    spans: "Spans | None" = None


def begin(process: str, settings: Settings) -> None:
    """Record spans from now on, if these settings say where to. Once per process, after any fork."""
    if settings.otlp and _Process.spans is None:
        _Process.spans = import_module("chat4all.telemetry.spans").Spans(process, settings)
        logs.name_traces(_current_id)


def end() -> None:
    """Send what is left, within a few seconds, and record no more."""
    spans, _Process.spans = _Process.spans, None
    logs.name_traces(None)
    if spans:
        spans.close()


def spans() -> "Spans | None":
    """What records, for the ways in and Celery; None where tracing is off."""
    return _Process.spans


def _current_id() -> str:
    spans = _Process.spans
    return trace_id(spans.current()) if spans else ""


def is_sampled(trace: str) -> bool:
    """Whether somebody records this trace. Never so where tracing is off."""
    return _Process.spans is not None and trace.endswith("1")


def about(message: Any) -> dict[str, str]:
    """What a log line about a Message or Delivery says, so that it is found: its trace, id and conversation."""
    return {
        "trace_id": trace_id(message.trace),
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
    }


def request_headers(given: str) -> dict[str, str]:
    """The context of the request that this thread or task answers: its span's, else what the caller `given`, else none."""
    spans = _Process.spans
    trace = (spans.current() if spans else "") or read(given)
    return {HEADER: trace} if trace else {}


def entry(name: str) -> AbstractContextManager[object]:
    """Something comes in that no server saw begin: by lot, its trace begins here."""
    spans = _Process.spans
    return spans.entry(name) if spans and spans.is_drawn("") else NOTHING


def of_workspace(workspace: str) -> None:
    """The request that this thread or task answers is of this workspace. Of `default` nothing is said, as in logs."""
    spans = _Process.spans
    if spans and workspace != DEFAULT_WORKSPACE:
        spans.say(workspace=workspace)


def hop(name: str, trace: str, message_id: str, home: str = "", **attributes: str | int) -> Hop:
    """A step of a message's way that begins now. `with hop(...) as step: …; step.set(outcome="sent")`.

    `home`: the id of the conversation as it is stored, which says whose it is.
    """
    spans = _Process.spans
    return spans.hop(name, trace, message_id, _owned(home) | attributes) if spans and trace.endswith("1") else NOTHING


def mark(name: str, trace: str, message_id: str, link: str = "", home: str = "", **attributes: str | int) -> None:
    """A step that took no time. `link`: the context of another trace that it belongs with; `home` as of `hop`."""
    spans = _Process.spans
    if spans and trace.endswith("1"):
        spans.mark(name, trace, message_id, link, _owned(home) | attributes)


def _owned(home: str) -> dict[str, str | int]:
    workspace = workspace_of(home)
    return {} if workspace == DEFAULT_WORKSPACE else {"workspace": workspace}


def sending(topic: str, request: Mapping[str, str], messages: Sequence[tuple[str, str]]) -> Sending:
    """Append these (message_id, conversation_id) inside; `request`: the headers of the request that brought them.

    One message goes on with the request's trace. Of several that are sampled each gets a trace of its own, linked to it.
    """
    trace, spans = request.get(HEADER, ""), _Process.spans
    if spans and trace.endswith("1"):
        return spans.sending(topic, trace, messages)
    return Sending([{HEADER: trace or new()} for _ in messages])


def sampled(headers: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """(context, message_id) of the records with these headers that are sampled."""
    if _Process.spans is None:
        return []
    return [(trace, each.get(MESSAGE, "")) for each in headers if (trace := each.get(HEADER, "")).endswith("1")]


def recorded(trace: str) -> str:
    """What an event about a message carries, so that the stream can record that it left. Empty where nobody will."""
    return trace if is_sampled(trace) else ""


def stage(name: str, topic: str, members: Sequence[tuple[str, str]]) -> AbstractContextManager[object]:
    """A batch's step: one span, linked to its sampled `members`, and for each of these its part, in its own trace."""
    spans = _Process.spans
    return spans.stage(name, topic, members) if spans and members else NOTHING
