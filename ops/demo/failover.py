"""While messages flow a worker is killed, then the broker, then all of a node at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from rich.console import Console

from ops.demo.flow import Flow
from ops.harness.system import Running
from ops.native.processes import LOOPBACK, Server
from ops.native.rabbitmq import RabbitMQ
from ops.native.stack import default_home

WARM_S, CALM_S, BROKER_AWAY_S = 5.0, 3.0, 4.0
# The world outside and the broker are no part of a node of ours; Flower only looks on.
NOT_OF_THE_NODE = {"simulator", "redis", "flower"}
RESTART_S = 40.0


def tell(system: Running, console: Console) -> bool:
    """Tell it; False when a promise was broken."""
    console.rule("[bold]A worker, the broker and a whole node die while messages flow")
    with Flow(system, console) as flow:
        flow.go(WARM_S)
        for part in ("worker-channels", "worker-pipeline"):
            _kill(flow, part)
        with _broker_away(flow):
            flow.go(BROKER_AWAY_S)
        _recovered(flow)
        _kill_node(flow)
        return flow.verdict()


def _kill(flow: Flow, part: str) -> None:
    pid = flow.system.kill9(part)
    flow.say(f"kill -9 of {part} (pid {pid})")
    flow.system.wait_restarted(part, pid, RESTART_S)
    _recovered(flow)


def _recovered(flow: Flow) -> None:
    took = flow.until_calm()
    flow.say(f"nothing is late any more, after {took:.0f} s")
    flow.go(CALM_S)


def _kill_node(flow: Flow) -> None:
    pids = {part: flow.system.pid(part) for part in flow.system.parts() if part not in NOT_OF_THE_NODE}
    for each in [one for pid in pids.values() for one in _tree(pid)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    flow.say(f"kill -9 of everything at once: {', '.join(pids)}")
    for part, pid in pids.items():
        flow.system.wait_restarted(part, pid, RESTART_S)
    _recovered(flow)


def _tree(pid: int) -> list[psutil.Process]:
    """A process and its children; nothing where there is none."""
    if not pid or not psutil.pid_exists(pid):
        return []
    root = psutil.Process(pid)
    return [*root.children(recursive=True), root]


@contextmanager
def _broker_away(flow: Flow) -> Iterator[None]:
    """Killed on the way in, back on the way out: our own Redis, or the RabbitMQ that `make real` started."""
    system = flow.system
    if system.settings.broker == "embedded":
        system.kill9("redis")
        system.halt("redis")
        flow.say("kill -9 of the broker (Redis); it stays away, and 202 goes on")
        yield
        system.go_on("redis")
    elif rabbitmq := _rabbitmq(system):
        rabbitmq.kill9()
        flow.say("kill -9 of the broker (RabbitMQ); it stays away, and 202 goes on")
        yield
        rabbitmq.start()
    else:
        flow.say("the broker is not on this machine: it is left alone")
        yield
    flow.say("the broker is back")


def _rabbitmq(system: Running) -> Server | None:
    """The one that our settings name, if its data are in our folder and it runs."""
    home, at = default_home(), urlsplit(system.settings.broker_url)
    if at.scheme != "amqp":
        return None
    folder = Path(os.environ.get("CHAT4ALL_SERVERS_DATA") or home / "data") / "rabbitmq"
    found = RabbitMQ(home, folder, at.port or 5672, at.hostname or LOOPBACK)
    return found if found.is_running else None
