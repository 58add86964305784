"""Delivery rows, their facts, and their handles (providers' ids), in Cassandra."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import msgspec
from msgspec.structs import astuple

from chat4all.model.deliveries import LAST_INDEX, Delivery, DeliveryKey, Facts, Lane, Withdrawn
from chat4all.model.retention import Retention
from chat4all.ports.changes import Change
from chat4all.ports.deliveries import Handle, Waiting
from storage.message_store import cassandra_attempts, cassandra_changes
from storage.message_store.cassandra_lanes import CassandraLanes
from storage.message_store.cassandra_parking import CassandraParking
from storage.message_store.cassandra_rows import Lookup, as_json
from storage.message_store.cassandra_session import Call, Put, Session
from storage.message_store.known import Known

# A bucket of delivery rows: 4,096 offsets of one partition.
BUCKET_BITS = 12
TOGETHER = 50
DAY_S = 86_400
NOTHING = Facts()

PUT = "INSERT INTO deliveries (channel, partition, bucket, seq, idx, body) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
PUT_BUCKET = "INSERT INTO delivery_buckets (channel, partition, bucket) VALUES (?, ?, ?) USING TTL ?"
SEEN = (
    "UPDATE deliveries USING TTL ? SET seen = seen + ? "
    "WHERE channel = ? AND partition = ? AND bucket = ? AND seq = ? AND idx = ?"
)
BY_KEY = "SELECT body, seen FROM deliveries WHERE channel = ? AND partition = ? AND bucket = ? AND (seq, idx) IN ?"
OUTCOME = (
    "UPDATE outcomes USING TTL ? SET seen = seen + ? WHERE channel = ? AND partition = ? AND bucket = ? AND seq = ? AND idx = ?"
)
OUTCOMES = "SELECT seq, idx, seen FROM outcomes WHERE channel = ? AND partition = ? AND bucket = ? AND (seq, idx) IN ?"
BUCKETS = "SELECT bucket FROM delivery_buckets WHERE channel = ? AND partition = ? AND bucket >= ? AND bucket <= ?"
LANE_ROWS = (
    "SELECT body, seen FROM deliveries WHERE channel = ? AND partition = ? AND bucket = ? "
    "AND (seq, idx) > (?, ?) AND (seq, idx) <= (?, ?) LIMIT ?"
)
HANDLE = "INSERT INTO handles (channel, account, provider_id, delivery) VALUES (?, ?, ?, ?) USING TTL ?"
HANDLED = Lookup("delivery", "handles", "channel", "account", "provider_id")
WITHDRAW = "INSERT INTO withdrawals (delivery, at, reason, said_by) VALUES (?, ?, ?, ?) USING TTL ?"
WITHDRAWN = "SELECT delivery, at, reason, said_by FROM withdrawals WHERE delivery IN ? PER PARTITION LIMIT 1"
SPOKEN = "UPDATE last_conversations USING TIMESTAMP ? SET conversation_id = ? WHERE channel = ? AND address = ?"

_delivery = msgspec.json.Decoder(Delivery).decode
_facts = msgspec.json.Decoder(Facts).decode


class CassandraDeliveries(CassandraLanes, CassandraParking):
    """The deliveries' part of the store."""

    _db: Session
    _delivery_buckets: Known
    _kept: Retention

    @property
    def _keep_s(self) -> int:
        return self._kept.deliveries * DAY_S

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        buckets = self._delivery_buckets.missing(_bucket(each.key) for each in deliveries)
        if buckets:
            # For longer than the rows, which may be written for as long as we remember that the bucket was.
            self._db.put(
                (("delivery_buckets", *key[:2]), PUT_BUCKET, (*key, self._keep_s and self._keep_s + DAY_S)) for key in buckets
            )
            self._delivery_buckets.add(buckets)
        puts = [self._put(each) for each in deliveries]
        puts += [put for each in deliveries if each.facts != NOTHING for put in self._seen(each.key, each.facts)]
        puts += [self._outcome(each.key, each.facts) for each in deliveries if _lasts(each.facts)]
        self._db.put(puts)

    def _put(self, delivery: Delivery) -> Put:
        key = delivery.key
        bare = msgspec.structs.replace(delivery, facts=NOTHING)
        values = (*_bucket(key), key.seq, key.index, as_json(bare), self._keep_s)
        return ("deliveries", *_bucket(key)), PUT, values

    def _seen(self, key: DeliveryKey, facts: Facts) -> list[Put]:
        seen, counted = cassandra_attempts.split(facts)
        place = (*_bucket(key), key.seq, key.index)
        put: Put = (("deliveries", *_bucket(key)), SEEN, (self._keep_s, {as_json(seen)}, *place))
        return [put, *cassandra_attempts.puts(place, counted, self._keep_s)]

    def _outcome(self, key: DeliveryKey, facts: Facts) -> Put:
        """Kept for as long as the message."""
        values = (self._kept.messages * DAY_S, {as_json(facts)}, *_bucket(key), key.seq, key.index)
        return ("outcomes", *_bucket(key)), OUTCOME, values

    def deliveries(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        found = [each for rows in self._db.all(_calls(BY_KEY, keys)) for each in _read(rows)]
        return {each.key: each for each in self._counted(found)}

    def _counted(self, rows: list[Delivery]) -> list[Delivery]:
        """With the attempts that are kept beside them, where there are many."""
        keys = [row.key for row in rows if cassandra_attempts.has_more(row.facts)]
        if not keys:
            return rows
        calls = _calls(cassandra_attempts.READ, keys)
        counted = cassandra_attempts.read(calls, self._db.all(calls))
        return [row.seen(counted.get((*_bucket(row.key), row.key.seq, row.key.index), NOTHING)) for row in rows]

    def outcomes(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Facts]:
        calls = _calls(OUTCOMES, keys)
        return {
            DeliveryKey(Lane(*asked[:2]), seq, index): reduce(Facts.merged, map(_facts, seen))
            for (_, asked), rows in zip(calls, self._db.all(calls), strict=True)
            for seq, index, seen in rows
            if seen
        }

    def lane_rows(self, lane: Lane, after: tuple[int, int], up_to: int, limit: int) -> list[Delivery]:
        place = (lane.channel, lane.partition)
        first, last = after[0] >> BUCKET_BITS, up_to >> BUCKET_BITS
        buckets = [first] if first == last else [bucket for (bucket,) in self._db.rows(BUCKETS, *place, first, last)]
        found: list[Delivery] = []
        for bucket in buckets:
            if len(found) == limit:
                break
            bounds = (*after, up_to, LAST_INDEX, limit - len(found))
            found += _read(self._db.rows(LANE_ROWS, *place, bucket, *bounds))
        return self._counted(found)

    def record(
        self,
        facts: Mapping[DeliveryKey, Facts],
        handles: Sequence[Handle] = (),
        spoken: Mapping[tuple[str, str], tuple[str, int]] | None = None,
        waiting: Sequence[Waiting] = (),
        resumed: Sequence[Waiting] = (),
        changes: Sequence[Change] = (),
    ) -> None:
        """In three steps, where one transaction would do it elsewhere: whatever was written when a process dies is true.

        Handles before facts: a delivery that is known as sent is never sent again, so its id would be lost. Waiting keys
        after facts: a key that waits at a row has ended those before it.
        """
        handles_s = self._kept.handles * DAY_S
        named: list[Put] = [(("handles", *_id(each)), HANDLE, (*_id(each), str(each.key), handles_s)) for each in handles]
        named += [
            (("last_conversations", *address), SPOKEN, (at + 1, conversation_id, *address))
            for address, (conversation_id, at) in (spoken or {}).items()
        ]
        self._db.put(named)
        known = [put for key, seen in facts.items() if seen != NOTHING for put in self._seen(key, seen)]
        known += [self._outcome(key, seen) for key, seen in facts.items() if _lasts(seen)]
        self._db.put([*cassandra_changes.puts(changes), *known])
        self._write_waiting(waiting, resumed)

    def withdraw(self, withdrawn: Mapping[DeliveryKey, Withdrawn]) -> None:
        ttl_s = self._keep_s and self._keep_s + DAY_S
        self._db.put(
            (("withdrawals", str(key)), WITHDRAW, (str(key), *astuple(each), ttl_s)) for key, each in withdrawn.items()
        )

    def withdrawn(self, keys: Sequence[DeliveryKey]) -> dict[DeliveryKey, Withdrawn]:
        names = [str(key) for key in dict.fromkeys(keys)]
        calls = [(WITHDRAWN, (names[start : start + TOGETHER],)) for start in range(0, len(names), TOGETHER)]
        return {DeliveryKey.parse(text): Withdrawn(*row) for rows in self._db.all(calls) for text, *row in rows}

    def handles(self, ids: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], DeliveryKey]:
        found = HANDLED(self._db, ids)
        return {(channel, account, name): DeliveryKey.parse(text) for (channel, account, name), (text,) in found}


def _bucket(key: DeliveryKey) -> tuple[str, int, int]:
    return key.lane.channel, key.lane.partition, key.seq >> BUCKET_BITS


def _calls(cql: str, keys: Sequence[DeliveryKey]) -> list[Call]:
    """One statement for up to `TOGETHER` keys of a bucket."""
    groups: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for key in dict.fromkeys(keys):
        groups.setdefault(_bucket(key), []).append((key.seq, key.index))
    return [
        (cql, (*bucket, places[start : start + TOGETHER]))
        for bucket, places in groups.items()
        for start in range(0, len(places), TOGETHER)
    ]


def _lasts(facts: Facts) -> bool:
    """Whether these say something that readers are told, or where to look for it."""
    return facts.ended or bool(facts.resent_as)


def _id(handle: Handle) -> tuple[str, str, str]:
    return handle.channel, handle.account, handle.provider_id


def _read(rows: Iterable[tuple[str | None, Iterable[str] | None]]) -> list[Delivery]:
    """Rows that were put; facts alone, of a row that has expired, are none."""
    return [_joined(_delivery(body), seen) for body, seen in rows if body is not None]


def _joined(delivery: Delivery, seen: Iterable[str] | None) -> Delivery:
    if not seen:
        return delivery
    return msgspec.structs.replace(delivery, facts=reduce(Facts.merged, map(_facts, seen)))
