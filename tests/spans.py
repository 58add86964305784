"""Spans in tests: recorded by the service's own recorder, kept in memory instead of sent."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chat4all.settings import Settings
from chat4all.telemetry import tracing
from chat4all.telemetry.spans import Spans


class Recording:
    """What was recorded so far."""

    def __init__(self, ratio: float) -> None:
        self._kept = InMemorySpanExporter()
        self.spans = Spans("test", Settings(otlp="http://127.0.0.1:1", trace_ratio=ratio), self._kept)

    def all(self) -> list[ReadableSpan]:
        """Every span that has ended, by when it began."""
        self.spans.flush()
        return sorted(self._kept.get_finished_spans(), key=lambda each: each.start_time or 0)

    def of(self, trace_id: str) -> list[ReadableSpan]:
        """Those of one trace."""
        return [each for each in self.all() if each.context and f"{each.context.trace_id:032x}" == trace_id]


def id_of(span: ReadableSpan) -> int:
    """The span's own id."""
    return span.context.span_id if span.context else 0


@contextmanager
def recording(ratio: float = 1.0) -> Iterator[Recording]:
    """Tracing is on inside, with this part of traces recorded."""
    made = Recording(ratio)
    tracing._Process.spans = made.spans
    try:
        yield made
    finally:
        tracing.end()
