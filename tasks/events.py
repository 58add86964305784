"""Events for chat-events: built here, serialised once, sent to every reader as these bytes."""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

import msgspec

from chat4all.deliveries import RANK, Delivery, Watermark, reason, state
from chat4all.messages import File, Message
from chat4all.ports import EventLog
from chat4all.records import EVENTS, NewRecord, partition_of
from chat4all.tracing import event_headers
from chat4all.v1 import chat_pb2 as pb

TIMEOUT_S = 10.0


def _record(event: pb.Event, conversation_id: str, partitions: int, **headers: str) -> NewRecord:
    kind = event.WhichOneof("kind") or ""
    named = {"kind": kind, "conversation": conversation_id, **headers}
    return NewRecord(EVENTS, partition_of(conversation_id, partitions), conversation_id, event.SerializeToString(), named)


def _id(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, ":".join(map(str, parts))))


def message_event(message: Message, partitions: int) -> NewRecord:
    """A message, as its readers see it. A rerun makes the same bytes."""
    payload = message.payload
    file = None
    if isinstance(payload, File):
        file = pb.FilePayload(
            file_id=payload.file_id, filename=payload.filename, mime_type=payload.mime_type, size=payload.size
        )
    event = pb.Event(
        event_id=message.message_id,
        at_ms=message.accepted_at,
        message=pb.MessageEvent(
            message_id=message.message_id,
            conversation_id=message.conversation_id,
            seq=message.seq,
            sender=message.sender,
            text=payload.text,
            file=file,
            metadata_json=msgspec.json.encode(message.metadata).decode() if message.metadata else "",
            accepted_at_ms=message.accepted_at,
            members_version=message.members_version,
            channels=sorted({each.channel for each in message.recipients}),
            sender_name=message.sender_name,
        ),
    )
    named = {"seq": str(message.seq), "version": str(message.members_version)}
    return _record(event, message.conversation_id, partitions, **named, **event_headers(message.trace, message.message_id))


def state_event(delivery: Delivery, at: int, partitions: int) -> NewRecord:
    """A delivery's state as its facts say it. `rank` lets whoever passes events on drop one that a later one overtook."""
    now = state(delivery.facts)
    event = pb.Event(
        event_id=f"{delivery.key}:{now}",
        at_ms=at,
        state=pb.StateEvent(
            message_id=delivery.message_id,
            conversation_id=delivery.conversation_id,
            seq=delivery.first_seq or delivery.key.seq,
            recipient=delivery.user_id,
            channel=delivery.key.lane.channel,
            state=now.value,
            reason=reason(delivery.facts),
        ),
    )
    named = {"delivery": str(delivery.key), "rank": str(RANK[now])}
    named |= event_headers(delivery.trace, delivery.message_id)
    return _record(event, delivery.conversation_id, partitions, **named)


def position_event(mark: Watermark, at: int, partitions: int) -> NewRecord:
    """How far a member has come."""
    event = pb.Event(
        event_id=_id("position", mark.conversation_id, mark.user_id, mark.delivered_up_to, mark.read_up_to),
        at_ms=at,
        position=pb.PositionEvent(
            conversation_id=mark.conversation_id,
            user_id=mark.user_id,
            delivered_up_to=mark.delivered_up_to,
            read_up_to=mark.read_up_to,
        ),
    )
    return _record(event, mark.conversation_id, partitions)


def rejected_event(message: Message, why: str, partitions: int) -> NewRecord:
    """A record that did not become a message; told to its sender only."""
    event = pb.Event(
        event_id=_id("rejected", message.message_id, message.seq),
        at_ms=message.accepted_at,
        rejected=pb.RejectedEvent(message_id=message.message_id, conversation_id=message.conversation_id, reason=why),
    )
    return _record(event, message.conversation_id, partitions, user=message.sender)


def publish(log: EventLog, events: Sequence[NewRecord]) -> None:
    """Append events; on return they are durable."""
    if events:
        log.append(events, TIMEOUT_S)
