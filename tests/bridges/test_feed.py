"""The one consumer of chat-events: where it begins, and how it ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bridges.streaming.feed import Feed, starting_point
from bridges.streaming.hub import Hub
from chat4all.model.deliveries import Watermark
from chat4all.model.failures import Mismatch, Temporary
from chat4all.model.records import EVENTS, partition_of
from chat4all.telemetry import metrics
from chat4all.telemetry.instruments import READERS
from tests.bridges.road import PARTITIONS, Reader, Road, serving, texts

ROOT = Path(__file__).parent.parent.parent


def here(road: Road, talk: str, *how: int) -> tuple[int, int, int]:
    """(position, end, published) of the talk's partition for a server that starts now."""
    start = starting_point(road.log, road.store, *how)
    partition = partition_of(talk, PARTITIONS)
    return start.positions[partition], start.ends[partition], start.published[partition]


def test_an_empty_system(road: Road) -> None:
    """Nothing was published: begin at the end, which is the beginning."""
    start = starting_point(road.log, road.store)
    assert start.positions == start.ends == dict.fromkeys(range(PARTITIONS), 0)
    assert set(start.published.values()) == {-1}


def test_without_a_backlog_nothing_is_read_again(road: Road) -> None:
    """All is done: begin at the end."""
    talk = road.conversation("talk", "alice", "bob")
    *_, last = road.say(talk, "one", "two", "three")
    assert here(road, talk) == (3, 3, last.seq)


def test_a_backlog_is_read_from_before_it_began(road: Road) -> None:
    """The events since the oldest unfinished message was appended, not the whole log."""
    talk = road.conversation("talk", "alice", "bob")
    done = road.say(talk, *(f"{number}" for number in range(40)))
    time.sleep(0.005)
    waiting = road.accept(talk, "unfinished")
    road.persist(waiting)
    road.publish(waiting)
    for number in range(9):
        road.tell_position(Watermark(talk, "bob", number + 1, number + 1))
    position, end, published = here(road, talk, 0, 2)
    assert (end, published) == (50, done[-1].seq)
    assert 20 <= position <= 40


def test_a_backlog_older_than_the_events(road: Road) -> None:
    """When the oldest unfinished record is as old as all events, or is gone, everything that is left is read."""
    talk = road.conversation("talk", "alice", "bob")
    messages = road.accept(talk, "one", "two")
    road.persist(messages)
    road.publish(messages)
    assert here(road, talk) == (0, 2, -1)
    road.log.trim("chat-incoming", int(time.time() * 1000) + 1_000)
    road.accept(talk, "three")
    assert here(road, talk)[0] == 0


async def test_an_absent_log_is_waited_for(road: Road) -> None:
    """Polls that fail for a while delay events and lose none."""
    talk = road.conversation("talk", "alice", "bob")
    failures = [Temporary("away"), Temporary("away")]

    class Failing:
        def poll(self, _limit: int, _timeout_s: float) -> list[object]:
            raise failures.pop()

        def close(self) -> None:
            """Nothing to close."""

    road.log_faults.answer("follow", lambda *place: Failing() if failures else road.log_faults.real.follow(*place))
    async with serving(road), Reader(road, "bob") as bob:
        await bob.caught_up()
        await asyncio.to_thread(road.say, talk, "hello")
        assert texts(await bob.events(1)) == ["hello"]
    assert failures == []


async def test_what_cannot_be_followed_ends_the_feed(road: Road) -> None:
    """An error that waiting does not cure is handed to the process, which ends with it."""
    road.log_faults.fail("follow", Mismatch("other_topic", EVENTS))
    feed = Feed(road.log, road.store, starting_point(road.log, road.store), Hub({}))
    feed.start()
    await asyncio.wait([feed.ended], timeout=5)
    assert isinstance(feed.ended.exception(), Mismatch)
    await feed.stop()


def process(road: Road) -> "subprocess.Popen[bytes]":
    settings = road.settings
    places = {"DATA": settings.data, "STREAM_PORT": settings.stream_port, "EVENTS_PORT": settings.events_port}
    places["PARTITIONS"] = settings.partitions
    env = os.environ | {f"CHAT4ALL_{name}": str(value) for name, value in places.items()}
    command = [sys.executable, "-m", "bridges.stream"]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


async def test_the_process(road: Road) -> None:
    """It serves, a second one on its ports ends at once with a line that says why, and SIGTERM ends it cleanly."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "hello")
    serving_one = process(road)
    try:
        assert serving_one.stderr is not None
        assert b"stream_ready" in await asyncio.to_thread(serving_one.stderr.readline)
        async with Reader(road, "bob") as bob:
            assert texts(await bob.caught_up()) == ["hello"]
        second = process(road)
        _, said = await asyncio.to_thread(second.communicate, timeout=20)
        assert second.returncode == 1
        assert b"_PORT: port" in said
        serving_one.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving_one.wait, 20) == 0
    finally:
        serving_one.kill()
        await asyncio.to_thread(serving_one.communicate)


async def test_how_far_it_is_behind(road: Road) -> None:
    """Events in the log that were not dispatched yet are told at a scrape; none are left when all are."""
    talk = road.conversation("talk", "alice", "bob")
    feed = Feed(road.log, road.store, starting_point(road.log, road.store), Hub({}))
    road.say(talk, "one", "two", "three")
    feed.show()
    assert READERS[metrics.STREAM_LAG]() == {(): 3}
    feed.start()
    async with asyncio.timeout(10):
        while READERS[metrics.STREAM_LAG]() != {(): 0}:
            await asyncio.sleep(0.01)
    await feed.stop()
