"""Part of the message store: delivery rows, their lanes, and the lease that gives the right to work on a lane."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Withdrawn
from chat4all.model.records import ProviderReceipt
from chat4all.ports.changes import Change

# The first fields of a receipt are kept while it waits for its delivery; a price that came with it is not: the next brings it.
PARKED_FIELDS = 7


class Handle(Struct, frozen=True):
    """The provider calls this delivery by this id."""

    channel: str
    account: str
    provider_id: str
    key: DeliveryKey


class Waiting(Struct, frozen=True):
    """A key of a lane that must wait: its first row that is not ended, and when to go on (ms UTC). `refusals`: in a row.

    A key is a conversation, an address, and the account that is sent from (empty: the environment's).

    `stamp` orders all writes about the lane's keys: of two about one key the one with the higher stamp stands, whenever either
    arrives. `stamps_of` gives a holder its own.
    """

    lane: Lane
    conversation_id: str
    address: str
    seq: int
    index: int
    retry_at: int
    refusals: int
    stamp: int = 0
    account: str = ""


class Lease(Struct, frozen=True):
    """The right to send on a lane. Compared as a whole. `holder` is empty after a release: all was written.

    `fence` rises with every holder. It never falls behind the time of day, so that stamps made of it, which are timestamps in
    Cassandra, are near the present; no code compares it with a clock.
    """

    holder: str = ""
    fence: int = 0
    beat: int = 0

    def taken_by(self, holder: str, now_ms: int) -> "Lease":
        """The lease of the next holder of the lane."""
        return Lease(holder, max(self.fence + 1, (now_ms * 1000 >> STAMP_BITS) + 1), 0)


# Bits of the number of stamps that one holder has. A fence is then about a quarter of a second of Cassandra's timestamps.
STAMP_BITS = 18


def stamps_of(fence: int) -> range:
    """The stamps of the holder with this fence: above all of those before it, below all of those after it."""
    return range(fence << STAMP_BITS, (fence + 1) << STAMP_BITS)


class LaneState(Struct, frozen=True):
    """Rows up to seq `fanned` exist; all up to seq `cursor` are ended or have their key in `Waiting`. 0: none yet."""

    lane: Lane
    fanned: int
    cursor: int
    lease: Lease


class Deliveries(ABC):
    """Delivery rows, their lanes, and the right to work on a lane."""

    @abstractmethod
    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Write rows, with the facts that they begin with. Writing the same again changes nothing and lowers no fact."""

    @abstractmethod
    def deliveries(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        """Those that exist."""

    @abstractmethod
    def outcomes(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Facts]:
        """The facts of deliveries whose rows were deleted by age, so that readers are still told the same of them.

        A row that still exists may be absent here, or be here with less than is known of it.
        """

    @abstractmethod
    def lane_rows(self, lane: Lane, after: tuple[int, int], up_to: int, limit: int) -> list[Delivery]:
        """The first `limit` rows with (seq, index) > `after` and seq <= `up_to`, ascending."""

    @abstractmethod
    def record(
        self,
        facts: Mapping[DeliveryKey, Facts],
        handles: Sequence[Handle] = (),
        spoken: Mapping[tuple[str, str], tuple[str, int]] | None = None,
        waiting: Sequence[Waiting] = (),
        resumed: Sequence[Waiting] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        """Add facts to rows (`Facts.merged`) with what belongs to them, `changes` for those of whom readers are told.

        All is durable on return.

        `spoken`: (channel, address) -> (a `Spoken` as text, at): a message of it went there; the latest time wins.
        `waiting` replaces the row of the same (lane, conversation, address, account), `resumed` removes it, each only if its
        stamp is the higher one. A store may forget the stamp of a row that is removed: then an older wait may come back, which
        costs a look at deliveries that have ended.
        """

    @abstractmethod
    def withdraw(self, withdrawn: Mapping[DeliveryKey, Withdrawn]) -> None:
        """These are not to be sent any more; they need not exist yet. Of several facts the first stands (`Withdrawn.first`).

        Kept for longer than the rows.
        """

    @abstractmethod
    def withdrawn(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Withdrawn]:
        """Those of them that are not to be sent. Asked before every call to a provider, and hardly ever answered."""

    @abstractmethod
    def handles(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], DeliveryKey]:
        """Deliveries by (channel, account, provider id); unknown ids are absent."""

    @abstractmethod
    def park(self, receipts: Sequence[ProviderReceipt]) -> None:
        """Keep receipts for ids that may not be known yet, for at least a day. Repeating changes nothing."""

    @abstractmethod
    def parked(self, ids: Sequence[tuple[str, str, str]]) -> list[ProviderReceipt]:
        """All kept receipts of these (channel, account, provider id)."""

    @abstractmethod
    def lanes(self, lanes: Sequence[Lane] | None = None) -> dict[Lane, LaneState]:
        """The state of these lanes (missing ones as never used), or of all that were ever used."""

    @abstractmethod
    def fanned(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """How far rows of these lanes exist; 0 where there are none. A holder asks this many times a second."""

    @abstractmethod
    def raise_fanned(self, fanned: Mapping[Lane, int]) -> None:
        """Rows of these lanes exist up to this seq. Only grows."""

    @abstractmethod
    def raise_cursor(self, lane: Lane, seq: int, fence: int) -> None:
        """All rows up to this seq are ended, or their key waits. Only grows. Of a lane that was taken, by its holder.

        A store that can compare ignores the write of a holder that another has followed. It would do no harm
        (docs/decisions/lanes.md).
        """

    @abstractmethod
    def swap_lease(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        """Compare-and-set: if the lease is still exactly `seen`, make it `wanted`. The only way a lease ever changes."""

    @abstractmethod
    def waiting(self, lane: Lane) -> list[Waiting]:
        """The keys of this lane that wait."""

    @abstractmethod
    def waiting_counts(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """How many keys of these lanes wait, without reading them; lanes where none does may be absent."""

    @abstractmethod
    def due(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        """Those lanes with a key whose retry_at has come."""
