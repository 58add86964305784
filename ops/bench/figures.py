"""What was measured, as numbers, as a table for people, and as build/bench.json."""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

QUIET = 0.7


class Spread(Struct, frozen=True):
    """Median and 99th percentile, in milliseconds."""

    p50: float
    p99: float


def spread(values: Iterable[float]) -> Spread:
    """Of any values in milliseconds; zeros when there are none."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0.0, 0.0)
    return Spread(*(round(ordered[max(0, math.ceil(len(ordered) * share) - 1)], 1) for share in (0.5, 0.99)))


class Accepting(Struct, frozen=True):
    """How fast the gateway takes messages: `rate` a second; `took` a request."""

    rate: float
    took: Spread


class Flow(Struct, frozen=True):
    """How messages came through: `rate` a second, times in ms, CPU in µs a message by part, messages per chain."""

    messages: int
    rate: float
    send_to_stream: Spread
    log_to_provider: Spread
    cpu: dict[str, float]
    per_chain: float

    @property
    def road_cpu(self) -> float:
        """What the road costs from the log on: what the bare loop does too, less gateway, stream, simulator and Flower."""
        return round(sum(self.cpu[part] for part in ("bridge", "worker-pipeline", "worker-channels", "redis", "beat")), 1)


class Bare(Struct, frozen=True):
    """The bare loop: messages a second and µs of CPU a message."""

    rate: float
    cpu: float


class Figures(Struct, frozen=True):
    """One run of the bench. `idle`: thousandths of a core by part. `load`: what else the machine did when it began."""

    single: Accepting
    batch: Accepting
    steady: dict[str, Flow]
    waiting: dict[str, Flow]
    bare: Bare
    idle: dict[str, float]
    load: float

    @property
    def ratio(self) -> float:
        """CPU of the road with everything waiting, to the bare loop's. 1.0: the pipeline costs nothing."""
        flow = next(iter(self.waiting.values()))
        return round(flow.road_cpu / self.bare.cpu, 2)


def plain(figures: Figures) -> dict[str, Any]:
    """As JSON takes it."""
    flows = {**figures.steady, **figures.waiting}
    return {
        "machine": {"cores": os.cpu_count(), "load_before": figures.load},
        "accept": {"single": _accepting(figures.single), "batch": _accepting(figures.batch)},
        "flows": {name: _flow(flow) for name, flow in flows.items()},
        "bare_loop": {"messages_per_second": figures.bare.rate, "cpu_us_per_message": figures.bare.cpu},
        "ratio_to_bare_loop": figures.ratio,
        "idle_thousandths_of_a_core": figures.idle,
    }


def _accepting(each: Accepting) -> dict[str, float]:
    return {"messages_per_second": each.rate, "p50_ms": each.took.p50, "p99_ms": each.took.p99}


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "messages": flow.messages,
        "messages_per_second": flow.rate,
        "send_to_stream_ms": {"p50": flow.send_to_stream.p50, "p99": flow.send_to_stream.p99},
        "log_to_provider_ms": {"p50": flow.log_to_provider.p50, "p99": flow.log_to_provider.p99},
        "cpu_us_per_message": flow.cpu,
        "messages_per_chain": flow.per_chain,
    }


def write(figures: Figures, path: Path) -> None:
    """Keep them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(figures), indent=2) + "\n")


def show(figures: Figures, console: Console) -> None:
    """Print them."""
    table = Table(title="accepting (request to durable in the log)", title_justify="left")
    for heading in ("", "messages/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for name, each in (("one a request", figures.single), (":batch", figures.batch)):
        table.add_row(name, f"{each.rate:,.0f}", str(each.took.p50), str(each.took.p99))
    console.print(table)
    _show_flows(figures, console)
    bare = figures.bare
    console.print(
        f"bare loop: {bare.rate:,.0f} messages/s, {bare.cpu:.0f} µs a message; road to bare loop: [bold]{figures.ratio}"
    )
    if figures.load > QUIET:
        console.print(f"[yellow]The machine was busy with something else (load {figures.load}): it can do better than this.")


def _show_flows(figures: Figures, console: Console) -> None:
    flows = {**figures.steady, **figures.waiting}
    table = Table(title="through the road", title_justify="left")
    for name in ("", *flows, "idle, ‰ of a core"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("messages/s", *(f"{flow.rate:,.0f}" for flow in flows.values()))
    for title, field in (("send to stream", "send_to_stream"), ("log to provider", "log_to_provider")):
        table.add_row(f"{title} p50 / p99 ms", *(_both(getattr(flow, field)) for flow in flows.values()))
    table.add_row("messages per chain", *(f"{flow.per_chain:.1f}" for flow in flows.values()))
    for part in next(iter(flows.values())).cpu:
        table.add_row(
            f"CPU µs a message: {part}", *(f"{flow.cpu[part]:,.0f}" for flow in flows.values()), str(figures.idle[part])
        )
    totals = [f"{sum(flow.cpu.values()):,.0f}" for flow in flows.values()]
    table.add_row("CPU µs a message: all", *totals, f"{sum(figures.idle.values()):.0f}")
    console.print(table)


def _both(each: Spread) -> str:
    return f"{each.p50:,.0f} / {each.p99:,.0f}"
