"""The bridge and the stream stop before a record of a newer version; other partitions go on."""

import threading
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from bridges.ingest import Flow
from bridges.streaming.feed import Feed
from chat4all.model.records import EVENTS, INCOMING, VERSION, BatchRef, Record
from chat4all.settings import Settings
from chat4all.telemetry.instruments import REGISTRY

OLD, NEW = {"v": "1"}, {"v": str(VERSION + 1)}


def record(partition: int, offset: int, headers: Mapping[str, str] = OLD, topic: str = INCOMING) -> Record:
    return Record(topic, partition, offset, "key", b"", dict(headers), 0)


class Source:
    """A consumer that gives what it is told to, and notes what is paused."""

    def __init__(self, *polls: Sequence[Record]) -> None:
        self.polls, self.paused = list(polls), set[int]()

    def poll(self, _limit: int, _timeout_s: float) -> Sequence[Record]:
        return self.polls.pop(0) if self.polls else []

    def pause(self, partitions: Sequence[int]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Sequence[int]) -> None:
        self.paused -= set(partitions)

    def commit(self, _positions: Mapping[int, int]) -> None:
        return None


def flow(source: Source, handed: list[BatchRef], aside: Collection[tuple[int, int]] = ()) -> Flow:
    """Reads from this source; batches are handed to the list. `aside`: what an operator has set aside."""
    log = SimpleNamespace(consume=lambda *_: source)
    store = SimpleNamespace(progress=lambda _topic: {}, buried=lambda _topic, _ranges: aside)
    held: Any = SimpleNamespace(settings=Settings(batch_records=1), log=log, store=store)
    made = Flow(held, INCOMING, threading.Event(), handed.append)
    made._mine = {0, 1}
    return made


def _stopped(topic: str) -> float:
    return REGISTRY.get_sample_value("chat4all_partitions_stopped", {"topic": topic}) or 0


def test_the_bridge_hands_out_what_comes_before_and_nothing_after() -> None:
    """Neither the newer record nor what follows it in its partition, also when it was read ahead and reading goes on."""
    source = Source([record(0, 0), record(0, 1, NEW), record(0, 2), record(1, 0)], [record(0, 3), record(1, 1)])
    handed: list[BatchRef] = []
    here = flow(source, handed)
    for _ in range(6):
        here._step()
        here._in_flight = None
        here._pace.at = 0.0
    places = sorted(
        (span.partition, offset) for ref in handed for span in ref.ranges for offset in range(span.first, span.last + 1)
    )
    assert places == [(0, 0), (1, 0), (1, 1)]
    assert source.paused == {0}
    assert _stopped(INCOMING) == 1
    here._revoked([0])
    assert _stopped(INCOMING) == 0


def test_what_was_set_aside_is_handed_out_and_passed_over_there() -> None:
    """An operator has decided that no upgrade comes."""
    handed: list[BatchRef] = []
    here = flow(Source([record(0, 0, NEW), record(0, 1)]), handed, {(0, 0)})
    for _ in range(3):
        here._step()
        here._in_flight = None
        here._pace.at = 0.0
    assert [(span.first, span.last) for ref in handed for span in ref.ranges] == [(0, 0), (1, 1)]


async def test_the_stream_dispatches_nothing_newer() -> None:
    """A newer event may be one that is not for everybody: its partition stands still, and does not keep the server shut."""
    start: Any = SimpleNamespace(positions={0: 0, 1: 0}, ends={0: 3, 1: 1})
    nothing: Any = None
    feed = Feed(nothing, nothing, start, nothing)
    told = [record(0, 0, topic=EVENTS), record(0, 1, NEW, EVENTS), record(0, 2, topic=EVENTS), record(1, 0, {}, EVENTS)]
    assert [(each.partition, each.offset) for each in feed._stopped.known(told)] == [(0, 0), (1, 0)]
    assert feed._stopped.known([record(0, 3, topic=EVENTS)]) == []
    feed._positions = {0: 1, 1: 1}
    feed._open_when_there()
    assert _stopped(EVENTS) == 1
    feed._threads.shutdown()
