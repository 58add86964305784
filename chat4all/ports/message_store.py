"""The message store: registrations, history, deliveries, lanes and progress. Cassandra or ScyllaDB, or SQLite on one machine.

The store holds facts: every write says something that stays true whoever writes it and whenever, so writes may be repeated
and may come late. Positions (`progress`, `fanned`, `cursor`, watermarks) only grow. What decides between several writers
(first writer wins, compare-and-set) says so. What a method has read is never older than a write that was acknowledged before.

Its parts have files of their own, in the ports and in the adapters. Every method takes and gives many at once. Nothing is
promised about a method that raised: parts of it may be written.
"""

from abc import abstractmethod

from chat4all.ports.access import Access
from chat4all.ports.changes import Changes
from chat4all.ports.deliveries import Deliveries
from chat4all.ports.directory import Directory
from chat4all.ports.files import Files
from chat4all.ports.history import History
from chat4all.ports.progress import ProgressStore
from chat4all.records import ProviderReceipt


class MessageStore(Directory, Access, History, Changes, Deliveries, ProgressStore, Files):
    """One process's way to the store. Open it after fork. Every method may be called from many threads."""

    @abstractmethod
    def migrate(self) -> None:
        """Bring the schema up to date. Safe from several processes at once. Mismatch: it is newer than this code."""

    @abstractmethod
    def expire(self, now_ms: int) -> list[ProviderReceipt]:
        """Forget what has outlived its time; the parked receipts among it that no delivery ever claimed, for the record."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where the store is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Safe to call twice."""
