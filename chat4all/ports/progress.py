"""Part of the message store: how far the stages have come, tries of records that failed, and dead letters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.model.records import Range
from chat4all.ports.event_log import Topic


class Progress(Struct, frozen=True):
    """All records up to offset `done` have been through their stages (-1: none). `beat` differs after each sign of life."""

    done: int
    beat: int

    @property
    def following(self) -> int:
        """The first offset that has not been through its stages."""
        return self.done + 1


def undone(progress: Mapping[int, Progress], partition: int) -> int:
    """The first offset of a partition that has not been through its stages: 0 where there is no progress yet."""
    return progress[partition].following if partition in progress else 0


class Trouble(Struct, frozen=True):
    """Tries of a stage at a range during which the process died: they began, and no end of them was reported."""

    stage: str
    range: Range
    tries: int


class DeadLetter(Struct, frozen=True, omit_defaults=True):
    """What could not be processed or delivered, and why. `letter_id` is the same however often it is reported.

    `delivery` is a DeliveryKey as text; (topic, partition, offset) the record it came from, offset -1 if none. A webhook's
    letter (stages unreadable and unclaimed) has a body beside it, and names the `account` where that is not ours.
    """

    letter_id: str
    at: int
    stage: str
    reason: str
    detail: str = ""
    topic: str = ""
    partition: int = 0
    offset: int = -1
    conversation_id: str = ""
    message_id: str = ""
    delivery: str = ""
    channel: str = ""
    attempts: int = 0
    first_at: int = 0
    account: str = ""


class ProgressStore(ABC):
    """How far the stages have come, tries of records, and dead letters."""

    @abstractmethod
    def keep_topic(self, topic: Topic) -> Topic:
        """The topic that this store belongs to: the one given at the very first call for its name. First writer wins."""

    @abstractmethod
    def progress(self, topic: str) -> dict[int, Progress]:
        """Per partition; partitions without progress are absent."""

    @abstractmethod
    def raise_progress(self, topic: str, done: Mapping[int, int]) -> None:
        """All records up to these offsets are done. Only grows; counts as a beat."""

    @abstractmethod
    def beat(self, topic: str, partitions: Sequence[int]) -> None:
        """A sign of life from a stage at work on these partitions."""

    @abstractmethod
    def begin_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        """Note, before the work, that a stage tries these ranges. `run` names the try: noted twice it counts once."""

    @abstractmethod
    def excuse_tries(self, stage: str, topic: str, ranges: Sequence[Range], run: str) -> None:
        """The try named `run` ended well, or failed by no fault of the records: it does not count."""

    @abstractmethod
    def troubles(self, topic: str, ranges: Sequence[Range]) -> list[Trouble]:
        """Tries that count, of ranges that touch these."""

    @abstractmethod
    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep; the same letter_id again changes nothing."""

    @abstractmethod
    def keep_webhooks(self, kept: Sequence[tuple[DeadLetter, bytes]]) -> None:
        """Keep these letters, and what providers sent, each whole, for as long. The same again changes nothing."""

    @abstractmethod
    def kept_webhook(self, letter_id: str) -> tuple[DeadLetter, bytes] | None:
        """A letter and what the provider sent; None for letters that have no such thing, and unknown ones."""

    @abstractmethod
    def dead_letters(self, day: str, limit: int, after: str = "") -> list[DeadLetter]:
        """Dead letters of a day (YYYY-MM-DD, UTC), by (at, letter_id), beginning after the letter with id `after`."""

    @abstractmethod
    def buried(self, topic: str, ranges: Sequence[Range]) -> dict[tuple[int, int], DeadLetter]:
        """Records of these ranges that were set aside, by (partition, offset): stages pass over them."""
