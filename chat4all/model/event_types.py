"""The types and ids of events, as webhooks and streams say them: `message.accepted` and so on. Pure. Only ever added to."""

from chat4all.model.event_catalog import BY_NAME
from chat4all.model.events import FORWARDED, Event
from chat4all.model.ids import public_event_id
from chat4all.v1 import chat_pb2 as pb

# docs/events.md says what each tells.
TYPES = tuple(BY_NAME)
# Only who asks for it by name is told; what is sent is no envelope, but what a provider sent.
PROVIDER = "provider.webhook"
_PLAIN = {
    FORWARDED: PROVIDER,
    "rejected": "message.rejected",
    "scheduled": "message.scheduled",
    "state": "delivery.updated",
    "position": "position.updated",
    "handling": "conversation.updated",
    "typing": "typing.updated",
    "presence": "presence.updated",
    "broadcast": "broadcast.updated",
    "template": "template.updated",
    "file": "file.updated",
}
# Nobody asks for it by name: it goes to the endpoint that is tested.
TEST = "webhook.test"
# Several events in one request, to an endpoint that agreed to it.
BATCH = "webhook.batch"


def event_type(event: Event) -> str:
    """The type of an event. Parses its body once, where the kind alone does not say it."""
    if not event.type:
        event.type = _PLAIN.get(event.kind) or type_of(pb.Event.FromString(event.body))
    return event.type


def type_of(event: pb.Event) -> str:
    """The same of a body. Of kinds without a type it is the kind."""
    kind = event.WhichOneof("kind") or ""
    if kind in ("message", "note"):
        return f"{kind}.{_done(getattr(event, kind))}"
    if kind == "conversation":
        return "conversation.created" if event.conversation.members_version <= 1 else "conversation.members_changed"
    if kind == "webhook":
        return f"webhook.{event.webhook.change}"
    if kind == "contact":
        return f"contact.{event.contact.change}"
    if kind == "account":
        return f"account.{event.account.change}"
    return _PLAIN.get(kind, kind)


def conversation_of(event: pb.Event) -> str:
    """The conversation that a body tells of; empty where it is of none."""
    kind = event.WhichOneof("kind")
    return getattr(getattr(event, kind), "conversation_id", "") if kind else ""


def envelope_id(event: pb.Event) -> str:
    """The id under which an event is told: in letters, digits, - and _ only, as receivers expect of webhook-id."""
    return public_event_id(conversation_of(event), event.event_id)


def naming(event: Event) -> bytes:
    """Type and id, serialised: behind its body they are part of it. Made once."""
    if not event.naming:
        read = pb.Event.FromString(event.body)
        event.naming = pb.Event(type=type_of(read), id=envelope_id(read)).SerializeToString()
    return event.naming


def _done(message: pb.MessageEvent) -> str:
    content = message.content.WhichOneof("kind") if message.HasField("content") else ""
    return {"edit": "updated", "deletion": "deleted"}.get(content or "", "accepted")
