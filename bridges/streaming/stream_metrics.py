"""Metrics of streams, the same for gRPC and Server-Sent Events."""

from collections.abc import Iterator
from contextlib import contextmanager

from chat4all.telemetry import metrics

_open: dict[tuple[str, ...], int] = {}
metrics.STREAMS.from_(lambda: dict(_open))


class Streams:
    """The streams of one transport."""

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self._opened = metrics.STREAMS_OPENED.of(transport)
        self._sent = metrics.EVENTS_SENT.of(transport)
        _open.setdefault((transport,), 0)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A stream is open inside."""
        self._opened.add()
        _open[self._transport,] += 1
        try:
            yield
        finally:
            _open[self._transport,] -= 1

    def sent(self, events: int) -> None:
        """So many events were written."""
        if events:
            self._sent.add(events)

    def cut_off(self, reason: str) -> None:
        """We ended a stream: too_slow, token_expired or unavailable."""
        metrics.CUT_OFF.of(self._transport, reason).add()
