"""An event of the log on its way to endpoints: its envelope is made once, when the first of them is told."""

from functools import cached_property

from chat4all.model.event_envelope import Envelope, envelope
from chat4all.model.events import Event


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
