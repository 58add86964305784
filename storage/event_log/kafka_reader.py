"""Reads ranges of a topic that are known to exist, with consumers that are kept for the next time."""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from chat4all.model.failures import Mismatch, RangeLost, Temporary
from chat4all.model.records import Range, Record
from storage.event_log.kafka_cluster import Cluster, error_of, failure, to_record

Ends = Callable[[str], Mapping[int, tuple[int, int]]]

CHUNK = 1000
# A consumer waits for all it asked for, or so long; only gaps in the offsets make it wait.
PATIENCE_S = 0.05
KEPT = 4


class Reader:
    """Reads ranges. Each call has a consumer of its own, so that many threads may read. `ends` as EventLog.ends."""

    def __init__(self, cluster: Cluster, ends: Ends) -> None:
        self._cluster = cluster
        self._ends = ends
        self._lock = Lock()
        self._free: list[Client] = []

    def read(self, topic: str, ranges: Sequence[Range], timeout_s: float) -> list[Record]:
        """As EventLog.read."""
        deadline = time.monotonic() + timeout_s
        found: dict[int, list[Record]] = {}
        client = self._take()
        try:
            for together in _rounds(ranges):
                found |= _Reading(client, self._cluster.topic(topic), topic, together, self._ends).run(deadline)
        except KafkaException as error:
            client.close()
            raise failure(error_of(error), topic) from error
        except BaseException:
            client.close()
            raise
        self._give_back(client)
        return [record for number in range(len(ranges)) for record in found.get(number, ())]

    def close(self) -> None:
        """Let go of the consumers. Safe to call twice."""
        with self._lock:
            free, self._free = self._free, []
        for each in free:
            each.close()

    def _take(self) -> Client:
        with self._lock:
            if self._free:
                return self._free.pop()
        settings = self._cluster.client(
            group_id=self._cluster.prefix + "ranges",
            enable_auto_commit=False,
            enable_partition_eof=True,
            auto_offset_reset="error",
            isolation_level="read_uncommitted",
            # What is read exists already: nothing is ever waited for, and the next read must not wait for this one's fetch.
            fetch_wait_max_ms=5,
            fetch_error_backoff_ms=50,
            fetch_queue_backoff_ms=5,
            max_partition_fetch_bytes=256 << 10,
            queued_max_messages_kbytes=4096,
            queued_min_messages=CHUNK,
        )
        return Client(settings)

    def _give_back(self, client: Client) -> None:
        with self._lock:
            if len(self._free) < KEPT:
                self._free.append(client)
                return
        client.close()


def _rounds(ranges: Sequence[Range]) -> list[dict[int, Range]]:
    """The ranges by their places, in groups that have each partition once."""
    rounds: list[dict[int, Range]] = []
    for number, each in enumerate(ranges):
        fitting = (here for here in rounds if all(other.partition != each.partition for other in here.values()))
        here = next(fitting, None)
        if here is None:
            rounds.append(here := {})
        here[number] = each
    return rounds


class _Reading:
    """Ranges of different partitions, read side by side by one consumer."""

    def __init__(self, client: Client, name: str, topic: str, ranges: Mapping[int, Range], ends: Ends) -> None:
        self._client = client
        self._name = name
        self._topic = topic
        self._ranges = {each.partition: each for each in ranges.values() if each.first <= each.last}
        self._places = {each.partition: number for number, each in ranges.items()}
        self._found: dict[int, list[Record]] = {number: [] for number in ranges}
        self._next = {partition: each.first for partition, each in self._ranges.items()}
        self._ends = ends

    def run(self, deadline: float) -> dict[int, list[Record]]:
        """The records of each place. RangeLost, or Temporary when the deadline comes first."""
        self._client.assign([self._at(partition) for partition in self._next])
        try:
            while self._next:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Temporary("log_unavailable", f"{self._topic}: not read in time")
                missing = sum(self._ranges[each].last + 1 - offset for each, offset in self._next.items())
                for message in self._client.consume(min(missing, CHUNK), min(left, PATIENCE_S)):
                    self._sort(message)
        finally:
            self._client.unassign()
        return self._found

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._name, partition, self._next[partition])

    def _sort(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or partition not in self._next:
            return
        wanted, error = self._ranges[partition], message.error()
        if error is None:
            if self._next[partition] <= offset <= wanted.last:
                self._found[self._places[partition]].append(to_record(self._topic, message))
                self._next[partition] = offset + 1
            if offset >= wanted.last:
                self._finish(partition)
        elif error.code() == KafkaError._PARTITION_EOF and offset > wanted.last:
            self._finish(partition)
        else:
            self._doubt(partition, error)

    def _finish(self, partition: int) -> None:
        del self._next[partition]
        if self._next:
            # Not `pause`: it would outlast this assignment.
            self._client.incremental_unassign([TopicPartition(self._name, partition)])

    def _doubt(self, partition: int, error: KafkaError) -> None:
        """It ended early. Ask where the log begins and ends: a broker that has just taken over may know less for a moment."""
        wanted = self._ranges[partition]
        try:
            first, upcoming = self._ends(self._topic).get(partition, (0, 0))
        except Mismatch as mismatch:
            raise RangeLost("no_such_topic", self._topic) from mismatch
        if not first <= wanted.first <= wanted.last < upcoming:
            there = f"there is {first} to {upcoming - 1}"
            raise RangeLost("range_lost", f"{self._topic} {partition}:{wanted.first}-{wanted.last}, {there}")
        if error.code() != KafkaError._PARTITION_EOF:
            self._client.incremental_unassign([TopicPartition(self._name, partition)])
            self._client.incremental_assign([self._at(partition)])
