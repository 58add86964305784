"""What acceptance must know of people beside their addresses: whom the team blocks, whom providers say nobody reaches, and who
is the same person as whom.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from chat4all.model.contacts import STANDING, Profile, Reach
from chat4all.model.merges import Family
from chat4all.ports import MessageStore, Reached, Update
from chat4all.services.contacts.families import families

# For how long a process believes that there is nobody of whom more must be known.
BELIEVED_S = 1.0


class Standing:
    """Looks it up. Asks for one row a second where there is no such contact. Thread-safe. `clock`: in seconds."""

    def __init__(self, store: MessageStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._believed_until, self._is_anybody = float("-inf"), False

    def look_again(self) -> None:
        """There may be somebody now."""
        self._believed_until = float("-inf")

    def of(self, user_ids: Iterable[str]) -> Mapping[str, Profile]:
        """The profiles of these users, of who was merged that of all together; empty where nobody stands out."""
        return {each: family.whole for each, family in self.families(user_ids).items()}

    def families(self, user_ids: Iterable[str]) -> Mapping[str, Family]:
        """Who is the same person as each of these; empty where nobody stands out."""
        asked = list(dict.fromkeys(user_ids))
        return families(self._store, asked) if asked and self._has_anybody() else {}

    def _has_anybody(self) -> bool:
        now = self._clock()
        if not self._is_anybody and now >= self._believed_until:
            self._is_anybody = bool(self._store.contact_page(STANDING, "", 1))
            self._believed_until = now + BELIEVED_S
        return self._is_anybody


def note_reach(store: MessageStore, user_id: str, place: tuple[str, str], heard: Reach) -> None:
    """Keep what was heard of a (channel, address) of this user, unless something newer was."""
    store.change_profile(user_id, partial(Profile.reached, place=place, heard=heard))


def reached(store: MessageStore, updates: Iterable[Update]) -> None:
    """What providers say of addresses without being asked. Of a stranger's there is nothing to keep."""
    said = [each for each in updates if isinstance(each, Reached)]
    owners = store.owners([(each.channel, each.address) for each in said]) if said else {}
    for each in said:
        place = (each.channel, each.address)
        if place in owners:
            note_reach(store, owners[place].user_id, place, Reach(each.why, each.at))
