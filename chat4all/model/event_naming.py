"""What events call things: in the log as it is stored, to readers and endpoints as their workspace does. Pure rules; no I/O."""

from collections.abc import Callable

from chat4all.model.events import FORWARDED, Event
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import BETWEEN, bare, everybody, stored, workspace_of
from chat4all.v1 import chat_pb2 as pb

# The fields that hold ids, by kind.
FIELDS = {
    "message": ("conversation_id", "sender"),
    "note": ("conversation_id", "sender"),
    "state": ("conversation_id", "recipient"),
    "position": ("conversation_id", "user_id"),
    "rejected": ("conversation_id",),
    "scheduled": ("conversation_id", "sender"),
    "conversation": ("conversation_id",),
    "handling": ("conversation_id", "assignee", "changed_by"),
    "webhook": ("webhook_id",),
    "contact": ("contact_id", "changed_by", "merged_into"),
    "broadcast": ("broadcast_id",),
    "template": ("account_id",),
    "file": ("conversation_id", "owner"),
    "account": ("account_id",),
    "typing": ("conversation_id", "user_id"),
    "presence": ("user_id",),
}
# These are of no conversation: their subject says whose they are.
OF_NO_CONVERSATION = frozenset({"webhook", "contact", "presence", "broadcast", "template", "account"})
# Headers of records of events that hold them (chat4all/model/events.py).
HEADERS = ("conversation", "member", "user", "webhook", "contact", "typing", "broadcast", "template", "account")


def workspace_of_event(event: Event) -> str:
    """Whose an event is. What a provider sent is not said here: that is its account's."""
    return workspace_of(event.conversation_id or (event.subject if event.kind in OF_NO_CONVERSATION else ""))


def with_bare_ids(event: Event) -> Event:
    """The event, whose body now says what its readers call things."""
    if event.kind != FORWARDED and workspace_of_event(event) != DEFAULT_WORKSPACE:
        event.body = bare_event(event.body)
    return event


def bare_event(body: bytes) -> bytes:
    """The body of an event as its workspace calls things."""
    event = pb.Event.FromString(body)
    kind = event.WhichOneof("kind") or ""
    about = getattr(event, kind) if kind else None
    prefix = everybody(getattr(about, FIELDS[kind][0])) if kind in FIELDS else ""
    if prefix:
        event.event_id = event.event_id.replace(f":{prefix}", ":", 1)
    return _renamed(event, kind, bare)


def stored_event(body: bytes, workspace: str) -> bytes:
    """The opposite: as the log has it. Ids of events that are made of others say those as they are stored too."""
    event = pb.Event.FromString(body)
    kind = event.WhichOneof("kind") or ""
    named = getattr(getattr(event, kind), FIELDS[kind][0]) if kind in FIELDS else ""
    if named:
        event.event_id = event.event_id.replace(f":{named}:", f":{workspace}{BETWEEN}{named}:", 1)
    return _renamed(event, kind, lambda given: stored(workspace, given))


def _renamed(event: pb.Event, kind: str, name: Callable[[str], str]) -> bytes:
    about = getattr(event, kind) if kind else None
    for field in FIELDS.get(kind, ()):
        if given := getattr(about, field):
            setattr(about, field, name(given))
    return event.SerializeToString()
