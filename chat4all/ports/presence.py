"""Part of the message store: when users were last there, and whether they wish that to be known."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from msgspec import Struct


class Seen(Struct, frozen=True):
    """`last_seen`: ms UTC; 0: never. `hidden`: nobody is to know."""

    last_seen: int = 0
    hidden: bool = False


class Presences(ABC):
    """When users were last there. Who is there now is not kept: stream processes say it (`chat4all.model.presence`)."""

    @abstractmethod
    def presences(self, user_ids: Collection[str]) -> dict[str, Seen]:
        """What is known of these; those of whom nothing is are absent."""

    @abstractmethod
    def raise_last_seen(self, seen: Mapping[str, int]) -> None:
        """Users were there at these times (ms UTC). Only grows."""

    @abstractmethod
    def hide_presence(self, user_id: str, hidden: bool) -> None:
        """Whether this user wishes that nobody knows. The newest wish stays."""
