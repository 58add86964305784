"""Runs one fault on a system of its own, from the first start to the row."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from chat4all.model.failures import Failure
from chat4all.root import ROOT
from ops.faults.course import Course
from ops.faults.crowd import Crowd
from ops.faults.judge import Fault, Measured, Row, judge
from ops.faults.load import PER_SECOND, Load
from ops.faults.outcome import Outcome
from ops.faults.stack import Embedded, NotHere, Stack
from ops.harness.api import Refused
from ops.harness.readers import Readers
from ops.harness.waiting import wait_until

END_S = 60.0
TOLD_S = 20.0
QUIET = 3.0
QUIET_PATIENCE_S = 20.0
KEPT = ROOT / "build" / "faults"


def run(fault: Fault, stack_name: str, seed: int, *, patience_s: float = QUIET_PATIENCE_S) -> Row:
    """A row. Whatever a run itself throws is in the row, as a promise that nobody could see kept. `patience_s`: for how long
    it waits for a machine that does little else.
    """
    if stack_name not in fault.stacks:
        return Row(fault.name, stack_name, seed, not_run=f"does not exist on the {stack_name} stack")
    with tempfile.TemporaryDirectory(prefix="chat4all-faults-") as folder:
        data = Path(folder) / "data"
        try:
            stack = made(stack_name, fault, data)
            row = _on(stack, fault, seed, patience_s)
        except NotHere as why:
            return Row(fault.name, stack_name, seed, not_run=str(why))
        except (Failure, Refused, TimeoutError, RuntimeError, OSError) as error:
            row = Row(fault.name, stack_name, seed, wrong=[f"the run broke off: {error!r}"[:500]])
        if row.wrong:
            keep_logs(data, f"{fault.name}-{stack_name}-{seed}")
    return row


def made(stack_name: str, fault: Fault, data: Path) -> Stack:
    """The stack of this name, not started."""
    if stack_name == "embedded":
        return Embedded(data, fault.env, fault.small)
    from ops.faults.real import Cluster, Real  # noqa: PLC0415  (its servers need not be installed for the others)

    return (Cluster if stack_name == Cluster.name else Real)(data, fault.env)


def keep_logs(data: Path, name: str) -> None:
    """What the processes of a broken run said, for whoever looks into it."""
    with contextlib.suppress(OSError):
        shutil.rmtree(KEPT / name, ignore_errors=True)
        shutil.copytree(data / "logs", KEPT / name)


def _on(stack: Stack, fault: Fault, seed: int, patience_s: float) -> Row:
    load_before = calm(patience_s)
    with stack.running():
        crowd = Crowd(stack, seed)
        try:
            with Readers(crowd.tokens, stack.stream_targets) as readers:
                measured = _measure(stack, fault, seed, crowd, readers, load_before)
        finally:
            crowd.close()
    return judge(fault, stack.name, seed, measured)


def calm(patience_s: float) -> float:
    """Wait a while for a machine that does little else; its load average then."""
    with contextlib.suppress(TimeoutError):
        wait_until("the machine is calm", lambda: os.getloadavg()[0] < QUIET, patience_s, 2)
    return round(os.getloadavg()[0], 2)


def _measure(stack: Stack, fault: Fault, seed: int, crowd: Crowd, readers: Readers, load_before: float) -> Measured:
    load = Load(stack, crowd, seed, float(os.environ.get("RATE", fault.per_second or PER_SECOND)))
    outcome = Outcome(stack, crowd, load, readers)
    course = Course(stack, crowd, load, outcome, readers, seed)
    if fault.prepare:
        course.prepared = fault.prepare(course)
    began = time.monotonic()
    load.start()
    try:
        fault.run(course)
        course.go(fault.tail_s)
    finally:
        offered = load.stop()
    if load.given_up:
        course.wrong.append(f"{len(load.given_up)} messages were never acknowledged")
    _settle(course, fault.arrive_s)
    for each in course.later:
        each()
    _no_letters(course)
    return Measured(
        history=outcome.history(),
        resends=outcome.resends(),
        hits=course.hits,
        kills=course.kills,
        offered_per_second=offered,
        seconds=time.monotonic() - began,
        load_before=load_before,
        figures={**course.figures, "streams_resumed": sum(each.resumed for each in readers.each)},
        wrong=course.wrong,
        late=course.late,
    )


def _no_letters(course: Course) -> None:
    """Where the fault itself makes no dead letters, there must be none: an outage burns no tries and buries no record."""
    if "dead_letters" not in course.figures:
        letters = course.outcome.letters()
        course.figures["dead_letters"] = len(letters)
        if letters:
            course.wrong.append(f"{len(letters)} dead letters: {sorted({each.reason for each in letters})}")


def _settle(course: Course, arrive_s: float) -> None:
    """Wait until all has come and ended. What does not is in the history.

    Every part must answer first: it is asked what has come, and what was killed last may still be starting.
    """
    began = time.monotonic()
    course.system.wait_ready()
    with contextlib.suppress(TimeoutError):
        wait_until("everything arrived", lambda: not course.outcome.missing(), arrive_s, 1)
    course.figures["arrived_after_s"] = round(time.monotonic() - began, 1)
    course.outcome.has_ended(END_S)
    course.outcome.is_told(TOLD_S)
