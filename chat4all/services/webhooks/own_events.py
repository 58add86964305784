"""Events about endpoints themselves, which have no conversation: one was disabled, or is tested."""

from chat4all.model.events import Event
from chat4all.model.ids import webhook_event_id
from chat4all.model.records import partition_of
from chat4all.ports.webhooks import Ended, Webhook
from chat4all.v1 import chat_pb2 as pb


def disabled(webhook_id: str, ended: Ended, partitions: int) -> Event:
    """It is told nothing more. The same whoever says it, and however often."""
    about = pb.WebhookEvent(webhook_id=webhook_id, change="disabled", reason=ended.reason)
    return _event(about, webhook_event_id(webhook_id, ended.version), ended.at, partitions)


def test(webhook: Webhook, event_id: str, at: int, partitions: int) -> Event:
    """To this endpoint alone, whatever it asks for."""
    return _event(pb.WebhookEvent(webhook_id=webhook.webhook_id, change="test"), event_id, at, partitions)


def _event(about: pb.WebhookEvent, event_id: str, at: int, partitions: int) -> Event:
    body = pb.Event(event_id=event_id, at_ms=at, webhook=about).SerializeToString()
    return Event("webhook", "", partition_of(about.webhook_id, partitions), body, subject=about.webhook_id)
