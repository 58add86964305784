"""An event of the log on its way to endpoints: its envelope is made once, when the first of them is told."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from chat4all.model.event_envelope import Envelope, batch_of, envelope
from chat4all.model.event_types import PROVIDER, TEST, event_type
from chat4all.model.events import Event

# Bytes of a request with several events.
BATCH_BYTES = 1 << 20


class Telling:
    """An event and what is sent of it."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.offset, self.conversation_id, self.at = event.offset, event.conversation_id, event.at
        # What is told in order: a conversation, or what an event without one is about.
        self.key = event.conversation_id or f"{event.kind}:{event.subject}"

    @cached_property
    def envelope(self) -> Envelope:
        """What is sent."""
        return envelope(self.event)


def said_of(events: Sequence[Telling]) -> Envelope:
    """What is sent of these in one request."""
    return events[0].envelope if len(events) == 1 else batch_of([each.envelope for each in events])


def together(events: Iterable[Telling], most: int) -> int:
    """How many of these, from the first, go in one request; one at least, if there is one.

    A test, and what a provider sent, go by themselves.
    """
    count = size = 0
    for each in events:
        alone = event_type(each.event) in (TEST, PROVIDER)
        size += len(each.envelope.body)
        if count and (count >= most or alone or size > BATCH_BYTES):
            break
        count += 1
        if alone or most <= 1:
            break
    return count
