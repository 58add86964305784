"""Part of the message store: the contacts there are, and what a team keeps about each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from chat4all.model.contacts import Profile


class Contacts(ABC):
    """Profiles of contacts, and lists of contacts. A change is a compare-and-set on the version, which grows (`followed`)."""

    @abstractmethod
    def profiles(self, user_ids: Sequence[str]) -> dict[str, Profile]:
        """What is kept about each of these; about whom nothing is, an empty profile of version 0."""

    @abstractmethod
    def change_profile(self, user_id: str, change: Callable[[Profile], Profile]) -> Profile:
        """Make it what `change` of it is, asked again when another was faster; what is then kept.

        What `change` leaves as it is changes nothing.
        """

    @abstractmethod
    def contact_page(self, tag: str, after: str, limit: int) -> list[str]:
        """At most `limit` user ids of contacts in this list, such as a tag's ("": all), after this one ("": the first).

        In an order of the store's own. With a tag it may hold one that has just lost it, never miss one: who reads it looks
        at the profile too.
        """
