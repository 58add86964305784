"""What watching costs: the same load with all that watches off and on, in turns, in one run (`make bench BENCH=observed`).

Each way is measured twice, forwards and then backwards, so that what slowly changes on the machine touches all alike. While
metrics are on, every process is scraped as Prometheus would, only more often; spans go to a collector that forgets them.
"""

import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

import grpc
import requests
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from chat4all.cli.parts import ROOT
from chat4all.exposing import targets
from ops.bench.flows import Course, Measured
from ops.harness.guard import refuse_real
from ops.harness.readers import Readers
from ops.harness.system import System

# The part of traces that is recorded: OTEL_TRACES_SAMPLER_ARG=1 shows what all of them cost.
RATIO = os.environ.get("OTEL_TRACES_SAMPLER_ARG") or "0.01"
# What is watched with, as environment: each line that is on costs something that `off` does not.
WAYS: Mapping[str, Mapping[str, str]] = {
    "off": {"CHAT4ALL_METRICS": "off", "CHAT4ALL_OTLP": ""},
    "metrics": {"CHAT4ALL_OTLP": ""},
    "metrics and traces": {"CHAT4ALL_OTLP": "{collector}", "CHAT4ALL_TRACE_RATIO": RATIO},
}
TURNS = ("off", "metrics", "metrics and traces", "metrics and traces", "metrics", "off")
EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"
CONVERSATIONS = 50
PER_SECOND, SECONDS = 250, 8
WAITING = 4000
SCRAPE_S = 5.0
ASIDE = frozenset({"simulator", "flower"})


class Cost(Struct, frozen=True):
    """µs of CPU a message, by part: under a steady load, and of what waited."""

    steady: dict[str, float]
    waiting: dict[str, float]


def turn(way: str, console: Console) -> Cost:
    """One system of its own, watched in this way."""
    console.print(f"{way} …")
    with tempfile.TemporaryDirectory(prefix="chat4all-observed-") as folder, _collector() as collector:
        env = {name: value.format(collector=collector) for name, value in WAYS[way].items()}
        system = Measured(Path(folder) / "data", env)
        refuse_real(system.settings)
        with system:
            return _measured(system, scraped=way != "off")


def _measured(system: Measured, scraped: bool) -> Cost:
    operator, sender = system.operator(), system.register("bench")
    people = [f"whatsapp:+5541{number:09d}" for number in range(CONVERSATIONS)]
    first = [{"from": "bench", "to": [each], "payload": {"type": "text", "text": "hello"}} for each in people]
    conversations = [str(operator.send(each)["conversation_id"]) for each in first]
    with Readers({"bench": sender.token}, system.stream_target, acknowledges=False) as readers:
        course = Course(system, operator.token, "bench", conversations, readers)
        course.steady(100, 2, receipts=True)
        with _scraping(system, scraped):
            steady = course.steady(PER_SECOND, SECONDS, receipts=True)
            waiting = course.waiting(WAITING)
    return Cost(_ours(steady.ours), _ours(waiting.ours))


def _ours(cpu: Mapping[str, float]) -> dict[str, float]:
    return {part: each for part, each in cpu.items() if part not in ASIDE}


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


def compared(costs: Mapping[str, list[Cost]], console: Console) -> dict[str, object]:
    """Print the means by part, and what is on to what is off; the same as JSON takes it."""
    found: dict[str, object] = {}
    for flow in ("steady", "waiting"):
        table = Table(title=f"{flow}: µs of CPU a message", title_justify="left")
        means = {way: _mean([getattr(each, flow) for each in runs]) for way, runs in costs.items()}
        for heading in ("", *means):
            table.add_column(heading, justify="right")
        for part in next(iter(means.values())):
            table.add_row(part, *(f"{each.get(part, 0.0):,.0f}" for each in means.values()))
        totals = {way: sum(each.values()) for way, each in means.items()}
        ratios = {way: round(total / totals["off"], 3) for way, total in totals.items()}
        table.add_section()
        table.add_row("all", *(f"{each:,.0f}" for each in totals.values()))
        table.add_row("to off", *(f"{each:.3f}" for each in ratios.values()))
        console.print(table)
        runs = {way: [round(sum(getattr(each, flow).values()), 1) for each in kept] for way, kept in costs.items()}
        found[flow] = {"cpu_us_per_message": means, "each_run": runs, "ratio_to_off": ratios}
    return found


def _mean(runs: list[dict[str, float]]) -> dict[str, float]:
    return {part: round(mean(run.get(part, 0.0) for run in runs), 1) for part in runs[0]}


def main(console: Console) -> int:
    """Measure, print, write."""
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    for way in TURNS:
        costs[way].append(turn(way, console))
        # Said at once: a run that is cut short has not been for nothing.
        newest = costs[way][-1]
        console.print(f"  steady {sum(newest.steady.values()):,.0f}, waiting {sum(newest.waiting.values()):,.0f} µs a message")
    path = ROOT / "build" / "observed.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(compared(costs, console), indent=2) + "\n")
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0
