"""Events that are worth something for seconds: who types, who is there. They are in chat-signals, or in no topic. Pure."""

from chat4all.model.events import Event
from chat4all.model.ids import presence_event_id, typing_event_id
from chat4all.model.records import partition_of
from chat4all.v1 import chat_pb2 as pb

# Whoever types says so again every few seconds.
TYPING_MS = 6_000
# What is told later than this is not told.
LATE_MS = 5_000


def typing_event(conversation_id: str, user_id: str, at: int, partitions: int) -> Event:
    """Somebody types, at this time (ms UTC). `partitions`: how many chat-signals has."""
    said = pb.TypingEvent(conversation_id=conversation_id, user_id=user_id, until_ms=at + TYPING_MS)
    event = pb.Event(event_id=typing_event_id(conversation_id, user_id, at), at_ms=at, typing=said)
    partition = partition_of(conversation_id, partitions)
    return Event("typing", conversation_id, partition, event.SerializeToString(), subject=user_id, at=at)


def presence_event(user_id: str, at: int, *, online: bool, last_seen: int = 0) -> Event:
    """Somebody came or went, at this time (ms UTC). `last_seen`: 0 where nobody may know."""
    said = pb.PresenceEvent(user_id=user_id, online=online, last_seen_ms=last_seen)
    event = pb.Event(event_id=presence_event_id(user_id, online, at), at_ms=at, presence=said)
    return Event("presence", "", 0, event.SerializeToString(), subject=user_id, at=at)


def is_late(event: Event, now: int) -> bool:
    """Whether nobody is to be told of it any more, at this time (ms UTC)."""
    return event.is_passing and now - event.at > LATE_MS
