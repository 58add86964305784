"""The types of events, as subscribers know them: `message.accepted` and so on. Pure. They are only ever added to."""

from chat4all.model.events import Event
from chat4all.v1 import chat_pb2 as pb

TYPES = (
    "message.accepted",
    "message.updated",
    "message.deleted",
    "message.rejected",
    "delivery.updated",
    "position.updated",
    "conversation.created",
    "conversation.members_changed",
)
_PLAIN = {"rejected": "message.rejected", "state": "delivery.updated", "position": "position.updated"}


def event_type(event: Event) -> str:
    """The type of an event. Parses the body of a message. Of kinds without a type it is the kind."""
    if event.kind == "message":
        return _of_message(pb.Event.FromString(event.body).message)
    if event.kind == "conversation":
        return "conversation.created" if event.version <= 1 else "conversation.members_changed"
    return _PLAIN.get(event.kind, event.kind)


def _of_message(message: pb.MessageEvent) -> str:
    content = message.content.WhichOneof("kind") if message.HasField("content") else ""
    return {"edit": "message.updated", "deletion": "message.deleted"}.get(content or "", "message.accepted")
