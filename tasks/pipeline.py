"""The order of the stages; no other file states it. To add a stage, write its file and add its line here."""

from collections.abc import Callable
from typing import Any

import msgspec
from celery import Celery, Task

from chat4all.model.records import INCOMING, STATUS, BatchRef
from tasks.celery_app import create_app
from tasks.stages.fan_out import fan_out
from tasks.stages.persist import persist
from tasks.stages.receipts import receipts
from tasks.stages.stage import Stage

STAGES = {
    INCOMING: (Stage("persist", persist), Stage("fan_out", fan_out)),
    STATUS: (Stage("receipts", receipts),),
}

# Runs a stage over a batch, which may have been handed out before; whether a record was set aside.
Runs = Callable[[Stage, BatchRef, bool], bool]


def declare(app: Celery, run: Runs) -> None:
    """Give an application a task for each stage. It is not shared: else other applications of the process would have it too."""
    for stages in STAGES.values():
        for stage in stages:
            app.task(name=stage.name, bind=True, typing=False, shared=False)(_task(stage, run))


def _task(stage: Stage, runs: Runs) -> Callable[[Task, dict[str, Any]], dict[str, Any]]:
    """What a stage's task does: it takes a batch reference, and gives it to the next."""

    def run(self: Task, wire: dict[str, Any]) -> dict[str, Any]:
        ref = msgspec.convert(wire, BatchRef)
        again = ref.run > 0 or bool(self.request.delivery_info.get("redelivered"))
        return wire | {"suspect": runs(stage, ref, again) or ref.suspect}

    return run


class Chains:
    """Hands batches out: each goes through its topic's stages, one task after the other."""

    def __init__(self, app: Celery) -> None:
        """`app` has the stages as its tasks."""
        self._app = app

    def hand_out(self, ref: BatchRef, only: Callable[[str], bool] = lambda stage: True) -> None:
        """Send the chain of a batch. kombu's OperationalError when the broker cannot be reached: nothing is lost, ask again."""
        first, *rest = [self._app.tasks[stage.name] for stage in STAGES[ref.topic] if only(stage.name)]
        shown = {"argsrepr": f"({ref})", "kwargsrepr": ""}
        # As Celery's canvas sends a chain, less its copies, which took a third of the time: the next step is the last one here.
        steps = [task.s().set(**shown) for task in reversed(rest)]
        first.apply_async((msgspec.to_builtins(ref),), chain=steps, **shown)


def chains() -> Chains:
    """For a process that hands batches out and runs no stage."""
    app = create_app()
    declare(app, _elsewhere)
    return Chains(app)


def _elsewhere(stage: Stage, ref: BatchRef, again: bool) -> bool:
    raise RuntimeError(f"{stage.name} of {ref} runs in a worker")
