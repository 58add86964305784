"""Who holds a lane, and what part of all lanes that is.

On the machine it ran on, a dead holder is known to be dead at once; elsewhere its lease must run out.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from chat4all.model.deliveries import Lane
from chat4all.ports import LaneState

PROC = Path("/proc")


@cache
def me() -> str:
    """This process: machine (this boot, these process ids), process id and start time: never another one's name."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_dead(holder: str) -> bool:
    """Whether this holder certainly does not run any more. False when we cannot know."""
    machine, _, process = holder.partition("/")
    pid, _, started = process.partition("/")
    if not pid.isdigit() or not machine or machine != _machine():
        return False
    try:
        return _started(int(pid)) != started
    except OSError:
        return False


def share(lanes: Mapping[Lane, LaneState], channel: str, holder: str) -> float:
    """Which part of a channel's held lanes are this holder's: 0 to 1. All of it where nobody holds any."""
    holders = [state.lease.holder for lane, state in lanes.items() if lane.channel == channel and state.lease.holder]
    return holders.count(holder) / len(holders) if holders else 1.0


@cache
def _machine() -> str:
    """Names a set of process ids: the boot and the pid namespace. Empty where the system does not tell."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{boot}:{namespace}"


def _started(pid: int) -> str:
    """When the process began, in ticks since boot; empty when there is none, or only its corpse. OSError: cannot be known."""
    try:
        after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]
