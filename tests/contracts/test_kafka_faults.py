"""What only Kafka can show: its broker is killed or frozen while it is written to; brokers of a cluster die."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from chat4all.model.failures import Failure, Mismatch, RangeLost, Temporary, Unknown
from chat4all.model.records import Range
from chat4all.ports import EventLog
from chat4all.settings import Settings
from ops.native.kafka import Kafka, cluster
from ops.native.processes import start_all
from storage.event_log.kafka import KafkaLog
from storage.event_log.kafka_consumer import Follower
from tests.contracts.logs import record, texts, wait_until
from tests.ops.real import home_with

pytestmark = pytest.mark.real


@pytest.fixture
def log(kafka_server: Kafka, tmp_path: Path) -> Iterator[EventLog]:
    """A log on the shared broker, under names of its own."""
    prefix = f"faults-{uuid4().hex[:8]}-"
    opened = KafkaLog(Settings(data=tmp_path, log=f"kafka://{kafka_server.address}?prefix={prefix}"))
    opened.create({"events": 2})
    yield opened
    opened.close()


class Writers:
    """Threads that append numbered records until told to stop, one at a time each, and note what was acknowledged."""

    def __init__(self, log: EventLog, count: int = 4) -> None:
        self.log = log
        self.acknowledged: list[list[int]] = [[] for _ in range(count)]
        self.doubtful: list[set[int]] = [set() for _ in range(count)]
        self.refused = 0
        self._stop = Event()
        self._pool = ThreadPoolExecutor(count)
        self._work = [self._pool.submit(self._write, writer) for writer in range(count)]

    def _write(self, writer: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                self.log.append([record("events", writer % 2, f"{writer}-{number}")], 2.0)
            except Unknown:
                self.doubtful[writer].add(number)
            except Temporary:
                self.refused += 1
            else:
                self.acknowledged[writer].append(number)

    @property
    def total(self) -> int:
        """Records acknowledged so far."""
        return sum(map(len, self.acknowledged))

    def stop(self) -> None:
        """End the threads; what one raised is raised here."""
        self._stop.set()
        self._pool.shutdown()
        for each in self._work:
            each.result()

    def _ends(self) -> Mapping[int, tuple[int, int]]:
        """As the log says once the brokers have a controller again."""
        found: list[Mapping[int, tuple[int, int]]] = []

        def answered() -> bool:
            try:
                found.append(self.log.ends("events"))
            except Temporary:
                return False
            return True

        wait_until(answered)
        return found[0]

    def check(self) -> None:
        """Everything acknowledged is there, in order; what else is there was doubtful. Nothing is there twice, but where a
        record was given up: its producer begins a new epoch, and what was under way may come again (stages pass over it).
        """
        found: list[list[int]] = [[] for _ in self.acknowledged]
        for partition, (first, upcoming) in self._ends().items():
            for each in texts(self.log.read("events", [Range(partition, first, upcoming - 1)], 10.0)):
                writer, _, number = each.partition("-")
                found[int(writer)].append(int(number))
        for here, acknowledged, doubtful in zip(found, self.acknowledged, self.doubtful, strict=True):
            assert len(here) - len(set(here)) <= sum(map(len, self.doubtful))
            assert set(acknowledged) <= set(here) <= set(acknowledged) | doubtful
            kept = set(acknowledged)
            assert [each for each in dict.fromkeys(here) if each in kept] == acknowledged


def test_a_broker_killed_under_load(log: EventLog, kafka_server: Kafka) -> None:
    """kill -9 and restart between acknowledgements: nothing acknowledged is lost, doubled or reordered, and writing goes on."""
    writers = Writers(log)
    try:
        wait_until(lambda: writers.total > 500)
        kafka_server.kill9()
        before = writers.total
        kafka_server.start()
        wait_until(lambda: writers.total > before + 500)
    finally:
        writers.stop()
    writers.check()


def test_a_frozen_broker(log: EventLog, kafka_server: Kafka) -> None:
    """A broker that answers nothing makes calls end in time, as unknown; when it goes on, so does everything."""
    writers = Writers(log)
    try:
        wait_until(lambda: writers.total > 200)
        kafka_server.pause()
        wait_until(lambda: sum(map(len, writers.doubtful)) >= 8)
        kafka_server.resume()
        before = writers.total
        wait_until(lambda: writers.total > before + 500)
    finally:
        kafka_server.resume()
        writers.stop()
    writers.check()


def test_reading_while_the_broker_is_away(log: EventLog, kafka_server: Kafka) -> None:
    """What cannot be asked is Temporary, within its time, never an empty answer; afterwards the same objects work again."""
    log.append([record("events", 0, "a")], 5.0)
    assert texts(log.read("events", [Range(0, 0, 0)], 5.0)) == ["a"]
    follower = log.follow("events", {0: 1})
    kafka_server.kill9()
    for ask in (
        lambda: log.read("events", [Range(0, 0, 0)], 0.5),
        lambda: log.ends("events"),
        log.check,
    ):
        with pytest.raises(Temporary):
            ask()
    assert not follower.poll(10, 0.1)
    kafka_server.start()
    wait_until(lambda: _works(lambda: log.read("events", [Range(0, 0, 0)], 5.0)))
    log.append([record("events", 0, "b")], 10.0)
    found: list[str] = []
    wait_until(lambda: found == ["b"], lambda: found.extend(texts(follower.poll(10, 0.2))))


def test_a_member_outlives_its_broker(log: EventLog, kafka_server: Kafka) -> None:
    """A group member goes on after kill -9 and restart of the broker, from where `assigned` says."""
    offsets: list[int] = []

    def start(partitions: Sequence[int]) -> dict[int, int]:
        return {each: len(offsets) if each == 0 else 0 for each in partitions}

    member = log.consume("events", "g", start, lambda _gone: None)

    def poll() -> None:
        offsets.extend(each.offset for each in member.poll(10, 0.2))

    log.append([record("events", 0, "before")], 5.0)
    wait_until(lambda: offsets == [0], poll)
    kafka_server.kill9()
    kafka_server.start()
    wait_until(lambda: _works(lambda: log.append([record("events", 0, "after")], 5.0)), poll)
    wait_until(lambda: len(offsets) >= 2, poll)
    assert offsets == sorted(set(offsets))
    member.close()


def _works(ask: object) -> bool:
    assert callable(ask)
    try:
        ask()
    except Failure:
        return False
    return True


def test_a_callback_that_failed_is_asked_again(log: EventLog) -> None:
    """`assigned` may fail, as when the store is away: poll raises what it raised, and the next poll asks again."""
    log.append([record("events", 0, "a"), record("events", 1, "b")], 5.0)
    answers = iter([False, False, True])
    failures: list[str] = []

    def assigned(partitions: object) -> dict[int, int]:
        if not next(answers, True):
            raise Temporary("store_down")
        return {0: 0, 1: 0}

    consumer = log.consume("events", "g", assigned, lambda _gone: None)
    found: list[str] = []

    def poll() -> None:
        try:
            found.extend(texts(consumer.poll(10, 0.2)))
        except Temporary as failure:
            failures.append(failure.reason)

    wait_until(lambda: sorted(found) == ["a", "b"], poll)
    assert failures == ["store_down", "store_down"]
    consumer.close()


def test_a_paused_partition_does_not_fill_memory(log: EventLog) -> None:
    """While one partition is paused only a bounded part of it is fetched; afterwards all of it comes, in order, once."""
    for _ in range(10):
        log.append([record("events", 0, "x" * 100)] * 1000, 10.0)
    follower = log.follow("events", {0: 0, 1: 0})
    follower.pause([0])
    log.append([record("events", 1, "other")], 5.0)
    found: list[int] = []
    other: list[str] = []
    wait_until(lambda: other == ["other"], lambda: other.extend(texts(follower.poll(10, 0.2))))
    follower.poll(10, 0.5)
    assert isinstance(follower, Follower)
    assert 0 < follower.held_back < 2000
    follower.resume([0])
    wait_until(lambda: len(found) >= 10_000, lambda: found.extend(each.offset for each in follower.poll(300, 0.2)))
    assert found == list(range(10_000))


def test_a_position_outside_the_log_is_lost(log: EventLog) -> None:
    """A start behind the end is an error, for followers and members, never a silent jump."""
    follower = log.follow("events", {0: 5})
    member = log.consume("events", "g", lambda given: dict.fromkeys(given, 5), lambda _gone: None)
    for each in (follower, member):
        with pytest.raises(RangeLost):
            wait_until(lambda: False, lambda: each.poll(10, 0.2))  # noqa: B023
        each.close()


def test_replication_that_is_not_there(kafka_server: Kafka, log: EventLog, tmp_path: Path) -> None:
    """A topic with fewer copies than the URL asks for is refused."""
    name = f"copies-{uuid4().hex[:8]}"
    one, three = (
        KafkaLog(Settings(data=tmp_path, log=f"kafka://{kafka_server.address}?replication={copies}")) for copies in (1, 3)
    )
    one.create({name: 1})
    with pytest.raises(Mismatch):
        three.create({name: 1})
    one.close()
    three.close()


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Kafka]]:
    """Three brokers that form one cluster."""
    started = cluster(home_with(Kafka), tmp_path_factory.mktemp("cluster"))
    start_all(started)
    yield started
    for each in started:
        each.kill9()


def test_three_brokers_survive_the_death_of_one(brokers: list[Kafka], tmp_path: Path) -> None:
    """With replication 3 a broker is killed and left dead under load: every writer goes on, and nothing is lost."""
    log = KafkaLog(Settings(data=tmp_path, log=f"kafka://{brokers[0].bootstrap}?replication=3"))
    log.create({"events": 2})
    writers = Writers(log)
    try:
        wait_until(lambda: writers.total > 300)
        for each in brokers[:1]:
            each.kill9()
        before = [len(each) for each in writers.acknowledged]
        wait_until(lambda: all(len(now) > then + 50 for now, then in zip(writers.acknowledged, before, strict=True)))
    finally:
        writers.stop()
    writers.check()
    log.close()


def test_a_topic_that_forgot_by_age_keeps_what_is_not_done(log: EventLog) -> None:
    """Made by older code, with a retention by age: an outage of the workers longer than that would lose what was accepted."""
    assert isinstance(log, KafkaLog)
    name = log._name("events")
    aged = [ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=aged)
    for future in log._asked().incremental_alter_configs([resource]).values():
        future.result(10)
    log.create({"events": 2})
    [described] = log._asked().describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    assert described.result(10)["retention.ms"].value == "-1"
