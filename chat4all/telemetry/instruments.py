"""Cheap counters, histograms and readings, with which `chat4all.telemetry.metrics` declares the metrics.

Counters are added at once. Durations are appended to a list, which costs a tenth of a histogram's bookkeeping, and are counted
together every second and before each scrape. What can be read from somewhere at any time is a `Reading`: it costs nothing
in between. With CHAT4ALL_METRICS=off nothing is kept at all.
"""

import atexit
import os
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import prometheus_client
from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

# Decided at import, as the library decides then whether it counts over several processes.
ON = os.environ.get("CHAT4ALL_METRICS", "on") != "off"
REGISTRY = CollectorRegistry()
# A process that is killed loses the durations of this time at most.
FLUSH_S = 1.0
KEPT = 200_000
# A reason that we do not choose ourselves gets no more values than these.
REASONS = 100
OTHER = "other"

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Declared(Struct, frozen=True):
    """A metric as documents and tests know it. `where`: the processes that expose it; empty: all."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    where: tuple[str, ...]


DECLARED: dict[str, Declared] = {}


def _declare(name: str, kind: str, labels: Iterable[str], text: str, where: Iterable[str]) -> None:
    if name in DECLARED:
        raise ValueError(f"{name} is declared twice")
    DECLARED[name] = Declared(name, kind, tuple(labels), text, tuple(where))


class Adder:
    """A counter's value for one set of labels."""

    def __init__(self, child: prometheus_client.Counter | None) -> None:
        if child is not None:
            self.add = child.inc  # type: ignore[method-assign]

    def add(self, amount: float = 1) -> None:
        """Count so many more. From any thread."""


class Counter:
    """Something that only grows. Values for labels are made at first use: keep them where they are needed often."""

    def __init__(self, name: str, text: str, *labels: str, where: Iterable[str] = ()) -> None:
        _declare(name, "counter", labels, text, where)
        self._counter = prometheus_client.Counter(name, text, labels, registry=REGISTRY) if ON else None
        self._children: dict[tuple[str, ...], Adder] = {}
        if not labels:
            self.add = Adder(self._counter).add  # type: ignore[method-assign]

    def add(self, amount: float = 1) -> None:
        """Count so many more, where there are no labels. From any thread."""
        raise TypeError("this counter has labels")

    def of(self, *values: str) -> Adder:
        """The value for these labels, in the order in which they were declared."""
        child = self._children.get(values)
        if child is None:
            child = self._children.setdefault(values, Adder(self._counter.labels(*values) if self._counter else None))
        return child

    def of_reason(self, *values: str) -> Adder:
        """As `of`, where the last label is a reason that others choose: after a hundred of them all new ones are `other`."""
        if values not in self._children and len(self._children) >= REASONS:
            values = (*values[:-1], OTHER)
        return self.of(*values)


class Gauge:
    """Something that this process knows to be so now. `gunicorn`: how several of its processes make one value."""

    def __init__(self, name: str, text: str, *labels: str, where: Iterable[str] = ()) -> None:
        _declare(name, "gauge", labels, text, where)
        self._gauge = (
            prometheus_client.Gauge(name, text, labels, registry=REGISTRY, multiprocess_mode="livesum") if ON else None
        )

    def set(self, value: float, *values: str) -> None:
        """It is this now."""
        if self._gauge:
            (self._gauge.labels(*values) if values else self._gauge).set(value)


class Observations:
    """A histogram's values for one set of labels, on their way."""

    def __init__(self, bounds: list[float], child: prometheus_client.Histogram) -> None:
        self._bounds, self._child = bounds, child
        self._pending: deque[float] = deque(maxlen=KEPT)
        self.put: Callable[[float], None] = self._pending.append

    def flush(self) -> None:
        """Count what was put aside. By one thread at a time."""
        pending, counts, total = self._pending, dict[int, int](), 0.0
        while pending:
            value = pending.popleft()
            total += value
            place = bisect_left(self._bounds, value)
            counts[place] = counts.get(place, 0) + 1
        if counts:
            # The library has no way to observe many at once: it would take each one's lock, twice.
            parts: Any = self._child
            parts._sum.inc(total)
            for place, number in counts.items():
                parts._buckets[place].inc(number)


class Histogram:
    """How large or long something was, in buckets."""

    _all: ClassVar[list[Observations]] = []
    _flushing = threading.Lock()

    def __init__(self, name: str, text: str, *labels: str, buckets: Iterable[float], where: Iterable[str] = ()) -> None:
        _declare(name, "histogram", labels, text, where)
        self._bounds = [*buckets, float("inf")]
        self._histogram = (
            prometheus_client.Histogram(name, text, labels, registry=REGISTRY, buckets=self._bounds) if ON else None
        )
        self._children: dict[tuple[str, ...], Callable[[float], None]] = {}

    def of(self, *values: str) -> Callable[[float], None]:
        """What takes the values for these labels. From any thread."""
        return self._children.get(values) or self._children.setdefault(values, self._made(values))

    def _made(self, values: tuple[str, ...]) -> Callable[[float], None]:
        if self._histogram is None:
            return _nothing
        made = Observations(self._bounds, self._histogram.labels(*values) if values else self._histogram)
        with self._flushing:
            self._all.append(made)
        return made.put

    @classmethod
    def flush(cls) -> None:
        """Count everything that was put aside so far."""
        with cls._flushing:
            for each in cls._all:
                each.flush()


def _nothing(_value: float) -> None:
    """Where nothing is kept."""


class Flushing(Collector):
    """The first of the registry: whoever collects it finds everything counted that was put aside."""

    def collect(self) -> Iterable[Any]:
        """Nothing of its own."""
        Histogram.flush()
        return ()


REGISTRY.register(Flushing())

Values = Mapping[tuple[str, ...], float]


class Reading:
    """A gauge that is read when somebody asks. Whoever knows it calls `from_`; until then it is not exposed."""

    def __init__(self, name: str, text: str, *labels: str, where: Iterable[str] = (), kind: str = "gauge") -> None:
        _declare(name, kind, labels, text, where)
        self.name, self.text, self.labels = name, text, labels

    def from_(self, read: Callable[[], Values]) -> None:
        """From now on the values are these, by their labels. An error of `read` leaves this metric out of the answer."""
        READERS[self] = read


READERS: dict[Reading, Callable[[], Values]] = {}


class Readings(Collector):
    """Reads what is to be read at a scrape; `failed` counts what could not be, by name."""

    def __init__(self, failed: Counter, readers: Mapping[Reading, Callable[[], Values]] = READERS) -> None:
        self._failed, self._readers = failed, readers

    def collect(self) -> Iterable[Any]:
        """One family for each metric that could be read."""
        for reading, read in list(self._readers.items()):
            try:
                values = read()
            except Exception:  # noqa: BLE001 - a store that is away must not take the other figures with it
                self._failed.of(reading.name).add()
                continue
            kind = CounterMetricFamily if DECLARED[reading.name].kind == "counter" else GaugeMetricFamily
            family: Any = kind(reading.name, reading.text, labels=reading.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family


_begun: set[int] = set()


def begin() -> None:
    """Count what is put aside from now on, every second, in this process. Once is enough; after any fork."""
    if not ON or os.getpid() in _begun:
        return
    _begun.add(os.getpid())

    def run() -> None:
        while True:
            time.sleep(FLUSH_S)
            Histogram.flush()

    threading.Thread(target=run, name="metrics", daemon=True).start()
    atexit.register(Histogram.flush)
