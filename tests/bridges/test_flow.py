"""A flow on a real log and store hands out what comes in, follows it until it is done, and waits out outages."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from bridges.ingest import Flow
from chat4all.model.records import INCOMING, BatchRef
from tests.tasks.world import message, new_id, world

WITHIN_S = 20.0


class Broker:
    """Takes batches, and lets a worker work on them at once; away for the first `outages` of them."""

    def __init__(self, road: Any, outages: int) -> None:
        self.road, self.outages = road, outages
        self.given: list[BatchRef] = []

    def hand_out(self, ref: BatchRef) -> None:
        if self.outages:
            self.outages -= 1
            raise OperationalError("the broker is away")
        self.given.append(ref)
        self.road.run(ref=ref)


@pytest.mark.parametrize("outages", [0, 2])
def test_everything_goes_through_once_whatever_the_broker_does(tmp_path: Path, outages: int) -> None:
    """Each record is in one batch of run 0, and progress comes to the end of the log."""
    with world(tmp_path, partitions=1, batch_records=3) as road:
        broker, stopping = Broker(road, outages), threading.Event()
        thread = threading.Thread(target=Flow(road.parts, INCOMING, stopping, broker.hand_out, outage_s=0.01).run)
        thread.start()
        for first in (1, 5):
            road.say(*(message(new_id("talk"), number) for number in range(first, first + 4)))
            _wait_until_done(road, first + 2)
        stopping.set()
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        offsets = [each for ref in broker.given for span in ref.ranges for each in range(span.first, span.last + 1)]
        assert offsets == list(range(8))
        assert {ref.run for ref in broker.given} == {0}


def _done(road: Any) -> int:
    progress = road.store.progress(INCOMING)
    return progress[0].done if 0 in progress else -1


def _wait_until_done(road: Any, offset: int) -> None:
    end = time.monotonic() + WITHIN_S
    while _done(road) < offset:
        assert time.monotonic() < end, "nothing came through"
        time.sleep(0.01)
