"""Of which events an endpoint wants to hear. Pure rules."""

from collections.abc import Callable, Collection

from chat4all.model.deliveries import DeliveryKey
from chat4all.model.event_types import TEST, event_type
from chat4all.model.events import Event
from chat4all.ports.webhooks import Filter, Webhook
from chat4all.v1 import chat_pb2 as pb

# Told to those only who ask for them by name.
ASKED_ONLY = frozenset({"presence.updated", "typing.updated", "note.accepted", "note.updated", "note.deleted"})

# The labels of a conversation.
LabelsOf = Callable[[str], Collection[str]]


def wants(webhook: Webhook, event: Event, labels: LabelsOf = lambda conversation: ()) -> bool:
    """Whether an endpoint is to be told of this event."""
    if 0 <= event.offset < webhook.starts.get(event.partition, 0):
        return False
    kind = event_type(event)
    if kind == TEST:
        return event.subject == webhook.webhook_id
    if webhook.events and kind not in webhook.events:
        return False
    if not webhook.events and kind in ASKED_ONLY:
        return False
    return passes(webhook.filter, event, labels)


def passes(asked: Filter, event: Event, labels: LabelsOf = lambda conversation: ()) -> bool:
    """Whether all that a filter asks holds. An event that belongs to no channel passes no filter that asks for one."""
    if asked.conversations and event.conversation_id not in asked.conversations:
        return False
    if asked.labels and not set(asked.labels) & set(labels(event.conversation_id)):
        return False
    if not asked.channels and not asked.accounts:
        return True
    channels, accounts = places(event)
    if asked.channels and not channels & set(asked.channels):
        return False
    return not asked.accounts or bool(accounts & set(asked.accounts))


def places(event: Event) -> tuple[set[str], set[str]]:
    """The channels, and our accounts there, that an event is about: where it came from and where it goes."""
    if event.kind == "state":
        return {DeliveryKey.parse(event.subject).lane.channel}, set()
    if event.kind != "message":
        return set(), set()
    read = pb.Event.FromString(event.body)
    origin = read.message.origin
    return {*read.message.channels, *filter(None, [origin.channel])}, set(filter(None, [origin.account]))
