"""Lanes in Cassandra: positions that only grow, leases by compare-and-set, and the keys that wait."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary
from chat4all.ports.deliveries import Deliveries, LaneState, Lease, Waiting
from storage.message_store.cassandra_cluster import Undecided
from storage.message_store.cassandra_rows import Lookup, as_json
from storage.message_store.cassandra_session import Put, Row, Session

ALL = "all"
# For so long the earliest retry_at of an unchanged lane is taken from memory.
REMEMBERED_S = 300.0
ALL_POSITIONS = "SELECT channel, partition, fanned, cursor FROM lanes WHERE scope = ?"
POSITIONS = f"{ALL_POSITIONS} AND channel = ? AND partition IN ?"
FANNED = "UPDATE lanes USING TIMESTAMP ? SET fanned = ? WHERE scope = ? AND channel = ? AND partition = ?"
CURSOR = "UPDATE lanes USING TIMESTAMP ? SET cursor = ? WHERE scope = ? AND channel = ? AND partition = ?"

LEASES = Lookup("body", "leases", "lane")
LEASE = "SELECT body FROM leases WHERE lane = ?"
SWAP = "UPDATE leases SET body = ? WHERE lane = ? IF body = ?"

WAIT = (
    "INSERT INTO waiting (channel, partition, conversation_id, address, seq, idx, retry_at, refusals) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
GO_ON = "DELETE FROM waiting USING TIMESTAMP ? WHERE channel = ? AND partition = ? AND conversation_id = ? AND address = ?"
STAMP = "INSERT INTO waiting (channel, partition, conversation_id, address, stamp) VALUES (?, ?, '', '', ?) USING TIMESTAMP ?"
# The same of accounts that were connected through the API.
WAIT_BY_ACCOUNT = (
    "INSERT INTO waiting_by_account (channel, partition, conversation_id, address, account, seq, idx, retry_at, refusals) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
GO_ON_BY_ACCOUNT = (
    "DELETE FROM waiting_by_account USING TIMESTAMP ? "
    "WHERE channel = ? AND partition = ? AND conversation_id = ? AND address = ? AND account = ?"
)
WAITING_BY_ACCOUNT = (
    "SELECT conversation_id, address, seq, idx, retry_at, refusals, WRITETIME(retry_at), account "
    "FROM waiting_by_account WHERE channel = ? AND partition = ?"
)
COUNT_BY_ACCOUNT = "SELECT count(seq) FROM waiting_by_account WHERE channel = ? AND partition = ?"
WAITING = (
    "SELECT conversation_id, address, seq, idx, retry_at, refusals, WRITETIME(retry_at) "
    "FROM waiting WHERE channel = ? AND partition = ?"
)
COUNT = "SELECT count(seq) FROM waiting WHERE channel = ? AND partition = ?"
STAMPS = "SELECT partition, stamp FROM waiting WHERE channel = ? AND partition IN ? AND conversation_id = '' AND address = ''"

_lease = msgspec.json.Decoder(tuple[str, int, int]).decode


class CassandraLanes(Deliveries):
    """The lanes' part of the store."""

    _db: Session
    # By lane: the stamp that its waiting keys were read at, the earliest retry_at among them, and when that was read.
    _earliest: dict[Lane, tuple[int, int | None, float]]

    def lanes(self, lanes: Sequence[Lane] | None = None) -> dict[Lane, LaneState]:
        """Plain reads: what a compare-and-set has answered is seen by them, and who takes a lease compares it anyway."""
        if lanes is None:
            positions = _positions(self._db.rows(ALL_POSITIONS, ALL))
            asked = list(positions)
        else:
            asked = list(dict.fromkeys(lanes))
            positions = self._positions_of(asked)
        leases = {name: body for (name,), (body,) in LEASES(self._db, [(str(lane),) for lane in asked])}
        return {lane: LaneState(lane, *positions.get(lane, (0, 0)), _read_lease(leases.get(str(lane)))) for lane in asked}

    def fanned(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """Without their leases, each of which is in a partition of its own."""
        positions = self._positions_of(lanes)
        return {lane: positions.get(lane, (0, 0))[0] for lane in lanes}

    def _positions_of(self, lanes: Sequence[Lane]) -> dict[Lane, tuple[int, int]]:
        found = self._db.all([(POSITIONS, (ALL, channel, parts)) for channel, parts in _by_channel(lanes).items()])
        return _positions([row for rows in found for row in rows])

    def raise_fanned(self, fanned: Mapping[Lane, int]) -> None:
        self._db.put((("lanes",), FANNED, (seq + 1, seq, ALL, lane.channel, lane.partition)) for lane, seq in fanned.items())

    def raise_cursor(self, lane: Lane, seq: int, fence: int) -> None:
        """The fence is in another partition and is not compared: what was true when it was said is true (lanes.md)."""
        self._db.put([(("lanes",), CURSOR, (seq + 1, seq, ALL, lane.channel, lane.partition))])

    def swap_lease(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        try:
            swapped = bool(self._db.decide([(SWAP, (_written(wanted), str(lane), _written(seen)))])[0][0])
        except Undecided:
            swapped = self._was_swapped(lane, seen, wanted)
        if swapped and seen == Lease():
            # From its first lease on a lane is among those that were ever used.
            self.raise_fanned({lane: 0})
        return swapped

    def _was_swapped(self, lane: Lane, seen: Lease, wanted: Lease) -> bool:
        """What came of a swap without an answer. While the lease is as it was seen, a slow node may still change it."""
        rows = self._db.serial(LEASE, str(lane))
        now = _read_lease(rows[0][0] if rows else None)
        if now == seen:
            raise Temporary("store", "it is not known whether the lease was swapped")
        return now == wanted

    def _write_waiting(self, waiting: Sequence[Waiting], resumed: Sequence[Waiting]) -> None:
        """Under timestamps that are their stamps: what a holder says late comes before all that its successors said.

        Only then that the lane has changed, so that whoever sees that reads all of it.
        """
        puts: list[Put] = []
        for each in resumed:
            puts.append((_partition(each), GO_ON_BY_ACCOUNT if each.account else GO_ON, (each.stamp, *_key(each))))
        for each in waiting:
            values = (*_key(each), each.seq, each.index, each.retry_at, each.refusals, each.stamp)
            puts.append((_partition(each), WAIT_BY_ACCOUNT if each.account else WAIT, values))
        changed: dict[Lane, int] = {}
        for each in (*waiting, *resumed):
            changed[each.lane] = max(each.stamp, changed.get(each.lane, 0))
        self._db.put(puts)
        self._db.put(
            (("waiting", lane.channel, lane.partition), STAMP, (lane.channel, lane.partition, at, at))
            for lane, at in changed.items()
        )

    def waiting(self, lane: Lane) -> list[Waiting]:
        place = (lane.channel, lane.partition)
        rows, by_account = self._db.all([(WAITING, place), (WAITING_BY_ACCOUNT, place)])
        # The row that says when the lane changed holds no key.
        found = [Waiting(lane, *row) for row in (*rows, *by_account) if row[2] is not None]
        return sorted(found, key=lambda each: (each.seq, each.index))

    def waiting_counts(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        """Counted by the servers: the row of the stamp has no seq."""
        found = self._db.all([(cql, (lane.channel, lane.partition)) for cql in (COUNT, COUNT_BY_ACCOUNT) for lane in lanes])
        counts: Counter[Lane] = Counter()
        for lane, [(count,)] in zip((*lanes, *lanes), found, strict=True):
            counts[lane] += count
        return {lane: count for lane, count in counts.items() if count}

    def due(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        """Keys are read again only where something has changed since, and now and then where nothing seems to have.

        What a worker of an older version wrote, whose clock was ahead of ours, hides our changes for as long as it was ahead.
        """
        due = []
        for lane, stamp in self._stamps(lanes).items():
            known = self._earliest.get(lane)
            if known is None or known[0] != stamp or time.monotonic() - known[2] > REMEMBERED_S:
                earliest = min((each.retry_at for each in self.waiting(lane)), default=None)
                known = self._earliest[lane] = (stamp, earliest, time.monotonic())
            if known[1] is not None and known[1] <= now_ms:
                due.append(lane)
        return due

    def _stamps(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        groups = _by_channel(lanes)
        found = self._db.all([(STAMPS, (channel, partitions)) for channel, partitions in groups.items()])
        return {
            Lane(channel, partition): stamp for channel, rows in zip(groups, found, strict=True) for partition, stamp in rows
        }


def _by_channel(lanes: Sequence[Lane]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for lane in dict.fromkeys(lanes):
        groups.setdefault(lane.channel, []).append(lane.partition)
    return groups


def _positions(rows: Sequence[Row]) -> dict[Lane, tuple[int, int]]:
    return {Lane(channel, partition): (fanned or 0, cursor or 0) for channel, partition, fanned, cursor in rows}


def _read_lease(body: str | None) -> Lease:
    return Lease(*_lease(body)) if body else Lease()


def _written(lease: Lease) -> str | None:
    return None if lease == Lease() else as_json(msgspec.structs.astuple(lease))


def _partition(waiting: Waiting) -> tuple[str, str, int]:
    table = "waiting_by_account" if waiting.account else "waiting"
    return table, waiting.lane.channel, waiting.lane.partition


def _key(waiting: Waiting) -> tuple[str | int, ...]:
    key = (waiting.lane.channel, waiting.lane.partition, waiting.conversation_id, waiting.address)
    return (*key, waiting.account) if waiting.account else key
