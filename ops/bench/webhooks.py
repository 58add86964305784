"""What outgoing webhooks cost (`make bench BENCH=webhooks`): an event to an endpoint beside a send to a channel, what idle
endpoints cost, and how long others wait while one hangs. All in one run, on the embedded stack.
"""

import json
import tempfile
from pathlib import Path

import psutil
from rich.console import Console

from chat4all.root import ROOT
from ops.bench import cpu
from ops.bench.figures import Flow, spread
from ops.bench.flows import Course, Measured, idle, with_people
from ops.bench.load import UNLIMITED
from ops.harness.api import Api
from ops.harness.endpoint import HANGS, Endpoint, endpoint, firsts
from ops.harness.guard import refuse_real
from ops.harness.readers import Readers
from ops.harness.waiting import wait_until

PART = "worker-channels"
WAITING = 10_000
PER_SECOND, SECONDS = 100, 15
# With the two that are told.
IDLE = 998
IDLE_S = 20.0
ALL_S = 300.0
NOWHERE = "00000000-0000-4000-8000-000000000000"


def measure(system: Measured, told: Endpoint, console: Console) -> dict[str, float]:
    """One run over a system that has just begun."""
    with (
        system.operator() as operator,
        system.register("bench") as sender,
        Readers({"bench": sender.token}, system.stream_target, acknowledges=False) as readers,
    ):
        course = Course(system, operator.token, "bench", with_people(operator, "bench"), readers)
        console.print("warming up …")
        course.steady(100, 3, receipts=False)
        console.print(f"{WAITING:,} waiting, without an endpoint …")
        send = course.waiting(WAITING).cpu[PART]
        found = {"send_us": send, "idle_without": idle(system, IDLE_S)[PART]}
        _make(operator, told, "/told", ["message.accepted"])
        console.print(f"{WAITING:,} waiting, with one …")
        with_one = _told_all(system, told, course)
        console.print("one that hangs …")
        alone = _steady(course, told)
        _make(operator, told, HANGS, [])
        beside = _steady(course, told)
        console.print(f"{IDLE} more that hear nothing …")
        found |= _idle(system, operator, told)
    found |= {"event_us": round(with_one - send, 1), "event_to_send": round((with_one - send) / send, 2)}
    for name, (alone_ms, beside_ms) in {name: (alone[name], beside[name]) for name in alone}.items():
        found |= {f"{name}_alone": alone_ms, f"{name}_beside_one_that_hangs": beside_ms}
    return found


def _make(operator: Api, told: Endpoint, path: str, events: list[str], **more: object) -> None:
    body = {"url": told.url(path), "events": events, **more}
    made = operator.call("POST", "/v1/webhooks", body, expect=(201,))
    told.trusts(path, made["secret"])


def _told_all(system: Measured, told: Endpoint, course: Course) -> float:
    """µs of the worker a message, until the endpoint has heard of all."""
    before = system.cpu()
    course.waiting(WAITING)
    wait_until("the endpoint heard all", lambda: len(told.heard("/told")) >= WAITING, ALL_S, 0.5)
    return cpu.per_message(before, system.cpu(), WAITING)[PART]


def _steady(course: Course, told: Endpoint) -> dict[str, float]:
    """p99 in ms of a load: from the log to the provider, and from what happened to the endpoint."""
    before = len(told.heard("/told"))
    flow: Flow = course.steady(PER_SECOND, SECONDS, receipts=False)
    count = before + PER_SECOND * SECONDS
    wait_until("the endpoint heard all", lambda: len(told.heard("/told")) >= count, ALL_S, 0.5)
    heard = firsts(told.heard("/told")[before:])
    return {"provider_p99_ms": flow.log_to_provider.p99, "endpoint_p99_ms": spread(each.took_ms for each in heard).p99}


def _idle(system: Measured, operator: Api, told: Endpoint) -> dict[str, float]:
    """What endpoints cost of which nothing is true: thousandths of a core, KiB of the worker each."""
    memory, busy = _resident(system), idle(system, IDLE_S)[PART]
    for _ in range(IDLE):
        _make(operator, told, "/idle", [], filter={"conversations": [NOWHERE]})
    idle(system, 5.0)
    more = idle(system, IDLE_S)[PART] - busy
    return {"idle_more_thousandths": round(more, 1), "idle_kib_each": round((_resident(system) - memory) / 1024 / IDLE, 2)}


def _resident(system: Measured) -> int:
    return int(psutil.Process(system.pid(PART)).memory_info().rss)


def main(console: Console) -> int:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory(prefix="chat4all-webhooks-") as name:
        system = Measured(Path(name) / "data", UNLIMITED | {"CHAT4ALL_WEBHOOK_TIMEOUT_S": "5"})
        refuse_real(system.settings)
        with endpoint(Path(name) / "endpoint") as told, system:
            found = measure(system, told, console)
    for each, value in found.items():
        console.print(f"{each:40} {value:>12}")
    path = ROOT / "build" / "webhooks.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0
