"""The event log: the durable, partitioned log of incoming records and of events. Kafka, or SQLite on one machine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from chat4all.model.records import NewRecord, Range, Record


class Topic(Struct, frozen=True):
    """A topic as it exists. `identity` changes when a topic is deleted and made again; then offsets mean other records."""

    name: str
    identity: str
    partitions: int


class Consumer(ABC):
    """Reads one topic on behalf of one process. Used by one thread; nothing here may be called from two at once."""

    @abstractmethod
    def poll(self, limit: int, timeout_s: float) -> Sequence[Record]:
        """Up to `limit` records, in offset order within each partition; empty after `timeout_s` without any.

        Returns as soon as there is anything. Assignment changes are told to the callbacks from inside this call, so it
        must be called at least every 10 s, also while everything is paused. A record is given once per assignment.
        """

    @abstractmethod
    def pause(self, partitions: Sequence[int]) -> None:
        """Give no records of these partitions until `resume`. Does not block. Partitions that are not ours are passed over."""

    @abstractmethod
    def resume(self, partitions: Sequence[int]) -> None:
        """Go on where `pause` stopped. Does not block. Partitions that are not ours are passed over."""

    @abstractmethod
    def commit(self, positions: Mapping[int, int]) -> None:
        """Show that all before these offsets is done. Only an operator's view of the lag: nothing starts from it.

        Does not wait for the server, and loses nothing when it fails.
        """

    @abstractmethod
    def close(self) -> None:
        """Leave the group, so that others take over at once. Safe to call twice."""


class EventLog(ABC):
    """One process's way to the log. Open it after fork. `append`, `read`, `ends` may be called from many threads."""

    @abstractmethod
    def create(self, partitions: Mapping[str, int]) -> None:
        """Make the topics that are missing, with these partition counts. Safe from several processes at once.

        Mismatch when a topic exists with another count.
        """

    @abstractmethod
    def topic(self, name: str) -> Topic:
        """The topic as it exists. Mismatch when it does not."""

    @abstractmethod
    def append(self, records: Sequence[NewRecord], timeout_s: float) -> list[int]:
        """Append, and wait until all are durable; their offsets, in the order given. Records of one partition stay in order.

        Unknown `log_timeout` when that is not certain within `timeout_s`: they may be in the log or come into it later.
        Temporary when they are certainly not. Calls from many threads share writes (group commit).
        """

    @abstractmethod
    def read(self, topic: str, ranges: Sequence[Range], timeout_s: float) -> list[Record]:
        """All records of these ranges, by range, then by offset.

        RangeLost when some no longer exist or do not exist yet: never a shorter answer. Offsets that never held a
        record (a transaction marker) do not count as missing.
        """

    @abstractmethod
    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition (first offset that can be read, offset that the next record will get)."""

    @abstractmethod
    def consume(
        self,
        topic: str,
        group: str,
        assigned: Callable[[Sequence[int]], Mapping[int, int]],
        revoked: Callable[[Sequence[int]], None],
    ) -> Consumer:
        """Join a consumer group that shares the topic's partitions, each given to one live member.

        `assigned` is told new partitions and answers at which offset to start each; `revoked` is told those that went,
        at once, before anybody else gets them where the member still lives. A member that dies is replaced within 10 s.
        """

    @abstractmethod
    def follow(self, topic: str, positions: Mapping[int, int]) -> Consumer:
        """Read these partitions from these offsets on, without a group."""

    @abstractmethod
    def committed(self, topic: str, group: str) -> dict[int, int]:
        """What the group last committed, per partition; those without a commit are absent."""

    @abstractmethod
    def trim(self, topic: str, before_ms: int) -> None:
        """Forget records appended before this time. Nothing else makes a log forget."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where the log is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was begun and let go of files and connections. Safe to call twice."""
