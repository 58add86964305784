"""Part of the message store: keys of lanes that are held until a person writes, and those of which somebody may have."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msgspec import Struct

from chat4all.model.deliveries import Lane


class LaneKey(Struct, frozen=True):
    """A key of a lane: a conversation's messages to an address from an account (empty: the environment's)."""

    lane: Lane
    conversation_id: str
    address: str
    account: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Whose window it waits for: channel, account, address."""
        return self.lane.channel, self.account, self.address


class HeldKey(Struct, frozen=True):
    """A key that is held since `since` (ms UTC). `freed_at`: since then it may send again, and has not sent all yet; 0: shut.

    `stamp` orders what holders say of it, as of `Waiting`: of two the higher one stands.
    """

    key: LaneKey
    since: int
    freed_at: int = 0
    stamp: int = 0


class Opening(Struct, frozen=True):
    """Something that a held key waits for may have changed: it is to be looked at. `at`: when that was said, ns UTC."""

    key: LaneKey
    at: int


class Holds(ABC):
    """The holder of a lane says which of its keys are held. Whoever learns something that may free one says so.

    The holder writes `hold_keys`, and then looks at the window again. Who writes when a person wrote reads `held_keys` after
    that, and says `open_keys`. So at least one of them sees the other, and no key is held that could go on.
    """

    @abstractmethod
    def hold_keys(self, keys: Sequence[HeldKey]) -> None:
        """These keys are held. Of the holder of their lane."""

    @abstractmethod
    def unhold_keys(self, keys: Sequence[HeldKey]) -> None:
        """These keys are held no more, unless somebody said so with a higher stamp. Of the holder of their lane."""

    @abstractmethod
    def held_keys(self, places: Sequence[tuple[str, str, str]]) -> list[HeldKey]:
        """The keys that are held of these (channel, account, address)."""

    @abstractmethod
    def held_counts(self, channels: Sequence[str]) -> dict[str, tuple[int, int]]:
        """By channel, how many keys are held, and since when the first of them is (ms UTC); where none is it is absent."""

    @abstractmethod
    def open_keys(self, keys: Sequence[LaneKey]) -> None:
        """These keys are to be looked at. They stay so until `forget_openings`."""

    @abstractmethod
    def openings(self, limit: int = 1000) -> list[Opening]:
        """The keys that are to be looked at. Cheap: asked several times a second, and hardly ever answered."""

    @abstractmethod
    def forget_openings(self, openings: Sequence[Opening]) -> None:
        """These were looked at, after they were read. What was said of the same keys since stays."""
