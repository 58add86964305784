"""Reads chat-events once for all partitions that this process holds, in a thread, and hands what comes to their lanes."""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import closing
from itertools import groupby

from chat4all.model.backoff import Backoff
from chat4all.model.failures import RangeLost, Temporary
from chat4all.model.records import EVENTS
from chat4all.ports import Consumer, EventLog
from chat4all.telemetry import logs
from tasks.webhooks.lane import WebhookLane

log = logs.logger(__name__)

BATCH = 500
# How soon a lane that was taken is read.
POLL_S = 0.25
WAIT_S = (0.1, 5.0)


class Follower:
    """`lanes` is the owner's, on its loop: it is looked at between two polls."""

    def __init__(self, log: EventLog, lanes: Mapping[int, WebhookLane], loop: asyncio.AbstractEventLoop) -> None:
        self._log, self._lanes, self._loop = log, lanes, loop
        self._stopping, self._something = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook-events", daemon=True)

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        self._thread.start()

    def changed(self) -> None:
        """Other lanes are held now."""
        self._something.set()

    def stop(self) -> None:
        """Read no more. Blocks for as long as a poll takes."""
        self._stopping.set()
        self._something.set()
        self._thread.join(10)

    def _run(self) -> None:
        waits = Backoff(*WAIT_S)
        while not self._stopping.is_set():
            self._something.clear()
            lanes = {partition: lane for partition, lane in list(self._lanes.items()) if not lane.is_stopped}
            if not lanes:
                self._something.wait()
                continue
            try:
                self._read(lanes)
                waits.succeeded()
            except Temporary as outage:
                log.warning("webhook_events_unreadable", reason=outage.reason)
                self._stopping.wait(waits.failed())
            except Exception:
                # The lanes are held: without this thread nobody would tell endpoints anything, and nobody would notice.
                log.exception("webhook_follower_failed")
                self._stopping.wait(waits.failed())

    def _read(self, lanes: Mapping[int, WebhookLane]) -> None:
        with closing(self._log.follow(EVENTS, {partition: lane.read for partition, lane in lanes.items()})) as consumer:
            try:
                self._follow(consumer, lanes)
            except RangeLost:
                self._skip(lanes)

    def _follow(self, consumer: Consumer, lanes: Mapping[int, WebhookLane]) -> None:
        while not (self._stopping.is_set() or self._something.is_set() or any(each.is_stopped for each in lanes.values())):
            records = consumer.poll(BATCH, POLL_S)
            for partition, group in groupby(records, key=lambda each: each.partition):
                if self._stopping.is_set():
                    return
                asyncio.run_coroutine_threadsafe(lanes[partition].dispatch(list(group)), self._loop).result()

    def _skip(self, lanes: Mapping[int, WebhookLane]) -> None:
        for lane in lanes.values():
            asyncio.run_coroutine_threadsafe(lane.skip(), self._loop).result()
