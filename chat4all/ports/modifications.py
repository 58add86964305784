"""Part of the message store: what was said of messages later."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chat4all.model.modifiers import Modification, Place


class Modifications(ABC):
    """Reactions, edits and deletions, by the message that they are about."""

    @abstractmethod
    def put_modifications(self, modifications: Sequence[Modification]) -> None:
        """Keep these, for as long as messages and longer. In any order and any number of times: the newest of a slot wins."""

    @abstractmethod
    def modifications(self, places: Sequence[Place]) -> dict[Place, list[Modification]]:
        """What counts of the messages at these (conversation_id, seq), as `modifiers.merged` gives it; others are absent."""
