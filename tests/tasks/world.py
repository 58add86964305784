"""A road in one process: real log and store in a folder, stages called as functions, time and providers under control."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from chat4all.model.content import Text
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import Delivery, Lane
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import EVENTS, INCOMING, STATUS, BatchRef, Range, Status, incoming_record, status_record
from chat4all.ports import EventLog, LaneState, Lease, MessageStore
from chat4all.services.accounts.live import LiveChannels
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from tasks.lanes.deliverer import Attempts
from tasks.lanes.lease import STAMPS_SPARED, Hold
from tasks.resources import Parts, open_parts
from tasks.stages.batches import Batches
from tasks.stages.fan_out import fan_out
from tasks.stages.persist import persist
from tasks.stages.receipts import receipts
from tasks.stages.stage import Run, Stage
from tasks.stages.tries import Tries
from tests.between import Between
from tests.wakes import Wakes

PERSIST, FAN_OUT, RECEIPTS = Stage("persist", persist), Stage("fan_out", fan_out), Stage("receipts", receipts)


def new_id(*parts: object) -> str:
    """A UUID that is the same for the same parts."""
    return str(uuid5(NAMESPACE_URL, ":".join(map(str, parts))))


def message(conversation: str, number: object, text: str = "hello", to: Sequence[Recipient] = (), **more: Any) -> Message:
    """A message as acceptance would freeze it; its digest follows its text."""
    fields: dict[str, Any] = {"digest": text, "sender": "alice", "members_version": 1, "accepted_at": int(time.time() * 1000)}
    return Message(
        message_id=new_id("message", conversation, number),
        conversation_id=conversation,
        payload=Text(text),
        recipients=tuple(to),
        **(fields | more),
    )


def whatsapp(number: int) -> Recipient:
    """A contact with a WhatsApp address."""
    return Recipient(f"contact-{number}", "whatsapp", f"+55119{number:08d}")


class Alone:
    """A lane's only sender, whatever the account."""

    several = False

    def __init__(self, sender: Attempts) -> None:
        self._sender = sender

    def of(self, account: str) -> Attempts:
        """It."""
        return self._sender


class World:
    """The parts, and the road's steps as methods. `faults`, `log_faults`: what happens when store or log are called."""

    def __init__(self, parts: Parts) -> None:
        self.faults, self.log_faults = Between(parts.store), Between(parts.log)
        self.store, self.log = cast("MessageStore", self.faults), cast("EventLog", self.log_faults)
        self.parts = replace(parts, store=self.store, log=self.log)
        self.tries = Tries()
        # Whether the store compares fences, as far as processes see it that may be frozen.
        self.compares = True

    @property
    def wakes(self) -> Wakes:
        """Whom the road woke."""
        assert isinstance(self.parts.waker, Wakes)
        return self.parts.waker

    def know(self, *people: Recipient) -> None:
        """Give these people their addresses."""
        self.store.claim_addresses([Identity(each.channel, each.address, each.user_id, 1) for each in people])

    def say(self, *messages: Message) -> list[int]:
        """Append messages to chat-incoming; their offsets."""
        return self.log.append([incoming_record(each, self.parts.partitions, {}) for each in messages], 5)

    def report(self, *statuses: Status) -> None:
        """Append receipts and positions to chat-status."""
        self.log.append([status_record(each, self.parts.partitions, {}) for each in statuses], 5)

    def everything(self, topic: str = INCOMING) -> BatchRef:
        """All that the log holds of a topic."""
        spans = [Range(partition, first, end - 1) for partition, (first, end) in self.log.ends(topic).items() if end > first]
        return BatchRef(topic, tuple(spans))

    def run(self, *stages: Stage, ref: BatchRef | None = None, again: bool = False) -> list[Run]:
        """Run stages over a batch, by default persist and fan_out over all."""
        ref = ref or self.everything()
        runs = [Run(stage, self.parts, Batches(self.log), self.tries, ref) for stage in stages or (PERSIST, FAN_OUT)]
        for each in runs:
            each.go(again)
        return runs

    def receive(self) -> None:
        """Run the receipts stage over all of chat-status."""
        self.run(RECEIPTS, ref=self.everything(STATUS))

    def rows(self, channel: str = "whatsapp") -> list[Delivery]:
        """All delivery rows of a channel, by partition and place."""
        lanes = [Lane(channel, partition) for partition in range(self.parts.partitions)]
        return [row for lane in lanes for row in self.store.lane_rows(lane, (-1, -1), 2**60, 100_000)]

    def events(self, kind: str) -> list[Any]:
        """All events of a kind that were published, by partition, in order."""
        spans = self.everything(EVENTS).ranges
        found = [pb.Event.FromString(record.value) for record in self.log.read(EVENTS, spans, 5)]
        return [getattr(event, kind) for event in found if event.WhichOneof("kind") == kind]


def asked_anew(road: World) -> LiveChannels:
    """The accounts of this world, for which the store is asked each time."""
    return LiveChannels(road.parts.settings, road.parts.store, every_s=0)


@contextmanager
def world(folder: Path, **settings: Any) -> Iterator[World]:
    """A world in this folder; the same folder again is the same world."""
    parts = open_parts(Settings(data=folder, **settings), Wakes())
    try:
        yield World(parts)
    finally:
        parts.close()


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for a condition. TimeoutError when it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def threads() -> Any:
    """An executor that is shut down in the end."""
    executor = ThreadPoolExecutor(4)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


LONG_S = 1e6


def granted(lane: Lane = Lane("whatsapp", 0)) -> Hold:  # noqa: B008 - frozen
    """The right to send on a lane, for as long as the test leaves it."""
    return Hold(lane, Lease("test", 1, 0), time.monotonic(), LONG_S, taken_over=False)


def take(store: MessageStore, lane: Lane, holder: str, spared: int = STAMPS_SPARED) -> tuple[LaneState, Hold]:
    """The lane, whoever has it, and how far it is then."""
    seen = store.lanes([lane])[lane].lease
    lease = seen.taken_by(holder, int(time.time() * 1000))
    assert store.swap_lease(lane, seen, lease)
    hold = Hold(lane, lease, time.monotonic(), LONG_S, taken_over=bool(seen.holder), spared=spared)
    return store.lanes([lane])[lane], hold


def release(store: MessageStore, hold: Hold) -> bool:
    """Give the lane back; whether it was still ours."""
    return store.swap_lease(hold.lane, hold.lease, Lease("", hold.lease.fence, 1))
