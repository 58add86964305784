"""What the rest of the road does to log and store, done by hand: the stream server's tests need nothing else of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import grpc
from msgspec.structs import replace

from bridges.stream import StreamServer
from bridges.streaming.hub import Limits
from bridges.streaming.times import TIMES, Times
from chat4all.model.clock import now_ms
from chat4all.model.content import Text
from chat4all.model.conversations import Conversation, ConversationType, Membership, User, UserKind
from chat4all.model.deliveries import Delivery, Facts, Watermark
from chat4all.model.messages import Message, offset_of, seq_at
from chat4all.model.records import EVENTS, INCOMING, TOPICS, NewRecord, incoming_record
from chat4all.ports import EventLog, MessageStore, Registration
from chat4all.services.access import tokens
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from ops.native.processes import free_port
from storage.open import open_log, open_store
from tasks.outcomes import events
from tests.between import Between

PARTITIONS = 2
Options = tuple[tuple[str, int], ...]
END: Any = grpc.aio.EOF  # type: ignore[attr-defined]
TIMEOUT_S = 5.0


def settings_in(folder: Path) -> Settings:
    return Settings(data=folder, partitions=PARTITIONS, stream_port=free_port(), events_port=free_port())


def _id(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, " ".join(parts)))


class Road:
    """A log and a store in a folder, and the steps that bring a message into both. `faults`: what befalls their callers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log_faults, self.faults = Between(open_log(settings)), Between(open_store(settings))
        self.log, self.store = cast("EventLog", self.log_faults), cast("MessageStore", self.faults)
        self.store.migrate()
        self.log.create(dict.fromkeys(TOPICS, PARTITIONS))

    def close(self) -> None:
        self.log.close()
        self.store.close()

    def token(self, user: str, life_s: int = 600) -> str:
        who = User(user, UserKind.PERSON, 0)
        return tokens.issue(who, tokens.ACCESS, life_s, self.settings.secret("jwt"))

    def client_token(self, name: str, *scopes: str) -> str:
        who = User(name, UserKind.CLIENT, 0, scopes=scopes)
        return tokens.issue(who, tokens.ACCESS, 600, self.settings.secret("jwt"))

    def users(self, *names: str) -> None:
        self.store.add_users([User(name, UserKind.PERSON, now_ms()) for name in names])

    def conversation(self, name: str, *members: str) -> str:
        """A group with these members; its id."""
        conversation_id = _id(name)
        founded = Conversation(conversation_id, ConversationType.GROUP, members[0], now_ms())
        self.store.add_conversations([(founded, members)])
        return conversation_id

    def membership(self, conversation_id: str) -> Membership:
        return self.store.memberships([conversation_id])[conversation_id]

    def accept(self, conversation_id: str, *texts: str, sender: str = "alice") -> list[Message]:
        """What the gateway does, and what it means: messages with their seqs."""
        version = self.membership(conversation_id).version
        drafts = [
            Message(
                str(uuid5(NAMESPACE_URL, f"{conversation_id} {text}")), conversation_id, sender, Text(text), version, now_ms()
            )
            for text in texts
        ]
        offsets = self.log.append([incoming_record(each, PARTITIONS, {}) for each in drafts], TIMEOUT_S)
        return [each.placed(seq_at(offset)) for each, offset in zip(drafts, offsets, strict=True)]

    def persist(self, messages: list[Message]) -> None:
        self.store.register([Registration(each.conversation_id, each.message_id, each.seq, each.digest) for each in messages])
        self.store.put_messages(messages)

    def publish(self, messages: list[Message]) -> None:
        events.publish(self.log, [events.message_event(each, PARTITIONS) for each in messages])

    def advance(self, messages: list[Message]) -> None:
        """Raise the progress to the last of these messages."""
        for message in messages:
            partition = incoming_record(message, PARTITIONS, {}).partition
            self.store.raise_progress(INCOMING, {partition: offset_of(message.seq)})

    def say(self, conversation_id: str, *texts: str, sender: str = "alice") -> list[Message]:
        """Messages all the way: accepted, stored, published, done."""
        messages = self.accept(conversation_id, *texts, sender=sender)
        self.persist(messages)
        self.publish(messages)
        self.advance(messages)
        return messages

    def reject(self, conversation_id: str, text: str) -> None:
        """A record whose id is taken by another body."""
        [message] = self.accept(conversation_id, text)
        events.publish(self.log, [events.rejected_event(message, "message_id_conflict", PARTITIONS)])
        self.advance([message])

    def learn(self, delivery: Delivery, facts: Facts) -> None:
        """What the stages write before they publish."""
        told = [events.state_event(delivery.seen(facts), now_ms(), PARTITIONS)]
        self.store.record({delivery.key: facts}, changes=events.learned(told, now_ms()))

    def tell_state(self, delivery: Delivery, facts: Facts) -> None:
        events.publish(self.log, [events.state_event(delivery.seen(facts), now_ms(), PARTITIONS)])

    def tell_late(self, delivery: Delivery, mark: Watermark, at: int) -> None:
        """Publish what was learned at this time."""
        told = [events.state_event(delivery, at, PARTITIONS), events.position_event(mark, at, PARTITIONS)]
        events.publish(self.log, told)

    def publish_position(self, mark: Watermark) -> None:
        events.publish(self.log, [events.position_event(mark, now_ms(), PARTITIONS)])

    def tell_position(self, mark: Watermark) -> None:
        self.store.raise_watermarks([mark])
        events.publish(self.log, [events.position_event(mark, now_ms(), PARTITIONS)])

    def tell_change(self, conversation_id: str) -> None:
        """The conversation event of the newest membership."""
        version = self.membership(conversation_id).version
        event = pb.Event(
            event_id=f"{conversation_id}:{version}",
            at_ms=now_ms(),
            conversation=pb.ConversationEvent(conversation_id=conversation_id, members_version=version),
        )
        partition = events.message_event(Message("", conversation_id, "", Text("x"), version, 0), PARTITIONS).partition
        headers = {"kind": "conversation", "conversation": conversation_id}
        self.log.append([NewRecord(EVENTS, partition, conversation_id, event.SerializeToString(), headers)], TIMEOUT_S)


# Else other readers are told of between what a test waits for.
NEVER_S = 3600.0


@asynccontextmanager
async def serving(road: Road, limits: Limits | None = None, times: Times = TIMES) -> AsyncIterator[StreamServer]:
    """A stream server on this loop. Who comes or goes is told where `times` have a `presence_s` of their own."""
    times = replace(times, presence_s=NEVER_S) if times.presence_s == TIMES.presence_s else times
    server = StreamServer(road.settings, road.log, road.store, limits, times)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Reader:
    """A gRPC stream, read step by step."""

    def __init__(
        self,
        road: Road,
        user: str,
        cursor: str = "",
        *,
        life_s: int = 600,
        token: str = "",
        options: Options = (),
        everything: bool = False,
    ) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{road.settings.stream_port}", options=options)
        open_stream = self._channel.unary_stream(
            "/chat4all.v1.Chat/Stream", pb.StreamRequest.SerializeToString, pb.Events.FromString
        )
        self._call = open_stream(
            pb.StreamRequest(cursor=cursor, all=everything),
            metadata=(("authorization", f"Bearer {token or road.token(user, life_s)}"),),
        )
        self.cursor = cursor
        self.frames: list[pb.Events] = []

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await self._channel.close(None)

    async def frame(self) -> pb.Events:
        """The next frame."""
        frame: Any = await asyncio.wait_for(self._call.read(), TIMEOUT_S)
        if frame is END:
            raise AssertionError(f"the stream ended: {await self._call.code()}")
        self.cursor = frame.cursor
        events: pb.Events = frame
        self.frames.append(events)
        return events

    async def caught_up(self) -> list[pb.Event]:
        """Everything up to the empty frame that says: live from here."""
        found: list[pb.Event] = []
        while (frame := await self.frame()).events:
            found += frame.events
        return found

    async def events(self, count: int) -> list[pb.Event]:
        """The next so many events."""
        found: list[pb.Event] = []
        while len(found) < count:
            found += (await self.frame()).events
        return found

    async def until(self, words: str) -> list[pb.Event]:
        """Everything up to the frame that has these words."""
        found: list[pb.Event] = []
        while words not in texts(found):
            found += (await self.frame()).events
        return found

    async def end(self) -> grpc.StatusCode:
        """Read on until the stream ends; how it ended."""
        try:
            while (read := await asyncio.wait_for(self._call.read(), TIMEOUT_S)) is not END:
                frame: Any = read
                self.cursor = frame.cursor
                self.frames.append(frame)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return await self._call.code()


def texts(found: list[pb.Event]) -> list[str]:
    """The words of the messages among these."""
    return [event.message.text for event in found if event.HasField("message")]


def kinds(found: list[pb.Event]) -> list[str]:
    """What these events are."""
    return [event.WhichOneof("kind") or "" for event in found]


class Background:
    """A stream server over a road, on a loop and thread of its own: for tests of what blocks."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: StreamServer | None = None

    def start(self) -> None:
        self._run(self._start())

    async def _start(self) -> None:
        self._server = StreamServer(self._road.settings, self._road.log, self._road.store)
        await self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._run(self._server.stop())
        self._server = None

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
