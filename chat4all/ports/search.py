"""The search index: where words were said, and what people are called. A view of log and store, which can be made again.

One process feeds it, in the order of chat-events, and keeps with it how far it has come: in one transaction, so each event
counts once. Many ask it. It answers with places; what is there, and who may read it, the store is asked.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from chat4all.model.search_terms import Term


class Document(Struct, frozen=True):
    """A message to be found. `at`: when it was accepted, ms UTC; of one place always the same. `text`: None, it was deleted.

    `type`: of its payload. `is_new`: told by itself, not what became of it: where anything is kept of this place that stays.
    """

    conversation_id: str
    seq: int
    at: int
    text: str | None
    type: str = ""
    is_internal: bool = False
    is_new: bool = False


class PersonFound(Struct, frozen=True):
    """A user to be found by `text`: what they are called, and by their addresses. Without either they are found no more."""

    user_id: str
    text: str = ""
    addresses: tuple[str, ...] = ()


class Feeding(Struct, frozen=True):
    """How far the index is: `positions` in this `topic` (its identity), by partition.

    `building`: it is being made of the store, and this conversation was the last; None: it is not. `topic`: empty, nothing
    was ever fed, or somebody wants it made anew.
    """

    topic: str = ""
    positions: Mapping[int, int] = {}
    building: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all is in it, but for what the log has more."""
        return bool(self.topic) and self.building is None


class Search(Struct, frozen=True):
    """What to look for: messages with all `terms`, newest first.

    `conversations`: only in these; None: in all. [`since`, `until`): accepted then, ms UTC. `types`: one of these; empty: any.
    `before`: only what comes after this cursor of an earlier answer.
    """

    terms: Sequence[Term]
    conversations: Collection[str] | None = None
    since: int = 0
    until: int = 0
    types: Sequence[str] = ()
    with_internal: bool = False
    before: int = 0


class Hit(Struct, frozen=True):
    """A place that has the words. `cursor`: what to go on after."""

    cursor: int
    conversation_id: str
    seq: int


class Hits(Struct, frozen=True):
    """Newest first. `is_cut`: the time was over before all was looked at; there may be more after the last."""

    found: list[Hit]
    is_cut: bool = False


class SearchIndex(ABC):
    """One process's way to the index. Every method may be called from many threads."""

    @abstractmethod
    def migrate(self) -> None:
        """Make what is missing. An older layout is emptied, to be made anew. Mismatch: it is newer than this code."""

    @abstractmethod
    def begin(self, feeder: str) -> Feeding:
        """From now on this process feeds it, and no other: how far it is."""

    @abstractmethod
    def feeding(self) -> Feeding:
        """How far it is."""

    @abstractmethod
    def feed(self, feeder: str, state: Feeding, documents: Sequence[Document] = (), people: Sequence[PersonFound] = ()) -> bool:
        """Keep these, and how far that is, in one transaction.

        False, and nothing is kept: another feeds it by now, or somebody wants it anew.
        """

    @abstractmethod
    def empty(self, feeder: str, state: Feeding) -> bool:
        """Forget all, to begin like this. False as `feed`."""

    @abstractmethod
    def want_anew(self) -> None:
        """Have it made of the store again by whoever feeds it."""

    @abstractmethod
    def find(self, search: Search, limit: int, limit_s: float) -> Hits:
        """Where these words are. No longer than `limit_s`."""

    @abstractmethod
    def find_people(self, terms: Sequence[Term], after: int, limit: int) -> list[tuple[int, str]]:
        """(cursor, user_id) of those whose words all of these are; by cursor, after this one."""

    @abstractmethod
    def forget(self, before: int) -> int:
        """Messages accepted before this time (ms UTC) are found no more: how many these were; not more than some thousands."""

    @abstractmethod
    def tidy(self) -> None:
        """Take words that are found no more out of the files, where there are any. May take seconds."""

    @abstractmethod
    def count(self) -> int:
        """Messages that can be found, about."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where it is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Safe to call twice."""
