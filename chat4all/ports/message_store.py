"""The message store: registrations, history, deliveries, lanes and progress. Cassandra or ScyllaDB, or SQLite on one machine.

The store holds facts: every write says something that stays true whoever writes it and whenever, so writes may be repeated
and may come late. Positions (`progress`, `fanned`, `cursor`, watermarks) only grow. What decides between several writers
(first writer wins, compare-and-set) says so. What a method has read is never older than a write that was acknowledged before.

Its parts have files of their own, in the ports and in the adapters. Every method takes and gives many at once. Nothing is
promised about a method that raised: parts of it may be written.
"""

from abc import abstractmethod

from msgspec import Struct

from chat4all.model.records import ProviderReceipt
from chat4all.ports.access import Access
from chat4all.ports.accounts import Accounts
from chat4all.ports.broadcasts import Broadcasts
from chat4all.ports.changes import Changes
from chat4all.ports.contacts import Contacts
from chat4all.ports.deferred import Deferrals
from chat4all.ports.deferred_records import DeferredRecords
from chat4all.ports.deliveries import Deliveries
from chat4all.ports.directory import Directory
from chat4all.ports.files import Files
from chat4all.ports.handling import Handlings
from chat4all.ports.history import History
from chat4all.ports.holds import Holds
from chat4all.ports.listing import Listing
from chat4all.ports.modifications import Modifications
from chat4all.ports.presence import Presences
from chat4all.ports.progress import ProgressStore
from chat4all.ports.raw_parts import RawParts
from chat4all.ports.saved_replies import SavedReplies
from chat4all.ports.templates import Templates
from chat4all.ports.uploads import Uploads
from chat4all.ports.webhooks import Webhooks
from chat4all.ports.workspaces import Workspaces


class Expired(Struct, frozen=True):
    """What was forgotten: parked receipts that no delivery claimed, and how many rows of each kind, where that is known.

    `behind_ms`: how much longer than it should a delivery row is kept, because it, or one before it, has not ended.
    """

    receipts: list[ProviderReceipt]
    rows: dict[str, int]
    behind_ms: int = 0


class MessageStore(
    Directory,
    Contacts,
    Broadcasts,
    Templates,
    Access,
    History,
    Modifications,
    RawParts,
    Deferrals,
    DeferredRecords,
    Holds,
    Listing,
    Handlings,
    Changes,
    Deliveries,
    ProgressStore,
    Files,
    Uploads,
    Webhooks,
    Accounts,
    SavedReplies,
    Workspaces,
    Presences,
):
    """One process's way to the store. Open it after fork. Every method may be called from many threads."""

    @abstractmethod
    def migrate(self) -> None:
        """Bring the schema up to date. Safe from several processes at once. Mismatch: it is newer than this code."""

    @abstractmethod
    def expire(self, now_ms: int) -> Expired:
        """Forget what has outlived its time, by the settings' retention: nothing that a lane may still look for."""

    @abstractmethod
    def check(self) -> str:
        """One line for people on where the store is and that it answers. Temporary when it does not."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Safe to call twice."""
