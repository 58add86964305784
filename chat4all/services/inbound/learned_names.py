"""Further addresses of people, as providers tell them beside receipts: what comes from these is from the same person."""

from collections.abc import Iterable
from itertools import chain

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Identity
from chat4all.ports import MessageStore, Named


class LearnedNames:
    """Gives free addresses to whoever has another of the same person. What is known costs nothing again.

    Thread-safe: at worst the same is written twice.
    """

    FORGET_ABOVE = 50_000

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._known: set[Named] = set()

    def learn(self, named: Iterable[Named]) -> None:
        """Make durable what is news. Where several people have the addresses nobody can tell whose the others are."""
        news = [each for each in dict.fromkeys(named) if each not in self._known]
        if not news:
            return
        owned = self._store.owners(list(set(chain.from_iterable(each.places for each in news))))
        claims: dict[tuple[str, str], Identity] = {}
        learned: set[Named] = set()
        for each in news:
            owners = {owned[place].user_id for place in each.places if place in owned}
            if len(owners) == 1:
                [owner] = owners
                free = [place for place in each.places if place not in owned]
                # Unverified, so that nothing is sent to one person twice.
                claims.update({place: Identity(*place, owner, now_ms(), verified=False) for place in free})
            if owners:
                learned.add(each)
        if claims:
            self._store.claim_addresses(list(claims.values()))
        if len(self._known) > self.FORGET_ABOVE:
            self._known = set()
        self._known |= learned
