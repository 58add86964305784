"""People with Chat4All's own client, many at once: each reads its stream in a thread, notes what came, and says so."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
from msgspec import Struct

from chat4all.client.streaming import OPTIONS
from chat4all.v1 import chat_pb2, chat_pb2_grpc

ACKNOWLEDGE_TIMEOUT_S = 10.0
AGAIN_AFTER_S = 0.2
# A system under load takes its time until all have their streams.
CONNECT_S = 30.0


class Seen(Struct, frozen=True):
    """A message that a reader saw, and when (ms UTC)."""

    reader: str
    conversation_id: str
    seq: int
    message_id: str
    text: str
    at: int


class StateSeen(Struct, frozen=True):
    """A delivery's state as a reader was told it. `delivery` names it: a resend is another than the one that failed."""

    message_id: str
    recipient: str
    channel: str
    state: str
    delivery: str = ""


class PositionSeen(Struct, frozen=True):
    """How far somebody has come, as a reader was told it."""

    conversation_id: str
    user: str
    delivered: int
    read: int


class Mark(Struct, frozen=True):
    """A cursor that a reader had, and how much it had been told by then: messages, states."""

    cursor: str
    seen: int
    states: int


class Reader:
    """One user's stream. It resumes by itself with its cursor, as clients do; `resumed` counts that.

    `marks` are the cursors that it had: another reader may begin at one, as a client that was away does.
    """

    def __init__(self, user: str, token: str, target: str, acknowledges: bool = True, cursor: str = "") -> None:
        self.user = user
        self.seen: list[Seen] = []
        self.states: list[StateSeen] = []
        self.positions: list[PositionSeen] = []
        self.marks: list[Mark] = []
        self.resumed = 0
        self.connected = threading.Event()
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._target = target
        self._acknowledges = acknowledges
        self._cursor = cursor
        self._ended = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._read, name=f"reader-{user}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            with grpc.insecure_channel(self._target, options=OPTIONS) as channel:
                stub = chat_pb2_grpc.ChatStub(channel)
                try:
                    self._follow(stub)
                except grpc.RpcError:
                    self.resumed += 1
            self._ended.wait(AGAIN_AFTER_S)

    def _follow(self, stub: Any) -> None:
        request = chat_pb2.StreamRequest(cursor=self._cursor)
        self._call = stub.Stream(request, metadata=self._metadata, wait_for_ready=True)
        self._call.initial_metadata()
        self.connected.set()
        if self._ended.is_set():
            self._call.cancel()
        for events in self._call:
            come = self._note(events)
            self._cursor = events.cursor
            self.marks.append(Mark(events.cursor, len(self.seen), len(self.states)))
            if self._acknowledges:
                self._acknowledge(stub, come)

    def _note(self, events: Any) -> dict[str, int]:
        """Keep what came; how far each conversation has come with it."""
        now, come = int(time.time() * 1000), {}
        for event in events.events:
            kind = event.WhichOneof("kind")
            if kind == "message":
                said = event.message
                self.seen.append(Seen(self.user, said.conversation_id, said.seq, said.message_id, said.text, now))
                if said.sender != self.user:
                    come[said.conversation_id] = said.seq
            elif kind == "state":
                told, delivery = event.state, event.event_id.rpartition(":")[0]
                self.states.append(StateSeen(told.message_id, told.recipient, told.channel, told.state, delivery))
            elif kind == "position":
                place = event.position
                self.positions.append(
                    PositionSeen(place.conversation_id, place.user_id, place.delivered_up_to, place.read_up_to)
                )
        return come

    def _acknowledge(self, stub: Any, come: dict[str, int]) -> None:
        for conversation, seq in come.items():
            said = chat_pb2.AcknowledgeRequest(conversation_id=conversation, up_to=seq, kind="read")
            for _ in _tries():
                try:
                    stub.Acknowledge(said, metadata=self._metadata, timeout=ACKNOWLEDGE_TIMEOUT_S)
                    break
                except grpc.RpcError as error:
                    if self._ended.is_set():
                        return
                    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                        raise

    def stop(self) -> None:
        """End the stream and the thread."""
        self._ended.set()
        if self._call is not None:
            self._call.cancel()
        if self._thread.is_alive():
            self._thread.join(10)


def _tries(most: int = 50) -> Iterator[int]:
    for number in range(most):
        yield number
        time.sleep(AGAIN_AFTER_S)


class Readers:
    """Several readers. A context manager: all are connected inside, all have ended after."""

    def __init__(self, tokens: dict[str, str], target: str, acknowledges: bool = True, patience_s: float = CONNECT_S) -> None:
        self._patience_s = patience_s
        self.each = [Reader(user, token, target, acknowledges) for user, token in tokens.items()]

    def __enter__(self) -> "Readers":
        for reader in self.each:
            reader.start()
        for reader in self.each:
            if not reader.connected.wait(self._patience_s):
                raise TimeoutError(f"no stream for {reader.user}")
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self.each:
            reader.stop()

    def seen(self, wanted: Callable[[Seen], bool] = lambda _: True) -> Sequence[Seen]:
        """All that all have seen, reader by reader, in the order that each saw it."""
        return [seen for reader in self.each for seen in tuple(reader.seen) if wanted(seen)]

    def states(self) -> list[tuple[str, StateSeen]]:
        """All states that they were told, as (reader, state), in the order that each was told."""
        return [(reader.user, told) for reader in self.each for told in tuple(reader.states)]

    def positions(self) -> list[tuple[str, PositionSeen]]:
        """All positions that they were told, as (reader, position), in the order that each was told."""
        return [(reader.user, told) for reader in self.each for told in tuple(reader.positions)]
