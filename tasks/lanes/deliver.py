"""The task deliver: wakes a lane in this process and returns. The process's lane runner sends, never the task."""

from functools import cache

from chat4all.model.deliveries import Lane
from tasks.celery_app import app
from tasks.lanes.runner import LaneRunner
from tasks.resources import parts
from tasks.wake import queue_of


@cache
def runner() -> LaneRunner:
    """This process's lane runner, begun at first use."""
    made = LaneRunner(parts())
    made.start()
    return made


@app.task(name="deliver", typing=False)
def deliver(lane: str) -> None:
    """Look at a lane ("channel:partition")."""
    channel, _, partition = lane.partition(":")
    runner().wake(Lane(channel, int(partition)))


def look_at_all() -> None:
    """A worker that starts looks at the lanes of its channels at once: one that died may have left them."""
    mine = set(app.amqp.queues.consume_from)
    lanes = [lane for lane in parts().store.lanes() if queue_of(lane.channel) in mine]
    for lane in lanes:
        runner().wake(lane)


def let_go() -> None:
    """A worker that is told to stop releases its lanes, so that others go on at once."""
    if runner.cache_info().currsize:
        runner().stop()
