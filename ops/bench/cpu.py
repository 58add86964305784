"""How much CPU each part of a system used, and each server that it runs on."""

from collections.abc import Mapping

import psutil

from ops.harness.system import Running
from ops.native.processes import Server

MICROSECONDS = 1_000_000

Used = dict[str, tuple[int, float]]


def used(system: Running, servers: Mapping[str, Server]) -> Used:
    """By part and server: its process, and the CPU seconds (user and system) that its tree has used since it began; 0 without
    one.
    """
    pids = {part: system.pid(part) for part in system.parts()}
    pids |= {name: each.process.pid if each.process else 0 for name, each in servers.items()}
    return {part: (pid, _tree(pid)) for part, pid in pids.items()}


def _tree(pid: int) -> float:
    if not pid:
        return 0.0
    root = psutil.Process(pid)
    total = 0.0
    for each in [root, *root.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def per_message(before: Used, after: Used, messages: int) -> dict[str, float]:
    """Microseconds of CPU for each message, by part. A part that has another process by now began at nothing."""
    spent = {part: seconds - (before[part][1] if before[part][0] == pid else 0.0) for part, (pid, seconds) in after.items()}
    return {part: round(each / messages * MICROSECONDS, 1) for part, each in spent.items()}
