"""Part of the message store: records that are to be appended to the log later."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from chat4all.model.deferred_records import DeferredRecord

# How long one that has ended can still be asked for.
ENDED_DAYS = 30


class DeferredRecords(ABC):
    """Records by when they are due, each with a state that is changed by compare-and-set only."""

    @abstractmethod
    def put_deferred_records(self, records: Sequence[DeferredRecord]) -> list[bool]:
        """Keep each, if what is kept of it has the version before; version 1: if nothing is. Whether each was. In order.

        What was due minutes ago already is kept as due now: a store may look no more at what lies behind.
        """

    @abstractmethod
    def deferred_records(self, record_ids: Sequence[str]) -> dict[str, DeferredRecord]:
        """Those that are kept. One that has ended is, for `ENDED_DAYS`."""

    @abstractmethod
    def due_records(self, kind: str, now_ms: int, limit: int) -> list[DeferredRecord]:
        """The first `limit` of a kind that have not ended and are due, by (due_at, record_id). Cheap: asked each second."""

    @abstractmethod
    def open_records(self, kind: str, limit: int, after: tuple[int, str] = (-1, ""), owner: str = "") -> list[DeferredRecord]:
        """Those of a kind that have not ended, by (due_at, record_id), beginning after that place. `owner`: only theirs."""

    @abstractmethod
    def open_records_of(self, kind: str, owners: Sequence[str], limit: int) -> dict[str, list[DeferredRecord]]:
        """The first `limit` of a kind that have not ended of each of these owners, in that order. Who has none is absent."""

    @abstractmethod
    def count_open_records(self, kind: str, owner: str = "") -> int:
        """How many of a kind have not ended; while some of them end, a few too many. `owner`: only theirs."""
