"""Trace context of a request, for the records that it makes."""

from flask import Flask, request

from chat4all.settings import Settings
from chat4all.telemetry import trace_context, tracing


def init(app: Flask, settings: Settings) -> None:
    """Record the requests of this process, where tracing is on. Before anything else is registered."""
    tracing.begin("gateway", settings)
    spans = tracing.spans()
    if spans:
        spans.instrument_flask(app)


def headers() -> dict[str, str]:
    """Record headers: this request's trace context, or the caller's W3C `traceparent`, where there is a well-formed one."""
    return tracing.request_headers(request.headers.get(trace_context.HEADER, ""))
