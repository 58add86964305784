"""How far deliveries and members have come, as a process that tells of them has heard. Pure."""

from chat4all.model.events import Event


class States:
    """How far deliveries and members have come, as this process has heard. Bounded: what was heard of longest ago goes first.

    Several processes publish these, so an older one may come after a newer: it is not told, for neither ever goes back.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._ranks: dict[str, tuple[int, int]] = {}
        self._most = most

    def hear(self, event: Event) -> None:
        """Whatever this says of a delivery or a member is true from now on."""
        if event.about:
            self.know(event.about, event.rank, event.further)

    def know(self, about: str, rank: int, further: int = 0) -> None:
        """This has come so far, or further."""
        known = self._ranks.pop(about, (0, 0))
        self._ranks[about] = (max(rank, known[0]), max(further, known[1]))
        if len(self._ranks) > self._most:
            del self._ranks[next(iter(self._ranks))]

    def knows(self, about: str) -> bool:
        """Whether anything was heard of this."""
        return about in self._ranks

    def are_news(self, event: Event) -> bool:
        """False for a state or position below one that was heard before."""
        rank, further = self._ranks.get(event.about, (0, 0))
        return event.rank >= rank and event.further >= further

    def goes_beyond(self, event: Event) -> bool:
        """False for a state or position at or below one that was heard before."""
        rank, further = self._ranks.get(event.about, (-1, -1))
        return event.rank > rank or event.further > further
