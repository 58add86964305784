"""Records spans with the OpenTelemetry SDK and sends them by OTLP. Only `telemetry.tracing` imports this, where tracing is on.

Whether a trace is recorded is decided where it begins: by the caller's `traceparent`, otherwise at random by the rate.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from time import time_ns
from types import TracebackType
from typing import Any, Self

from opentelemetry import context, propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chat4all.settings import Settings
from chat4all.telemetry.trace_context import HEADER, MESSAGE, Hop, Sending, new, read

# What a span may say. Instrumentors also note addresses, URLs with their queries and what errors say: none of that leaves.
SAID = frozenset({
    "message_id", "conversation_id", "workspace", "channel", "attempt", "outcome", "reason", "delivery", "kind", "topic",
    "messages",
    "http.method", "http.request.method", "http.route", "http.status_code", "http.response.status_code",
    "rpc.system", "rpc.method", "rpc.service", "rpc.grpc.status_code", "celery.action", "celery.task_name", "celery.state",
})  # fmt: skip
SEND_S = 5
# Spans that wait while the collector is away; further ones are dropped. Messages never wait for it.
QUEUED = 32_768
AT_ONCE = 512
EVERY_MS = 1000
LINKS = 2000
LOT = context.create_key("chat4all-sampled")
# The same for what an instrumentor begins: it makes contexts of its own.
DRAWN: ContextVar[bool] = ContextVar("drawn", default=False)


class Spans:
    """This process's spans: made here, sent in the background, dropped when nobody takes them."""

    def __init__(self, process: str, settings: Settings, exporter: SpanExporter | None = None) -> None:
        resource = Resource({"service.name": f"chat4all-{process}", "service.namespace": "chat4all"})
        self._provider = TracerProvider(ParentBased(LotSampler()), resource, span_limits=SpanLimits(max_links=LINKS))
        sent = ScrubbingExporter(exporter or OTLPSpanExporter(settings.otlp, timeout=SEND_S))
        self._provider.add_span_processor(BatchSpanProcessor(sent, QUEUED, EVERY_MS, AT_ONCE))
        self._tracer = self._provider.get_tracer("chat4all")
        self._ratio = settings.trace_ratio
        propagate.set_global_textmap(TraceContextTextMapPropagator())

    def flush(self) -> None:
        """Send what is there, within a few seconds."""
        self._provider.force_flush(SEND_S * 1000)

    def close(self) -> None:
        """Send what is left, and nothing after it."""
        self.flush()
        self._provider.shutdown()

    def current(self) -> str:
        """The context of the span that this thread or task is in, if it is recorded."""
        span = trace.get_current_span()
        return _text(span.get_span_context()) if span.is_recording() else ""

    def say(self, **attributes: str | int) -> None:
        """Of the span that this thread or task is in, if it is recorded."""
        trace.get_current_span().set_attributes(attributes)

    # The ways in

    def is_drawn(self, given: str) -> bool:
        """Whether to record a request that came with this `traceparent`: as its caller does, else by lot."""
        known = read(given)
        return known.endswith("1") if known else random.random() < self._ratio  # noqa: S311 - chooses, guards nothing

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Whatever begins inside is recorded."""
        token = DRAWN.set(True)
        try:
            yield
        finally:
            DRAWN.reset(token)

    @contextmanager
    def entry(self, name: str) -> Iterator[None]:
        """A trace that begins here."""
        with self._tracer.start_as_current_span(name, Context({LOT: True}), record_exception=False):
            yield

    def grpc_interceptor(self) -> Any:
        """For calls that are recorded; all others pass beside it. Streams have their own steps and are not calls here."""
        from opentelemetry.instrumentation.grpc import aio_server_interceptor  # noqa: PLC0415 - only the stream server's

        return aio_server_interceptor(self._provider, filter_=self._is_call_drawn)  # type: ignore[no-untyped-call]

    def _is_call_drawn(self, call: Any) -> bool:
        given = {str(name): str(value) for name, value in call.invocation_metadata or ()}
        if call.method.endswith("/Stream") or not self.is_drawn(given.get(HEADER, "")):
            return False
        # Each call is a task of its own: this lasts as long as it.
        DRAWN.set(True)
        return True

    def instrument_flask(self, app: Any) -> None:
        """Spans for requests that are recorded; all others pass beside the instrumentor. Before other hooks are registered."""
        from flask import request  # noqa: PLC0415 - only the gateway's
        from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415

        plain = app.wsgi_app
        FlaskInstrumentor().instrument_app(app, tracer_provider=self._provider, enable_commenter=False)  # type: ignore[no-untyped-call]
        traced = app.wsgi_app
        for hooks in (app.before_request_funcs, app.teardown_request_funcs):
            hooks[None] = [_only_drawn(each, request) for each in hooks[None]]

        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            if not self.is_drawn(environ.get("HTTP_TRACEPARENT", "")):
                return plain(environ, start_response)
            environ[LOT] = True
            with self.drawn():
                return traced(environ, start_response)

        app.wsgi_app = serve

    @property
    def provider(self) -> TracerProvider:
        """For the instrumentors."""
        return self._provider

    def instrument_celery(self) -> None:
        """Spans for tasks that belong to a recorded batch, in the process that sends them and in the one that runs them."""
        from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - a gateway needs it not

        CeleryInstrumentor().instrument(tracer_provider=self._provider)  # type: ignore[no-untyped-call]

    # A message's way

    def hop(self, name: str, parent: str, message_id: str, attributes: Mapping[str, str | int]) -> Hop:
        """A step that begins now, in the message's trace."""
        return Recorded(self._start(name, parent, _said(message_id, attributes)))

    def mark(self, name: str, parent: str, message_id: str, link: str, attributes: Mapping[str, str | int]) -> None:
        """A step that took no time."""
        links = [Link(_context(link))] if link else []
        self._start(name, parent, _said(message_id, attributes), links=links).end()

    def sending(self, topic: str, request: str, messages: Sequence[tuple[str, str]]) -> Sending:
        """A span for each message while it is appended: in the request's trace if it is the only one, else linked to it."""
        alone = len(messages) == 1
        begun = []
        for message_id, conversation_id in messages:
            said = {"message_id": message_id, "conversation_id": conversation_id, "topic": topic}
            if alone:
                begun.append(self._start("append", request, said, SpanKind.PRODUCER))
                trace.get_current_span().set_attribute("message_id", message_id)
            else:
                links = [Link(_context(request))]
                begun.append(self._tracer.start_span("append", Context({LOT: True}), SpanKind.PRODUCER, said, links))
        headers = [
            {HEADER: _text(span.get_span_context()), MESSAGE: message_id}
            for span, (message_id, _) in zip(begun, messages, strict=True)
        ]
        return Sending(headers, [Recorded(span) for span in begun])

    @contextmanager
    def stage(self, name: str, topic: str, members: Sequence[tuple[str, str]]) -> Iterator[None]:
        """One span for the batch, linked to its members; for each of these a span of the same time in its own trace."""
        begun = time_ns()
        links = [Link(_context(each)) for each, _ in members]
        said: dict[str, str | int] = {"topic": topic, "messages": len(members)}
        with ExitStack() as stack:
            current = trace.get_current_span()
            around = None if current.is_recording() else Context({LOT: True})
            batch = self._tracer.start_span(name, around, attributes=said, links=links, start_time=begun)
            stack.enter_context(trace.use_span(batch, end_on_exit=True, record_exception=False))
            yield
        ended, link = time_ns(), Link(batch.get_span_context())
        for parent, message_id in members:
            self._start(name, parent, _said(message_id, {"topic": topic}), links=[link], at=begun).end(ended)

    def _start(
        self,
        name: str,
        parent: str,
        said: Mapping[str, str | int],
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        at: int | None = None,
    ) -> Span:
        within = trace.set_span_in_context(NonRecordingSpan(_context(parent)), Context())
        return self._tracer.start_span(name, within, kind, said, links, at)


class Recorded(Hop):
    """A step that is recorded. One that ends with an error says its kind and nothing else of it."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind:
            self._span.set_attribute("outcome", kind.__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def set(self, **attributes: str | int) -> None:
        """What came of it."""
        self._span.set_attributes(attributes)


class LotSampler(Sampler):
    """For spans without a parent: recorded if and only if the lot has been drawn for them (`Spans.drawn`)."""

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, kind: Any = None, attributes: Any = None,
        links: Any = None, trace_state: Any = None,
    ) -> SamplingResult:  # fmt: skip
        """The decision for one span."""
        is_drawn = DRAWN.get() or context.get_value(LOT, parent_context)
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_drawn else Decision.DROP, attributes)

    def get_description(self) -> str:
        """Its name."""
        return "LotSampler"


class ScrubbingExporter(SpanExporter):
    """Passes spans on with what they may say: no addresses, no URLs, nothing that an error said."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        return self._exporter.export([scrubbed(each) for each in spans])

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return self._exporter.force_flush(timeout_millis)


def scrubbed(span: ReadableSpan) -> ReadableSpan:
    """The same span with what it may say."""
    said = {name: value for name, value in (span.attributes or {}).items() if name in SAID}
    links = [Link(each.context) for each in span.links]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=said,
        links=links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _only_drawn(hook: Callable[..., Any], request: Any) -> Callable[..., Any]:
    return lambda *given: hook(*given) if LOT in request.environ else None


def _said(message_id: str, attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {"message_id": message_id, **attributes} if message_id else dict(attributes)


def _context(text: str) -> SpanContext:
    text = text or new()
    return SpanContext(int(text[3:35], 16), int(text[36:52], 16), is_remote=True, trace_flags=TraceFlags(int(text[53:], 16)))


def _text(found: SpanContext) -> str:
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-0{found.trace_flags & 1}"
