"""Part of the message store: broadcasts, and what came of each contact's turn."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chat4all.model.broadcasts import Broadcast, Result


class Broadcasts(ABC):
    """Broadcasts are few; their results are many."""

    @abstractmethod
    def put_broadcast(self, broadcast: Broadcast) -> bool:
        """Keep it, if what is kept has the version before; version 1: if nothing is. Whether it was. Compare-and-set."""

    @abstractmethod
    def broadcast(self, broadcast_id: str) -> Broadcast | None:
        """It, as it is now."""

    @abstractmethod
    def broadcasts(self, limit: int, after: str = "") -> list[Broadcast]:
        """All of them by broadcast_id, beginning after that one."""

    @abstractmethod
    def running_broadcasts(self) -> list[Broadcast]:
        """Those that run. Cheap: asked every second."""

    @abstractmethod
    def put_results(self, broadcast_id: str, results: Sequence[Result]) -> None:
        """What came of contacts' turns. The same again changes nothing."""

    @abstractmethod
    def results(self, broadcast_id: str, limit: int, after: str = "") -> list[Result]:
        """Of contacts by id, beginning after that one."""
