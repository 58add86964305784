"""That an endpoint is disabled is written with its row, and said until it is in the log: whoever wrote the row may die."""

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.events import encode
from chat4all.ports import EventLog, MessageStore
from chat4all.ports.webhooks import Ended, Webhook
from chat4all.services.webhooks import own_events

APPEND_S = 5.0
# Somebody who switches it off and on while the log is away: what is beyond these says nothing new.
UNSAID_MOST = 10


def disabled(webhook: Webhook, reason: str) -> Webhook:
    """What its next version is to be: it is told nothing more, and others are to hear of that."""
    ended = Ended(webhook.version + 1, now_ms(), reason)
    return replace(webhook, status="disabled", reason=reason, unsaid=(*webhook.unsaid, ended)[-UNSAID_MOST:])


def announce(webhook: Webhook, store: MessageStore, log: EventLog, partitions: int) -> None:
    """Publish what is unsaid of it, then note that it was. Who died in between publishes the same events again.

    Raises Temporary.
    """
    said = webhook.unsaid
    log.append([encode(own_events.disabled(webhook.webhook_id, each, partitions)) for each in said], APPEND_S)
    known: Webhook | None = webhook
    while known and known.status != "deleted" and set(known.unsaid) & set(said):
        left = tuple(each for each in known.unsaid if each not in said)
        if store.put_webhook(replace(known, version=known.version + 1, unsaid=left)):
            return
        known = store.webhook(webhook.webhook_id)
