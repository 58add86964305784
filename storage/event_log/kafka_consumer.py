"""Consumers of a Kafka topic: following it alone, or sharing it with a group.

`pause` holds records back here, not in the client library, which would discard what it has and fetch it again.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from chat4all.model.failures import Failure, RangeLost, Temporary
from chat4all.model.records import Record
from chat4all.ports import Consumer
from chat4all.telemetry.logs import logger
from storage.event_log.kafka_cluster import Cluster, error_of, failure, to_record

CHUNK = 500
HELD_RECORDS = 1000
HELD_BYTES = 4 << 20
# Kafka gives the partitions of a dead member to others after this.
SESSION_MS = 6000
# A process that hangs must call `poll` every 10 s; somewhat more than that.
POLL_LIMIT_MS = 12000
# After so long without a sign of life of ours, the group may have given our partitions away.
DOUBT_S = SESSION_MS / 2000


def _settings(cluster: Cluster, group: str) -> dict[str, object]:
    return cluster.client(
        group_id=group,
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        auto_offset_reset="error",
        isolation_level="read_uncommitted",
        fetch_wait_max_ms=200,
        fetch_error_backoff_ms=50,
        fetch_queue_backoff_ms=10,
        max_partition_fetch_bytes=1 << 20,
        queued_max_messages_kbytes=8 << 10,
        queued_min_messages=HELD_RECORDS,
    )


class Follower(Consumer):
    """Reads partitions of one topic from given positions on."""

    def __init__(self, cluster: Cluster, topic: str, positions: Mapping[int, int]) -> None:
        self._start(Client(_settings(cluster, cluster.group(topic, "nobody"))), cluster, topic)
        self._positions.update(positions)
        self._client.assign([self._at(partition) for partition in positions])

    def _start(self, client: Client, cluster: Cluster, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._name = cluster.topic(topic)
        self._positions: dict[int, int] = {}
        self._waiting: dict[int, deque[Record]] = {}
        self._bytes: dict[int, int] = {}
        self._paused: set[int] = set()
        self._over_full: set[int] = set()
        self._lost: dict[int, Failure] = {}
        self._turn = 0
        self._log = logger("event_log")
        self.closed = False

    def poll(self, limit: int, timeout_s: float) -> Sequence[Record]:
        """See Consumer. RangeLost when a position was trimmed, or lies behind the end."""
        if self.closed:
            raise Temporary("log_closed", self._topic)
        deadline = time.monotonic() + timeout_s
        self._gather(0.0)
        while True:
            found = self._give(limit)
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            self._gather(left)

    @property
    def held_back(self) -> int:
        """Records that were fetched and not yet given."""
        return sum(map(len, self._waiting.values()))

    def pause(self, partitions: Sequence[int]) -> None:
        """See Consumer."""
        self._paused.update(each for each in partitions if each in self._positions)

    def resume(self, partitions: Sequence[int]) -> None:
        """See Consumer."""
        self._paused.difference_update(partitions)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Without a group there is nobody to show it to."""

    def close(self) -> None:
        """See Consumer. `revoked` is not called: who closes knows."""
        if not self.closed:
            self.closed = True
            self._client.close()

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition, self._positions[partition])

    def _gather(self, timeout_s: float) -> None:
        """Take what has come, at the latest after this time. Callbacks run in here."""
        try:
            message = self._client.poll(timeout_s)
            while message is not None:
                self._sort(message)
                for each in self._client.consume(CHUNK, 0):
                    self._sort(each)
                message = None
        except KafkaException as error:
            raise failure(error_of(error), self._topic) from error

    def _sort(self, message: Message) -> None:
        partition, error = message.partition(), message.error()
        if error is not None:
            self._complain(partition, error)
            return
        record = to_record(self._topic, message)
        if record.offset < self._positions.get(record.partition, record.offset + 1):
            return
        self._positions[record.partition] = record.offset + 1
        self._waiting.setdefault(record.partition, deque()).append(record)
        self._bytes[record.partition] = self._bytes.get(record.partition, 0) + len(record.value)
        self._hold_if_full(record.partition)

    def _complain(self, partition: int | None, error: KafkaError) -> None:
        if error.fatal():
            raise Temporary("log_unavailable", f"{self._topic}: {error.name()}")
        if error.code() == KafkaError._AUTO_OFFSET_RESET and partition in self._positions:
            self._lost[partition] = RangeLost("out_of_range", f"{self._topic} {partition}:{self._positions[partition]}")
        else:
            self._log.warning("consumer_complains", topic=self._topic, error=error.name())

    def _give(self, limit: int) -> list[Record]:
        """Records that wait here, of partitions that are not paused. They take turns at being first, so that none starves."""
        for partition, lost in self._lost.items():
            if partition not in self._paused and not self._waiting.get(partition):
                raise lost
        ready = [each for each, waiting in self._waiting.items() if waiting and each not in self._paused]
        self._turn += 1
        found: list[Record] = []
        for number in range(len(ready)):
            partition = ready[(self._turn + number) % len(ready)]
            share = (limit - len(found)) // (len(ready) - number) or 1
            if len(found) < limit:
                found += self._give_from(partition, share)
        return found

    def _give_from(self, partition: int, share: int) -> list[Record]:
        waiting = self._waiting[partition]
        found = [waiting.popleft() for _ in range(min(share, len(waiting)))]
        self._bytes[partition] -= sum(len(each.value) for each in found)
        if partition in self._over_full and len(waiting) <= HELD_RECORDS // 2 and self._bytes[partition] <= HELD_BYTES // 2:
            self._over_full.discard(partition)
            self._client.resume([TopicPartition(self._name, partition)])
        return found

    def _hold_if_full(self, partition: int) -> None:
        full = len(self._waiting[partition]) >= HELD_RECORDS or self._bytes[partition] >= HELD_BYTES
        if full and partition not in self._over_full:
            self._over_full.add(partition)
            self._client.pause([TopicPartition(self._name, partition)])

    def _forget(self, partition: int) -> None:
        for kept in (self._positions, self._waiting, self._bytes, self._lost):
            kept.pop(partition, None)
        self._paused.discard(partition)
        if partition in self._over_full:
            # The client would remember it, should the partition come back.
            self._over_full.discard(partition)
            self._client.resume([TopicPartition(self._name, partition)])


class Member(Follower):
    """Reads what its group gives it. Partitions whose `assigned` failed are asked for again by the next poll."""

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        group: str,
        assigned: Callable[[Sequence[int]], Mapping[int, int]],
        revoked: Callable[[Sequence[int]], None],
    ) -> None:
        more = {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 1000,
            "max.poll.interval.ms": POLL_LIMIT_MS,
        }
        self._start(Client({**_settings(cluster, cluster.group(topic, group)), **more}), cluster, topic)
        self._assigned = assigned
        self._revoked = revoked
        self._new: list[int] = []
        self._shown: dict[int, int] = {}
        self._awake = time.monotonic()
        self._uncertain = False
        self._client.subscribe([self._name], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def commit(self, positions: Mapping[int, int]) -> None:
        """See Consumer."""
        self._shown.update(positions)
        offsets = [TopicPartition(self._name, partition, offset) for partition, offset in positions.items()]
        # Lost is only an operator's view, until the next one.
        with suppress(KafkaException):
            self._client.commit(offsets=offsets, asynchronous=True)

    def _give(self, limit: int) -> list[Record]:
        """Nothing, where this process stood still for so long that it may not be a member any more and was not told yet."""
        now = time.monotonic()
        self._uncertain = self._uncertain or now - self._awake > DOUBT_S
        if self._uncertain:
            self._uncertain = not self._is_member()
        self._awake = time.monotonic()
        return [] if self._uncertain else super()._give(limit)

    def _is_member(self) -> bool:
        """Whether the group still takes what we commit: what it knows already, so that nothing changes."""
        known = {each: self._shown.get(each, position) for each, position in self._positions.items()}
        if not known:
            return True
        try:
            self._client.commit(
                offsets=[TopicPartition(self._name, partition, offset) for partition, offset in known.items()],
                asynchronous=False,
            )
        except KafkaException as error:
            self._log.warning("membership_in_doubt", topic=self._topic, error=error_of(error).name())
            return False
        return True

    def _gather(self, timeout_s: float) -> None:
        super()._gather(0.0 if self._new else timeout_s)
        self._take_new()

    def _on_assign(self, client: Client, partitions: list[TopicPartition]) -> None:
        # Where to start is asked outside this callback: what it raises there reaches the caller, and can be asked again.
        self._new += [each.partition for each in partitions]
        client.incremental_assign([])

    def _on_revoke(self, client: Client, partitions: list[TopicPartition]) -> None:
        gone = [each.partition for each in partitions]
        begun = [each for each in gone if each in self._positions]
        self._new = [each for each in self._new if each not in gone]
        for each in begun:
            self._forget(each)
            self._shown.pop(each, None)
        client.incremental_unassign([TopicPartition(self._name, each) for each in begun])
        if begun and not self.closed:
            self._revoked(sorted(begun))

    def _take_new(self) -> None:
        if not self._new:
            return
        starts = self._assigned(sorted(self._new))
        new, self._new = self._new, []
        self._positions.update({each: starts[each] for each in new})
        self._client.incremental_assign([self._at(each) for each in new])
