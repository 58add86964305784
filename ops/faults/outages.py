"""Servers that are away, emptied, frozen or full."""

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

from ops.faults.course import Course
from ops.faults.stack import Embedded, NotHere

WARM_S = 5.0
BROKER_S = 30.0
DOWN_S = 60.0
ACKNOWLEDGE_S = 2.0
# What a request costs beside the wait for the log, on a busy machine.
SPARE_S = 0.5
LEFT_BYTES = 64 * 1024


def broker_killed(run: Course) -> None:
    """The broker is killed and stays away for 30 s."""
    run.go(WARM_S)
    with run.stack.broker_down(), run.bounded():
        run.go(BROKER_S)
    run.hit()


def broker_wiped(run: Course) -> None:
    """The broker loses everything, three times."""
    run.go(WARM_S)
    for _ in range(3):
        run.until_calm()
        run.stack.wipe_broker()
        run.hit()
        run.go(5.0)


def queues_deleted(run: Course) -> None:
    """Every queue is deleted under load, three times."""
    run.go(WARM_S)
    for _ in range(3):
        run.until_calm()
        run.stack.delete_queues()
        run.hit()
        run.go(5.0)


def log_down(run: Course) -> None:
    """Nothing can be appended for 60 s: 503 within the limit, never 202."""
    run.go(WARM_S)
    _log_away(run, run.stack.log_down(), DOWN_S)


def _log_away(run: Course, down: AbstractContextManager[None], seconds: float) -> None:
    with down, run.bounded():
        began = int(time.time() * 1000)
        run.go(seconds)
        ended = int(time.time() * 1000)
    run.hit()
    run.go(4.0)
    _judge_refusals(run, began, ended)


def _judge_refusals(run: Course, began: int, ended: int) -> None:
    """Requests that began and ended while the log was away."""
    within = [each for each in list(run.load.requests) if each.at >= began and each.at + each.took * 1000 <= ended]
    slowest = max((each.took for each in within), default=0.0)
    run.figures |= {"requests_while_down": len(within), "slowest_answer_s": round(slowest, 2)}
    if not within:
        run.wrong.append("no request was made while the log was down")
    if any(each.accepted for each in within):
        run.wrong.append(f"{sum(each.accepted for each in within)} messages got 202 while the log was down")
    if other := {each.refused for each in within if each.refused != 503}:
        run.wrong.append(f"answered with {sorted(other)} instead of 503")
    if slowest > ACKNOWLEDGE_S + SPARE_S:
        run.wrong.append(f"an answer took {slowest:.1f} s while the log was down")


def store_down(run: Course) -> None:
    """Nothing can be written to the store for 60 s; what is accepted waits in the log, and no attempts are burnt."""
    run.go(WARM_S)
    with run.stack.store_down(), run.bounded():
        run.go(DOWN_S)
    run.hit()


def store_frozen(run: Course) -> None:
    """The store stands still for 60 s."""
    run.go(WARM_S)
    with run.stack.store_frozen(), run.bounded():
        run.go(DOWN_S)
    run.hit()


def log_full(run: Course) -> None:
    """The log's disk is full: 503, never 202; it goes on when there is room again."""
    small = _small(run)
    run.go(WARM_S)
    with Ballast(small):
        began = int(time.time() * 1000) + 1000
        run.go(15.0)
        ended = int(time.time() * 1000)
    run.hit()
    run.go(4.0)
    refused = [each for each in list(run.load.requests) if began <= each.at <= ended and each.refused]
    slow = max((each.took for each in refused), default=0.0)
    run.figures |= {"refused_while_full": len(refused), "slowest_refusal_s": round(slow, 2)}
    if not refused:
        run.wrong.append("nothing was refused: the disk was not full")
    if other := {each.refused for each in refused if each.refused != 503}:
        run.wrong.append(f"refused with {sorted(other)} instead of 503")


def store_full(run: Course) -> None:
    """The store's disk is full for 15 s."""
    small = _small(run)
    run.go(WARM_S)
    with Ballast(small):
        run.go(15.0)
    run.hit()


def _small(run: Course) -> Path:
    if not isinstance(run.stack, Embedded):
        raise NotHere("only the embedded parts keep their files where a run may mount")
    return run.stack.small


class Ballast:
    """A file that takes all the room there is, and again what is set free meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def __enter__(self) -> "Ballast":
        free = os.statvfs(self._path.parent)
        with self._path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(LEFT_BYTES, free.f_bavail * free.f_frsize - LEFT_BYTES))
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink()
