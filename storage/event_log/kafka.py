"""The event log on Kafka."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Lock
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from msgspec.structs import replace

from chat4all.model.failures import Failure, Mismatch, RangeLost, Temporary
from chat4all.model.records import NewRecord, Range, Record
from chat4all.ports import Consumer, EventLog, Topic
from chat4all.settings import Settings
from chat4all.telemetry.logs import logger
from storage.event_log.kafka_appender import Appender
from storage.event_log.kafka_cluster import ANSWER_S, RECORD_BYTES, error_of, failure, parse
from storage.event_log.kafka_consumer import Follower, Member
from storage.event_log.kafka_reader import Reader

log_to = logger(__name__)

CREATE_S = 15.0
FOR_EVER = "-1"
AGAIN_S = 0.05
EXISTS = frozenset({KafkaError.TOPIC_ALREADY_EXISTS})
# Answers of brokers that are about to agree on who leads a partition.
MOVING = frozenset(
    {
        *(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.OFFSET_NOT_AVAILABLE),
        *(KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH, KafkaError.REPLICA_NOT_AVAILABLE),
    }
)
_SPEC: Any = OffsetSpec
EARLIEST, LATEST = _SPEC.earliest(), _SPEC.latest()


# A topic that need not exist: asked about it, brokers tell of themselves and of no other topic.
NOBODYS = "chat4all-nobodys"
PASSWORD = "log"  # noqa: S105 - the name of the secret


class KafkaLog(EventLog):
    """The log at `settings.log`. Connects when it is first needed; a broker that dies and returns is found again."""

    def __init__(self, settings: Settings) -> None:
        cluster = parse(settings.log)
        self._cluster = replace(cluster, password=settings.secret(PASSWORD)) if cluster.needs_password else cluster
        self._settings = settings
        self._lock = Lock()
        self._partitions: dict[str, int] = {}
        self._appender: Appender | None = None
        self._admin: AdminClient | None = None
        self._reader = Reader(self._cluster, self.ends)
        self._consumers: list[Follower] = []

    def create(self, partitions: Mapping[str, int]) -> None:
        """See EventLog. Mismatch also when a topic has another replication than the URL says."""
        new = [
            NewTopic(self._name(name), count, self._cluster.replication or -1, config=self._topic_settings())
            for name, count in partitions.items()
        ]
        there = []
        answers = self._asked().create_topics(new, operation_timeout=ANSWER_S)
        for name in partitions:
            try:
                _answer(answers[self._name(name)], name)
            except Temporary as error:
                if not _is(error, EXISTS):
                    raise
                there.append(name)
        deadline = time.monotonic() + CREATE_S
        for name, count in partitions.items():
            self._check_created(name, count, deadline)
        if there:
            self._keep_until_trimmed(there)

    def topic(self, name: str) -> Topic:
        """See EventLog."""
        found = self._describe(name)
        return Topic(name, str(found.topic_id), len(found.partitions))

    def append(self, records: Sequence[NewRecord], timeout_s: float) -> list[int]:
        """See EventLog. A record of more than 4 MiB is Permanent."""
        deadline = time.monotonic() + timeout_s
        for each in records:
            if not 0 <= each.partition < self._count(each.topic):
                raise Mismatch("no_such_partition", f"{each.topic} {each.partition}")
        return self._writing().append(records, deadline - time.monotonic())

    def read(self, topic: str, ranges: Sequence[Range], timeout_s: float) -> list[Record]:
        """See EventLog."""
        deadline = time.monotonic() + timeout_s
        if wrong := [each for each in ranges if not 0 <= each.partition < self._count(topic)]:
            raise RangeLost("range_lost", f"{topic}: no partition {wrong[0].partition}")
        return self._reader.read(topic, ranges, deadline - time.monotonic())

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """See EventLog. Asks again while partitions change their leaders."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                return self._ends(topic)
            except Temporary as error:
                if not _is(error, MOVING) or time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_S)

    def consume(
        self,
        topic: str,
        group: str,
        assigned: Callable[[Sequence[int]], Mapping[int, int]],
        revoked: Callable[[Sequence[int]], None],
    ) -> Consumer:
        """See EventLog."""
        self._count(topic)
        return self._kept(Member(self._cluster, topic, group, assigned, revoked))

    def follow(self, topic: str, positions: Mapping[int, int]) -> Consumer:
        """See EventLog."""
        if wrong := [each for each in positions if not 0 <= each < self._count(topic)]:
            raise Mismatch("no_such_partition", f"{topic} {wrong}")
        return self._kept(Follower(self._cluster, topic, positions))

    def committed(self, topic: str, group: str) -> dict[int, int]:
        """See EventLog."""
        places = [TopicPartition(self._name(topic), each) for each in range(self.topic(topic).partitions)]
        asked = ConsumerGroupTopicPartitions(self._cluster.group(topic, group), places)
        [future] = self._asked().list_consumer_group_offsets([asked], request_timeout=ANSWER_S).values()
        found = _answer(future, group).topic_partitions
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def trim(self, topic: str, before_ms: int) -> None:
        """See EventLog. Kafka by itself would go by age alone and forget what no stage has worked on yet."""
        places = [TopicPartition(self._name(topic), each) for each in range(self._count(topic))]
        asked = self._asked()
        younger = asked.list_offsets(dict.fromkeys(places, _SPEC.for_timestamp(before_ms)), request_timeout=ANSWER_S)
        keep = {each.partition: _answer(younger[each], topic).offset for each in places}
        gone = []
        for partition, (first, end) in self.ends(topic).items():
            # No offset: there is nothing younger.
            offset = keep[partition] if keep[partition] >= 0 else end
            if offset > first:
                gone.append(TopicPartition(self._name(topic), partition, offset))
        if gone:
            for future in asked.delete_records(gone, request_timeout=ANSWER_S, operation_timeout=ANSWER_S).values():
                _answer(future, topic)

    def check(self) -> str:
        """See EventLog."""
        found = _answer(self._asked().describe_cluster(request_timeout=ANSWER_S), "describe")
        nodes = ", ".join(f"{each.host}:{each.port}" for each in found.nodes)
        return f"Kafka at {self._cluster.servers}: {len(found.nodes)} brokers ({nodes})"

    def close(self) -> None:
        """See EventLog. Consumers are closed too: the threads that poll them must have ended."""
        with self._lock:
            appender, consumers, self._consumers = self._appender, self._consumers, []
        for each in consumers:
            each.close()
        if appender is not None:
            appender.close()
        self._reader.close()

    def _name(self, topic: str) -> str:
        return self._cluster.topic(topic)

    def _keep_until_trimmed(self, names: Iterable[str]) -> None:
        """Topics that were made with a retention by age, by older code or by hand, lose it."""
        for_ever = [ConfigEntry("retention.ms", FOR_EVER, incremental_operation=AlterConfigOpType.SET)]
        wanted = [ConfigResource(ResourceType.TOPIC, self._name(each), incremental_configs=for_ever) for each in names]
        for resource, future in self._asked().incremental_alter_configs(wanted, request_timeout=ANSWER_S).items():
            try:
                _answer(future, resource.name)
            except Failure as refused:
                log_to.warning("retention_by_age", topic=resource.name, why=refused.detail)

    def _topic_settings(self) -> dict[str, str]:
        return {
            "retention.ms": FOR_EVER,
            "max.message.bytes": str(RECORD_BYTES),
            "message.timestamp.type": "LogAppendTime",
            **({"min.insync.replicas": "2"} if self._cluster.replication > 2 else {}),
        }

    def _check_created(self, name: str, count: int, deadline: float) -> None:
        """Compare what is there with what was asked for, once the brokers agree that it is there."""
        while True:
            try:
                found = self._describe(name)
                self._ends(name)
                break
            except (Mismatch, Temporary):
                if time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_S)
        if len(found.partitions) != count:
            raise Mismatch("partitions", f"{name} has {len(found.partitions)} partitions, not {count}")
        copies = min(len(each.replicas) for each in found.partitions)
        if self._cluster.replication not in {0, copies}:
            raise Mismatch("replication", f"{name} has {copies} replicas, not {self._cluster.replication}")

    def _ends(self, topic: str) -> dict[int, tuple[int, int]]:
        places = [TopicPartition(self._name(topic), each) for each in range(self.topic(topic).partitions)]
        asked = self._asked()
        first = asked.list_offsets(dict.fromkeys(places, EARLIEST), request_timeout=ANSWER_S)
        last = asked.list_offsets(dict.fromkeys(places, LATEST), request_timeout=ANSWER_S)
        return {each.partition: (_answer(first[each], topic).offset, _answer(last[each], topic).offset) for each in places}

    def _describe(self, name: str) -> Any:
        asked = TopicCollection([self._name(name)])
        [future] = self._asked().describe_topics(asked, request_timeout=ANSWER_S).values()
        return _answer(future, name)

    def _count(self, topic: str) -> int:
        """Partitions of a topic. They never change, so it is asked once."""
        if topic not in self._partitions:
            self._partitions[topic] = self.topic(topic).partitions
        return self._partitions[topic]

    def _asked(self) -> AdminClient:
        """For one question. It goes to a broker that the client remembers, even to one that has died, for as long as nothing
        tells the client who is there; so that is asked first, of whoever answers.
        """
        with self._lock:
            if self._admin is None:
                self._admin = AdminClient(self._cluster.client())
            asked = self._admin
        try:
            asked.list_topics(NOBODYS, ANSWER_S)
        except KafkaException as error:
            raise failure(error_of(error), "who is there") from error
        return asked

    def _writing(self) -> Appender:
        with self._lock:
            if self._appender is None:
                self._appender = Appender(self._cluster, self._settings.append_timeout_s)
            return self._appender

    def _kept(self, consumer: Follower) -> Consumer:
        with self._lock:
            self._consumers = [each for each in self._consumers if not each.closed] + [consumer]
        return consumer


def _answer(future: "Future[Any]", what: str) -> Any:
    """What the brokers answered. Temporary when they did not, Mismatch when what was asked about does not exist."""
    try:
        return future.result(ANSWER_S + 1)
    except KafkaException as error:
        raise failure(error_of(error), what) from error
    except FutureTimeout as error:
        raise Temporary("log_unavailable", f"{what}: no answer") from error


def _is(error: Temporary, codes: frozenset[int]) -> bool:
    cause = error.__cause__
    return isinstance(cause, KafkaException) and error_of(cause).code() in codes
