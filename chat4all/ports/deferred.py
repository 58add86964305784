"""Part of the message store: what providers told and what is not accepted yet, because something must be known first."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msgspec import Struct

from chat4all.ports.channel import Inbound


class Deferred(Struct, frozen=True, omit_defaults=True):
    """An update that waits. Times are milliseconds UTC.

    `since`: when it came. `look_at`: when it is looked at next. `why`: what it waits for (`services.inbound.deferral`).
    `accepted`: it was, without that, and what it waits for may still come.
    """

    update: Inbound
    since: int
    look_at: int
    why: str
    accepted: bool = False

    @property
    def key(self) -> tuple[int, str, str, str]:
        """What is one row: a look at one update."""
        return self.look_at, self.update.channel, self.update.account, self.update.provider_id


class Deferrals(ABC):
    """Updates that wait, by when they are looked at next. They stay until they are forgotten here."""

    @abstractmethod
    def defer(self, updates: Sequence[Deferred]) -> None:
        """Keep these. Repeating it changes nothing; the same update with another `look_at` is looked at twice."""

    @abstractmethod
    def deferred(self, now_ms: int, limit: int) -> list[Deferred]:
        """The first `limit` that are to be looked at by now, by `look_at`."""

    @abstractmethod
    def forget_deferred(self, updates: Sequence[Deferred]) -> None:
        """These looks were done, or are no longer needed."""
