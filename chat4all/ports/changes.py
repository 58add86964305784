"""Part of the message store: when something was learned, so that a reader who was away is told what they missed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Watermark

# How long the store knows what was learned when. A reader who was away for longer is told `reload`.
KEPT_DAYS = 7


class Change(Struct, frozen=True, order=True):
    """At this time (ms UTC) we learned something new of a conversation. Its present value is in the other parts of the store.

    `kind` and `subject`: `state` and a DeliveryKey as text; `position` and a user; `conversation` and a members_version;
    `rejected` and `message id, seq, reason, sender` with blanks between.
    """

    conversation_id: str
    at: int
    kind: str
    subject: str


def moved(marks: Iterable[Watermark]) -> list[Change]:
    """That these members have come further, learned now."""
    now = now_ms()
    return [Change(each.conversation_id, now, "position", each.user_id) for each in marks]


class Changes(ABC):
    """What was learned when. Noted before readers are told; kept for `KEPT_DAYS`."""

    @abstractmethod
    def note_changes(self, changes: Sequence[Change]) -> None:
        """Keep these. Noting again changes nothing."""

    @abstractmethod
    def changes(self, since: Mapping[str, int]) -> list[Change]:
        """What was noted of each of these conversations at its time (ms UTC) or later, by conversation and time."""
