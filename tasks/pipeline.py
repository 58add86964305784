"""The order of the stages; no other file states it. To add a stage, write its file and add its line here."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from celery import Task, chain

from chat4all.model.records import INCOMING, STATUS, BatchRef
from tasks.celery_app import app
from tasks.resources import parts
from tasks.stages.batches import Batches
from tasks.stages.fan_out import fan_out
from tasks.stages.persist import persist
from tasks.stages.receipts import receipts
from tasks.stages.stage import Run, Stage

STAGES = {
    INCOMING: (Stage("persist", persist), Stage("fan_out", fan_out)),
    STATUS: (Stage("receipts", receipts),),
}


@cache
def _batches() -> Batches:
    return Batches(parts().log)


def _task(stage: Stage) -> Any:
    """A Celery task of a stage: takes a batch reference, gives it to the next."""

    def run(self: Task, wire: dict[str, Any]) -> dict[str, Any]:
        ref = msgspec.convert(wire, BatchRef)
        again = ref.run > 0 or bool(self.request.delivery_info.get("redelivered"))
        execution = Run(stage, parts(), _batches(), ref)
        execution.go(again)
        return wire | {"suspect": ref.suspect or execution.buried > 0}

    return app.task(name=stage.name, bind=True, typing=False)(run)


TASKS: dict[str, tuple[Any, ...]] = {topic: tuple(_task(stage) for stage in stages) for topic, stages in STAGES.items()}


def hand_out(ref: BatchRef, only: Callable[[str], bool] = lambda stage: True) -> None:
    """Send the chain of a batch. kombu's OperationalError when the broker cannot be reached: nothing is lost, ask again."""
    first, *rest = [task for task in TASKS[ref.topic] if only(task.name)]
    steps = [first.s(msgspec.to_builtins(ref)), *(task.s() for task in rest)]
    chain(*(each.set(argsrepr=f"({ref})", kwargsrepr="") for each in steps)).apply_async()
