"""The streaming half of the client: one user's events, over reconnects and renewals, each message once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc

from chat4all.client.connection import UNAUTHENTICATED, ApiError, wait_s
from chat4all.model.deliveries import RANK, State
from chat4all.v1 import chat_pb2 as pb
from chat4all.v1 import chat_pb2_grpc

OPTIONS = (
    # gRPC's own pause grows to two minutes: too long for somebody who waits for messages.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A server that is frozen, or a network that is gone, is noticed.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
STATUSES = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 502,
    grpc.StatusCode.UNKNOWN: 502,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
REMEMBERED = 50_000
Metadata = tuple[tuple[str, str], ...]
ACKNOWLEDGE_S = 5.0
MOST_TRIES = 5


def api_error(error: Any) -> ApiError:
    """A gRPC failure in the client's words."""
    trailing = {str(name): value for name, value in error.trailing_metadata() or ()}
    status = STATUSES.get(error.code(), 500)
    body = {"message_id": trailing["message-id"]} if "message-id" in trailing else {}
    return ApiError(status, str(trailing.get("code", error.code().name.lower())), error.details() or "no answer", body)


def channel_to(target: str) -> grpc.Channel:
    """To host:port as it is; to https://host[:port] over TLS, as a proxy in front of the server wants it."""
    if target.startswith("https://"):
        return grpc.secure_channel(target.removeprefix("https://").rstrip("/"), grpc.ssl_channel_credentials(), options=OPTIONS)
    return grpc.insecure_channel(target, options=OPTIONS)


class Newest:
    """What is new in a stream. Resuming repeats events; states and positions never go back."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._highest: OrderedDict[tuple[Any, ...], tuple[int, ...]] = OrderedDict()

    def is_new(self, event: pb.Event) -> bool:
        """Whether this says more than was said before."""
        kind = event.WhichOneof("kind")
        if kind in ("message", "note"):
            said = event.message if kind == "message" else event.note
            return self._rises((kind, said.conversation_id), said.seq)
        if kind == "state":
            # By delivery, not by message: a resend is a delivery of its own, and its SENT is news after the first one's FAILED.
            state, delivery = event.state, event.event_id.rpartition(":")[0]
            about = (kind, delivery, state.message_id, state.seq, state.recipient, state.channel)
            return self._rises(about, RANK[State(state.state)])
        if kind == "position":
            position = event.position
            key = (kind, position.conversation_id, position.user_id)
            delivered = self._rises((*key, "delivered"), position.delivered_up_to)
            return self._rises((*key, "read"), position.read_up_to) or delivered
        if kind == "handling":
            return self._rises((kind, event.handling.conversation_id), event.handling.version)
        return self._rises((kind, event.event_id), 0)

    def _rises(self, key: tuple[Any, ...], value: int) -> bool:
        before = self._highest.pop(key, None)
        self._highest[key] = (value,) if before is None else max(before, (value,))
        if len(self._highest) > self._remembered:
            self._highest.popitem(last=False)
        return before is None or (value,) > before


class Acknowledgements:
    """Tells the server how far messages have come. Not waited for: a later one says the same and more, and without any the
    server sends the message again.
    """

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self._calls: list[Any] = []

    def tell(self, come: Mapping[str, int], metadata: Metadata) -> None:
        """All messages up to these seqs were delivered, by conversation."""
        self._calls = [call for call in self._calls if not call.done()]
        for conversation_id, seq in come.items():
            request = pb.AcknowledgeRequest(conversation_id=conversation_id, up_to=seq, kind="delivered")
            self._calls.append(self._stub.Acknowledge.future(request, timeout=ACKNOWLEDGE_S, metadata=metadata))

    def finish(self) -> None:
        """Wait for those under way."""
        for call in self._calls:
            call.exception()
        self._calls = []


class Stream:
    """One user's events. Iterate over it in one thread; `close` may be called from another.

    `cursor`: where to resume. It moves when the loop asks for more, so what was not worked on comes again.
    Ends with ApiError when the server refuses: not logged in, or a cursor that it does not know.
    """

    def __init__(
        self,
        target: str,
        token: Callable[[], str],
        renew: Callable[[], object],
        cursor: str = "",
        acknowledge: bool = False,
        everything: bool = False,
    ) -> None:
        self.cursor = cursor
        self._token = token
        self._renew = renew
        self._everything = everything
        self._newest = Newest()
        self._channel = channel_to(target)
        self._stub: Any = chat_pb2_grpc.ChatStub(self._channel)
        self._call: Any = None
        self._ended = threading.Event()
        self._closing = threading.Lock()
        self._is_closed = False
        self._acknowledgements = Acknowledgements(self._stub) if acknowledge else None

    def __iter__(self) -> Iterator[pb.Event]:
        for events in self.batches():
            yield from events

    def batches(self) -> Iterator[list[pb.Event]]:
        """Events as they arrive together; a batch may be empty, which says that everything older has been told."""
        tries, was_refused = 0, False
        while not self._ended.is_set():
            try:
                for frame in self._open():
                    tries, was_refused = 0, False
                    yield [event for event in frame.events if self._newest.is_new(event)]
                    self._move(frame)
                    if self._ended.is_set():
                        return
            except (grpc.RpcError, ApiError) as error:
                failure = error if isinstance(error, ApiError) else api_error(error)
                if not self._may_go_on(failure, was_refused):
                    raise failure from None
                was_refused = was_refused or failure.status == UNAUTHENTICATED
            self._ended.wait(wait_s(tries))
            tries = min(tries + 1, MOST_TRIES)

    def _may_go_on(self, failure: ApiError, was_refused: bool) -> bool:
        """Whether to connect again. A token that has run out is renewed first; a second refusal in a row is the answer."""
        if failure.status != UNAUTHENTICATED or was_refused or self._ended.is_set():
            return failure.may_pass or self._ended.is_set()
        try:
            self._renew()
        except ApiError as refusal:
            return refusal.may_pass
        return True

    def _open(self) -> Iterator[pb.Events]:
        """Connect where the loop has come to."""
        metadata = (("authorization", f"Bearer {self._token()}"),)
        with self._closing:
            if self._is_closed:
                return iter(())
            self._call = self._stub.Stream(pb.StreamRequest(cursor=self.cursor, all=self._everything), metadata=metadata)
        frames: Iterator[pb.Events] = self._call
        return frames

    def _move(self, frame: pb.Events) -> None:
        """The loop is done with this frame."""
        self.cursor = frame.cursor
        come = {event.message.conversation_id: event.message.seq for event in frame.events if event.HasField("message")}
        if self._acknowledgements is None or not come:
            return
        metadata = (("authorization", f"Bearer {self._token()}"),)
        with self._closing:
            if not self._is_closed:
                self._acknowledgements.tell(come, metadata)

    def stop(self) -> None:
        """End the loop once it is done with the events that it has. For use inside the loop."""
        self._ended.set()

    def close(self) -> None:
        """End the stream and its loop now. Safe to call twice."""
        self._ended.set()
        with self._closing:
            if self._acknowledgements is not None:
                self._acknowledgements.finish()
            if self._call is not None:
                self._call.cancel()
            if not self._is_closed:
                self._channel.close()
            self._is_closed = True

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
