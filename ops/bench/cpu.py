"""How much CPU each part of a system used."""

import psutil

from ops.harness.system import Running

MICROSECONDS = 1_000_000


def used(system: Running) -> dict[str, float]:
    """CPU seconds (user and system) that each part's process tree has used since it began."""
    return {part: _tree(system.pid(part)) for part in system.parts()}


def _tree(pid: int) -> float:
    root = psutil.Process(pid)
    total = 0.0
    for each in [root, *root.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def per_message(before: dict[str, float], after: dict[str, float], messages: int) -> dict[str, float]:
    """Microseconds of CPU for each message, by part."""
    return {part: round((after[part] - before[part]) / messages * MICROSECONDS, 1) for part in after}
