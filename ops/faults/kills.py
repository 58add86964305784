"""Processes that are killed, frozen, restarted, or whose clock is wrong."""

import os
import signal
import time
from pathlib import Path

import psutil

from chat4all.cli.parts import parts_of
from chat4all.root import ROOT
from ops.faults.course import RESTART_S, Course
from ops.harness.waiting import wait_until

WARM_S = 5.0
FROZEN_S = 8.0
CLOCK_S = 120
SHIFTED = ROOT / "ops" / "faults" / "shifted"


def pipeline_worker(run: Course) -> None:
    """kill -9 of the pipeline worker, 20 times."""
    _killed(run, "worker-pipeline", 20)


def channel_worker(run: Course) -> None:
    """kill -9 of the channel worker, 20 times."""
    _killed(run, "worker-channels", 20)


def bridge(run: Course) -> None:
    """kill -9 of the bridge, 10 times."""
    _killed(run, "bridge", 10)


def stream(run: Course) -> None:
    """kill -9 of the stream server, 10 times."""
    _killed(run, "stream", 10)


def _killed(run: Course, part: str, times: int) -> None:
    run.go(WARM_S)
    run.kill_often(part, times - 1)
    # The last one is measured: it strikes a system that has come to itself again.
    run.until_calm()
    run.kill(part)


def gateway_process(run: Course) -> None:
    """kill -9 of one of the gateway's processes, 10 times; the others go on."""
    run.go(WARM_S)
    for _ in range(10):
        run.go(run.random.uniform(0.5, 2.0))
        run.hit()
        _kill_one(run)


def _kill_one(run: Course) -> None:
    gateway = psutil.Process(run.system.pid("gateway"))
    before = {each.pid for each in gateway.children()}
    os.kill(run.random.choice(sorted(before)), signal.SIGKILL)
    run.kills += 1

    def replaced() -> bool:
        now = {each.pid for each in gateway.children()}
        return len(now) >= len(before) and now != before

    wait_until("the process was replaced", replaced, RESTART_S)


def rolling_restart(run: Course) -> None:
    """SIGTERM to every process, one after the other, as an upgrade does."""
    run.go(WARM_S)
    for part in parts_of(run.system.settings):
        old = run.system.pid(part.name)
        if part.name in {"simulator", "redis"}:
            # The world outside does not belong to an upgrade; the broker has rows of its own.
            continue
        os.kill(old, signal.SIGTERM)
        run.system.wait_restarted(part.name, old, RESTART_S)
        run.go(2.0)
    run.hit()


def frozen_worker(run: Course) -> None:
    """A channel worker stands still past its lease, another takes over, and the first goes on as if nothing had been."""
    run.stack.spawn("worker-channels", "second")
    run.go(WARM_S)
    for _ in range(2):
        run.hit()
        run.system.freeze("worker-channels")
        run.kills += 1
        run.go(FROZEN_S)
        run.system.thaw("worker-channels")
        run.go(4.0)
    taken = _said(run, "lane_taken_over")
    run.figures["lanes_taken_over"] = taken
    if not taken:
        run.wrong.append("nobody took the frozen worker's lanes: the fault did not happen")


def _said(run: Course, word: str) -> int:
    logs = Path(run.system.settings.data / "logs").glob("worker-channels*.log")
    return sum(path.read_text(errors="replace").count(word) for path in logs)


def two_bridges(run: Course) -> None:
    """Two bridges, each killed or asked to end at random."""
    second = run.stack.spawn("bridge", "second")
    run.go(WARM_S)
    for _ in range(8):
        run.go(run.random.uniform(1.0, 3.0))
        run.hit()
        run.kills += 1
        if run.random.random() < 0.5:
            run.kill("bridge")
        else:
            second.send_signal(run.random.choice([signal.SIGKILL, signal.SIGTERM]))
            second.wait(20)
            second = run.stack.spawn("bridge", "second")


def wrong_clock(run: Course) -> None:
    """A second channel worker and a second pipeline worker, two minutes in the future."""
    env = {"PYTHONPATH": str(SHIFTED), "AHEAD_S": str(CLOCK_S)}
    run.stack.spawn("worker-channels", "future", env)
    run.stack.spawn("worker-pipeline", "futurepipe", env)
    run.go(WARM_S)
    for _ in range(2):
        # So that lanes change hands between the clocks.
        run.kill("worker-channels")
        run.go(5.0)
    newest = run.outcome.newest_attempt() / 1000 - time.time()
    run.figures["ahead_s"] = round(newest, 1)
    if newest < CLOCK_S / 2:
        run.wrong.append("nothing was sent by a clock that is ahead: the fault did not happen")
