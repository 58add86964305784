"""Events about endpoints themselves, which have no conversation: one was disabled, or is tested."""

from chat4all.model.events import Event
from chat4all.model.ids import webhook_event_id
from chat4all.model.records import partition_of
from chat4all.ports.webhooks import Webhook
from chat4all.v1 import chat_pb2 as pb


def disabled(webhook: Webhook, partitions: int) -> Event:
    """It is told nothing more. The same for the same version of it."""
    event_id = webhook_event_id(webhook.webhook_id, webhook.version)
    return _event(webhook, "disabled", event_id, webhook.changed_at, partitions)


def test(webhook: Webhook, event_id: str, at: int, partitions: int) -> Event:
    """To this endpoint alone, whatever it asks for."""
    return _event(webhook, "test", event_id, at, partitions)


def _event(webhook: Webhook, change: str, event_id: str, at: int, partitions: int) -> Event:
    about = pb.WebhookEvent(webhook_id=webhook.webhook_id, change=change, reason=webhook.reason)
    body = pb.Event(event_id=event_id, at_ms=at, webhook=about).SerializeToString()
    return Event("webhook", "", partition_of(webhook.webhook_id, partitions), body, subject=webhook.webhook_id)
