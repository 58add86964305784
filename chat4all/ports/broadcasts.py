"""Part of the message store: broadcasts, whom they go to, and what came of each turn."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chat4all.model.broadcasts import Broadcast, Later, Result


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
        """Those that run, or for which else workers have something to do. Cheap: asked every second."""

    @abstractmethod
    def add_audience(self, broadcast_id: str, addresses: Sequence[str]) -> None:
        """These are told too. The same again changes nothing."""

    @abstractmethod
    def audience(self, broadcast_id: str, limit: int, after: str = "") -> list[str]:
        """The listed addresses in their order, beginning after that one."""

    @abstractmethod
    def put_later(self, broadcast_id: str, turns: Sequence[Later]) -> None:
        """These turns are put off. The same again changes nothing."""

    @abstractmethod
    def later(self, broadcast_id: str, after: str, until: int, limit: int) -> list[Later]:
        """Turns that were put off to `until` (ms UTC) or before, in the order of their places, beginning after that place."""

    @abstractmethod
    def put_results(self, broadcast_id: str, results: Sequence[Result]) -> None:
        """What came of turns, one for each `Result.turn`: the newest. The same again changes nothing."""

    @abstractmethod
    def results(self, broadcast_id: str, limit: int, after: str = "") -> list[Result]:
        """By `Result.turn`, beginning after that one."""

    @abstractmethod
    def results_of(self, broadcast_id: str, turns: Sequence[str]) -> dict[str, Result]:
        """Of these turns, those that have a result."""
