"""What watching costs: two systems side by side under the same load, one with all that watches, one without, in one run
(`make bench BENCH=observed`).

Both meet the same machine at the same moment, and each pair begins in the other order. The watched one is scraped as often as
ops/prometheus says, and its spans go to a collector that forgets them. JSON logs are written in both: a stage writes none for
a message that goes well.
"""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, stdev

import grpc
import requests
from rich.console import Console
from rich.table import Table

from chat4all.root import ROOT
from chat4all.telemetry.exporter import targets
from ops.bench.figures import Flow
from ops.bench.flows import Course, Measured, with_people
from ops.bench.load import UNLIMITED
from ops.harness.guard import refuse_real
from ops.harness.readers import Readers
from ops.harness.system import System

# The part of traces that is recorded: OTEL_TRACES_SAMPLER_ARG=1 shows what all of them cost.
RATIO = os.environ.get("OTEL_TRACES_SAMPLER_ARG") or "0.01"
OFF, ON = "off", "on"
WAYS: Mapping[str, Mapping[str, str]] = {
    OFF: {"CHAT4ALL_METRICS": "off", "CHAT4ALL_OTLP": ""},
    ON: {"CHAT4ALL_METRICS": "on", "CHAT4ALL_OTLP": "{collector}", "CHAT4ALL_TRACE_RATIO": RATIO},
}
PAIRS = int(os.environ.get("PAIRS", "6"))
EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"
PER_SECOND, SECONDS = 120, 20
WAITING = 8000
SCRAPE_S = 5.0
ASIDE = frozenset({"simulator", "flower"})

# µs of CPU a message, by part.
Cpu = dict[str, float]
# By flow and way, of two systems that ran at the same time.
Pair = dict[str, dict[str, Cpu]]


def pair(ways: Sequence[str], console: Console) -> Pair:
    """Two systems of their own, started in this order."""
    with ExitStack() as stack:
        collector = stack.enter_context(_collector())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat4all-observed-")))
        courses = {way: stack.enter_context(_running(way, folder / way, collector)) for way in ways}

        def both(flow: Callable[[Course], Flow]) -> dict[str, Cpu]:
            with ThreadPoolExecutor(len(courses)) as pool:
                under_way = {way: pool.submit(flow, course) for way, course in courses.items()}
                return {way: _ours(each.result().cpu) for way, each in under_way.items()}

        both(lambda course: course.steady(PER_SECOND // 2, 3, receipts=True))
        found = {
            f"{PER_SECOND}/s": both(lambda course: course.steady(PER_SECOND, SECONDS, receipts=True)),
            f"{WAITING:,} waiting": both(lambda course: course.waiting(WAITING)),
        }
    said = (f"{flow} {_all(costs[ON]):,.0f} to {_all(costs[OFF]):,.0f}" for flow, costs in found.items())
    console.print(f"  {', '.join(said)} µs a message")
    return found


@contextmanager
def _running(way: str, data: Path, collector: str) -> Iterator[Course]:
    env = {name: value.format(collector=collector) for name, value in WAYS[way].items()}
    system = Measured(data, UNLIMITED | env)
    refuse_real(system.settings)
    with system, system.operator() as operator, system.register("bench") as sender:
        conversations = with_people(operator, "bench")
        streams = Readers({"bench": sender.token}, system.stream_target, acknowledges=False)
        with streams as readers, _scraping(system, way == ON):
            yield Course(system, operator.token, "bench", conversations, readers)


def _ours(cpu: Cpu) -> Cpu:
    return {part: each for part, each in cpu.items() if part not in ASIDE}


def _all(cpu: Cpu) -> float:
    return sum(cpu.values())


@contextmanager
def _collector() -> Iterator[str]:
    """Takes spans and forgets them; its URL."""
    server = grpc.server(ThreadPoolExecutor(2))
    taken = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EXPORT, {"Export": taken}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(0)


@contextmanager
def _scraping(system: System, wanted: bool) -> Iterator[None]:
    """Every process is asked for its figures inside."""
    ending = threading.Event()

    def scrape() -> None:
        while not ending.wait(SCRAPE_S):
            for url in targets(system.settings).values():
                requests.get(url, timeout=5).raise_for_status()

    thread = threading.Thread(target=scrape, daemon=True)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        ending.set()


def compared(pairs: Sequence[Pair], console: Console) -> dict[str, object]:
    """Print the means by part, and what is on to what is off; the same as JSON takes it."""
    found: dict[str, object] = {}
    for flow in pairs[0]:
        costs = [each[flow] for each in pairs]
        means = {way: {part: round(mean(each[way][part] for each in costs), 1) for part in costs[0][way]} for way in WAYS}
        ratios = [_all(each[ON]) / _all(each[OFF]) for each in costs]
        ratio = round(_all(means[ON]) / _all(means[OFF]), 3)
        error = round(stdev(ratios) / len(ratios) ** 0.5, 3) if len(ratios) > 1 else None
        table = Table(title=f"{flow}: µs of CPU a message", title_justify="left")
        for heading in ("", *WAYS):
            table.add_column(heading, justify="right")
        for part in means[OFF]:
            table.add_row(part, *(f"{means[way][part]:,.0f}" for way in WAYS))
        table.add_section()
        table.add_row("all", *(f"{_all(means[way]):,.0f}" for way in WAYS))
        table.add_row("on to off", "", f"{ratio:.3f} ± {error}")
        console.print(table)
        found[flow] = {
            "cpu_us_per_message": means,
            "on_to_off": ratio,
            "standard_error": error,
            "each_pair": [round(each, 3) for each in ratios],
        }
    return found


def main(console: Console) -> int:
    """Measure, print, write."""
    pairs: list[Pair] = []
    for number in range(PAIRS):
        ways = (OFF, ON) if number % 2 else (ON, OFF)
        console.print(f"{number + 1} of {PAIRS}, {ways[0]} begins …")
        pairs.append(pair(ways, console))
    path = ROOT / "build" / "observed.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(compared(pairs, console), indent=2) + "\n")
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0
