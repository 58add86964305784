"""Part of the message store: how conversations are handled, and what is to be done with them later."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from chat4all.model.handling import Due, Handling


class Handlings(ABC):
    """State, assignee, labels of conversations. A change is a compare-and-set on the version, which grows by one.

    The lists that a conversation is in (`Handling.lists`) are read with `Listing.active`. They may hold one that has left
    them a moment ago, never miss one: who reads them looks at the handling too.
    """

    @abstractmethod
    def handlings(self, conversation_ids: Sequence[str]) -> dict[str, Handling]:
        """How each of these is handled; what nobody has touched as `untouched` says."""

    @abstractmethod
    def change_handling(self, conversation_id: str, change: Callable[[Handling], Handling]) -> Handling:
        """Make it what `change` of it is, asked again when another was faster; what is then kept.

        With a change, `Handling.due` of it is noted, and `tell` at its `changed_at`: whoever has told readers settles that.
        What `change` leaves as it is changes nothing.
        """

    @abstractmethod
    def handles_any(self) -> bool:
        """Whether any conversation was ever handled. False may be a second old (`LOOK_AFTER_MS`). Costs nothing."""

    @abstractmethod
    def due_handlings(self, now: int, limit: int) -> list[Due]:
        """What is to be done until `now`, the earliest first."""

    @abstractmethod
    def settle_due(self, done: Sequence[Due]) -> None:
        """These are done."""
