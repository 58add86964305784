"""What was measured, as numbers, as a table for people, and as build/bench.json."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table

QUIET = 0.7
# What stands for the world outside, the ways in and out, and what only watches: not the road.
ASIDE = frozenset({"gateway", "stream", "simulator", "flower"})
SERVERS = ("kafka", "cassandra", "rabbitmq", "minio")


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
        """What the road costs our own processes from the log on: what the bare loop does too."""
        return round(sum(each for part, each in self.ours.items() if part not in ASIDE), 1)

    @property
    def ours(self) -> dict[str, float]:
        """CPU of our own processes; of an embedded broker too."""
        return {part: each for part, each in self.cpu.items() if part not in SERVERS}

    @property
    def servers(self) -> dict[str, float]:
        """CPU of the servers that it ran on."""
        return {part: each for part, each in self.cpu.items() if part in SERVERS}


class Bare(Struct, frozen=True):
    """The bare loop: messages a second and µs of CPU a message."""

    rate: float
    cpu: float


class Figures(Struct, frozen=True):
    """One run of the bench on one stack. `bare`: only on the embedded one. `idle`: thousandths of a core by part.
    `load`: what else the machine did when it began.
    """

    single: Accepting
    batch: Accepting
    steady: dict[str, Flow]
    waiting: dict[str, Flow]
    idle: dict[str, float]
    load: float
    bare: Bare | None = None

    @property
    def flows(self) -> dict[str, Flow]:
        """All of them, by name."""
        return {**self.steady, **self.waiting}

    @property
    def ratio(self) -> float | None:
        """CPU of the road with everything waiting, to the bare loop's. 1.0: the pipeline costs nothing."""
        flow = next(iter(self.waiting.values()))
        return round(flow.road_cpu / self.bare.cpu, 2) if self.bare else None


Stacks = dict[str, Figures]


def plain(stacks: Stacks) -> dict[str, Any]:
    """As JSON takes it."""
    return {"machine": {"cores": os.cpu_count()}, "stacks": {name: _plain(figures) for name, figures in stacks.items()}}


def _plain(figures: Figures) -> dict[str, Any]:
    return {
        "load_before": figures.load,
        "accept": {"single": _accepting(figures.single), "batch": _accepting(figures.batch)},
        "flows": {name: _flow(flow) for name, flow in figures.flows.items()},
        "idle_thousandths_of_a_core": figures.idle,
        **(_compared(figures, figures.bare) if figures.bare else {}),
    }


def _compared(figures: Figures, bare: Bare) -> dict[str, Any]:
    loop = {"messages_per_second": bare.rate, "cpu_us_per_message": bare.cpu}
    return {"bare_loop": loop, "ratio_to_bare_loop": figures.ratio}


def _accepting(each: Accepting) -> dict[str, float]:
    return {"messages_per_second": each.rate, "p50_ms": each.took.p50, "p99_ms": each.took.p99}


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "messages": flow.messages,
        "messages_per_second": flow.rate,
        "send_to_stream_ms": {"p50": flow.send_to_stream.p50, "p99": flow.send_to_stream.p99},
        "log_to_provider_ms": {"p50": flow.log_to_provider.p50, "p99": flow.log_to_provider.p99},
        "cpu_us_per_message": flow.ours,
        "cpu_us_per_message_of_servers": flow.servers,
        "messages_per_chain": flow.per_chain,
    }


def write(stacks: Stacks, path: Path) -> None:
    """Keep them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain(stacks), indent=2) + "\n")


def show(stacks: Stacks, console: Console) -> None:
    """Print them, the stacks side by side."""
    table = Table(title="accepting (request to durable in the log)", title_justify="left")
    for heading in ("", "messages/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for stack, figures in stacks.items():
        for name, each in ((f"{stack}: one a request", figures.single), (f"{stack}: batch", figures.batch)):
            table.add_row(name, f"{each.rate:,.0f}", str(each.took.p50), str(each.took.p99))
    console.print(table)
    _show_flows(stacks, console)
    for figures in stacks.values():
        if figures.bare:
            bare = f"bare loop: {figures.bare.rate:,.0f} messages/s, {figures.bare.cpu:.0f} µs a message"
            console.print(f"{bare}; road to bare loop: [bold]{figures.ratio}")
        if figures.load > QUIET:
            console.print(
                f"[yellow]The machine was busy with something else (load {figures.load}): it can do better than this."
            )


def _show_flows(stacks: Stacks, console: Console) -> None:
    flows = [flow for figures in stacks.values() for flow in figures.flows.values()]
    table = Table(title="through the road; CPU in µs a message, idle in thousandths of a core", title_justify="left")
    for name in ("", *(f"{stack}\n{name}" for stack, figures in stacks.items() for name in figures.flows)):
        table.add_column(name, justify="right")
    for stack in stacks:
        table.add_column(f"{stack}\nidle", justify="right")
    idle = [figures.idle for figures in stacks.values()]
    table.add_row("messages/s", *(f"{flow.rate:,.0f}" for flow in flows))
    for title, field in (("send to stream", "send_to_stream"), ("log to provider", "log_to_provider")):
        table.add_row(f"{title} p50 / p99 ms", *(_both(getattr(flow, field)) for flow in flows))
    table.add_row("messages per chain", *(f"{flow.per_chain:.1f}" for flow in flows), end_section=True)
    parts = list(dict.fromkeys(part for flow in flows for part in (*flow.ours, *flow.servers)))
    for part in [*(each for each in parts if each not in SERVERS), *(each for each in parts if each in SERVERS)]:
        table.add_row(part, *(_cell(flow.cpu, part) for flow in flows), *(_cell(each, part) for each in idle))
    table.add_section()
    table.add_row(
        "our processes", *(f"{sum(flow.ours.values()):,.0f}" for flow in flows), *(_total(each, False) for each in idle)
    )
    table.add_row("servers", *(f"{sum(flow.servers.values()):,.0f}" for flow in flows), *(_total(each, True) for each in idle))
    console.print(table)


def _cell(values: Mapping[str, float], part: str) -> str:
    return f"{values[part]:,.0f}" if part in values else "-"


def _total(values: Mapping[str, float], servers: bool) -> str:
    return f"{sum(each for part, each in values.items() if (part in SERVERS) == servers):,.0f}"


def _both(each: Spread) -> str:
    return f"{each.p50:,.0f} / {each.p99:,.0f}"
