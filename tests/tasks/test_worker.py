"""A worker process: its tasks work on what it opened, once; what could not be opened is opened later."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.model.records import INCOMING
from tasks.celery_app import create_app
from tasks.worker import Once, Worker, declare
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", "worker")


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as road:
        yield road


def test_what_threads_ask_for_at_the_same_time_is_made_once() -> None:
    """However slow the making is."""
    made: list[object] = []

    def slow() -> object:
        time.sleep(0.05)
        made.append(object())
        return made[-1]

    once, got = Once(slow), list[object]()
    threads = [threading.Thread(target=lambda: got.append(once.get())) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(made), len(got), {id(each) for each in got}) == (1, 8, {id(made[0])})


def test_what_could_not_be_made_is_made_by_the_next_who_asks() -> None:
    """A worker that starts in an outage takes tasks up when it is over."""
    answers = [Temporary("store")]

    def make() -> str:
        if answers:
            raise answers.pop()
        return "there"

    once = Once(make)
    with pytest.raises(Temporary):
        once.get()
    assert (once.made, once.get(), once.made) == (None, "there", "there")


def test_every_task_works_on_the_workers_resources(road: World) -> None:
    """Called as Celery calls them: a message goes through its stages, its lane is looked at, and the clock's tasks run."""
    worker, app = Worker(road.parts), create_app()
    declare(app, Once(lambda: worker))
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    wire = msgspec.to_builtins(road.everything(INCOMING))
    for stage in ("persist", "fan_out"):
        wire = app.tasks[stage].apply(args=(wire,), throw=True).get()
    lane = Lane("whatsapp", 0)
    assert ([row.key.lane for row in road.rows()], road.wakes.lanes, wire["suspect"]) == ([lane], [lane], False)
    for name, args in (("sweep", ()), ("tidy", ()), ("sweep_files", ()), ("verify_file", ("f",)), ("fetch_media", ("f",))):
        app.tasks[name].apply(args=args, throw=True)
    assert road.wakes.lanes == [lane, lane]
    app.tasks["deliver"].apply(args=("telegram:0",), throw=True)
    app.tasks["signal"].apply(args=("nowhere", "typing", "1", ""), throw=True)
    worker.release_lanes()


def test_a_worker_without_lanes_begins_no_lane_runner(road: World) -> None:
    """A worker of other queues shows no figures of lanes, and has nothing to release."""
    road.say(message(TALK, 1, to=[whatsapp(1)]))
    road.run()
    worker, before = Worker(road.parts), threading.active_count()
    worker.look_at_lanes({"pipeline"})
    worker.release_lanes()
    assert threading.active_count() == before
