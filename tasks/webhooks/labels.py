"""The labels of conversations, for endpoints that ask for some. Nothing is read where none does."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chat4all.model.events import Event
from chat4all.model.handling import Handling
from chat4all.ports import MessageStore
from chat4all.ports.webhooks import Webhook
from tasks.webhooks.matching import LabelsOf

# Has this done by a thread.
Ask = Callable[[Callable[[], Any]], Awaitable[Any]]


async def labels_of(webhooks: Iterable[Webhook], events: Iterable[Event], store: MessageStore, ask: Ask) -> LabelsOf:
    """The labels that the conversations of these events have now."""
    names = sorted({each.conversation_id for each in events if each.conversation_id})
    if not names or not any(each.filter.labels for each in webhooks):
        return lambda _: ()
    found: Mapping[str, Handling] = await ask(lambda: store.handlings(names))
    return lambda conversation: found[conversation].labels if conversation in found else ()
