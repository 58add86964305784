"""The contract of EventLog for what is written and read, over every adapter. Consumers: test_event_log_consumers.py."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from chat4all.model.failures import Mismatch, RangeLost
from chat4all.model.records import NewRecord, Range
from chat4all.ports import EventLog
from chat4all.settings import Settings
from tests.contracts.logs import PARTITIONS, Adapter, Start, record, texts


def in_partition(log: EventLog, topic: str, partition: int) -> list[str]:
    """Everything that a partition holds, as text."""
    first, upcoming = log.ends(topic)[partition]
    return texts(log.read(topic, [Range(partition, first, upcoming - 1)], 5.0)) if upcoming > first else []


def test_create_twice_keeps_the_topic(log: EventLog, other_log: EventLog, topic: str) -> None:
    """Creating what exists changes nothing, and everybody sees the same topic."""
    before = log.topic(topic)
    other_log.create({topic: PARTITIONS})
    assert other_log.topic(topic) == before
    assert (before.name, before.partitions) == (topic, PARTITIONS)


def test_create_with_another_count_is_a_mismatch(log: EventLog, other_log: EventLog, topic: str) -> None:
    """A topic never silently has other partitions than asked for."""
    for each in (log, other_log):
        with pytest.raises(Mismatch):
            each.create({topic: PARTITIONS + 1})


def test_a_missing_topic_is_a_mismatch(log: EventLog) -> None:
    """A topic that nobody made is not made by asking for it."""
    with pytest.raises(Mismatch):
        log.topic(f"topic-{uuid4().hex}")


def test_two_topics_have_two_identities(log: EventLog, topic: str) -> None:
    """An identity belongs to one topic."""
    log.create({f"{topic}-b": 1})
    assert log.topic(topic).identity != log.topic(f"{topic}-b").identity


def test_processes_that_create_at_once_agree(log: EventLog, start: Start) -> None:
    """Several processes that create a topic at the same moment get one topic."""
    name = f"topic-{uuid4().hex[:12]}"
    workers = [start("create", name, PARTITIONS) for _ in range(4)]
    for each in workers:
        assert each.line() == "ready"
    for each in workers:
        each.say("go")
    assert {each.line() for each in workers} == {log.topic(name).identity}


def test_a_record_comes_back_as_it_was(log: EventLog, other_log: EventLog, topic: str) -> None:
    """Key, bytes and headers are kept exactly; the time is that of appending, in milliseconds."""
    before = int(time.time() * 1000)
    new = NewRecord(topic, 2, "ключ-🔑", bytes(range(256)), {"recipients": "3", "traceparent": "00-é"})
    [offset] = log.append([new], 5.0)
    [kept] = other_log.read(topic, [Range(2, offset, offset)], 5.0)
    assert (kept.topic, kept.partition, kept.offset) == (topic, 2, offset)
    assert (kept.key, kept.value, kept.headers) == (new.key, new.value, new.headers)
    assert before - 1000 <= kept.at <= int(time.time() * 1000) + 1000


def test_no_value_and_no_headers(log: EventLog, topic: str) -> None:
    """Nothing is kept as nothing."""
    [offset] = log.append([NewRecord(topic, 0, "", b"")], 5.0)
    [kept] = log.read(topic, [Range(0, offset, offset)], 5.0)
    assert (kept.key, kept.value, kept.headers) == ("", b"", {})


def test_offsets_come_in_the_order_given(log: EventLog, topic: str) -> None:
    """One call for several topics and partitions answers each record's own offset, growing within a partition."""
    log.create({f"{topic}-b": 1})
    new = [record(topic, 0, "a"), record(f"{topic}-b", 0, "b"), record(topic, 1, "c"), record(topic, 0, "d")]
    offsets = log.append(new, 5.0)
    assert offsets[3] > offsets[0]
    for each, offset in zip(new, offsets, strict=True):
        assert log.read(each.topic, [Range(each.partition, offset, offset)], 5.0)[0].value == each.value


def test_appending_nothing(log: EventLog) -> None:
    """No records have no offsets."""
    assert log.append([], 5.0) == []


def test_one_callers_records_stay_in_order(log: EventLog, topic: str) -> None:
    """What is appended later, in one call or the next, is read later."""
    names = [str(number) for number in range(300)]
    for first in range(0, 300, 30):
        log.append([record(topic, 1, each) for each in names[first : first + 30]], 5.0)
    assert in_partition(log, topic, 1) == names


def test_threads_that_append_at_once(log: EventLog, topic: str) -> None:
    """Each thread's records stay in order, every offset is given once, and what is read is what was acknowledged."""

    def work(thread: int) -> list[tuple[int, str]]:
        names = [f"{thread}-{number}" for number in range(100)]
        given: list[int] = []
        for first in range(0, 100, 4):
            given += log.append([record(topic, 0, each) for each in names[first : first + 4]], 10.0)
        return list(zip(given, names, strict=True))

    with ThreadPoolExecutor(8) as pool:
        acknowledged = dict(pair for pairs in pool.map(work, range(8)) for pair in pairs)
    assert len(acknowledged) == 800
    offsets = sorted(acknowledged)
    found = log.read(topic, [Range(0, offsets[0], offsets[-1])], 5.0)
    assert {each.offset: each.value.decode() for each in found} == acknowledged
    in_order(texts(found))


def in_order(names: list[str]) -> None:
    """Each writer's records are all there, in its order."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for each in names:
        writer, _, number = each.rpartition("-")
        numbers[writer].append(int(number))
    for found in numbers.values():
        assert found == list(range(len(found)))


def test_processes_that_append_at_once(log: EventLog, topic: str, start: Start) -> None:
    """Several processes append to one partition; all is there, in each one's order."""
    workers = [start("append", topic, 0, f"w{number}", 200) for number in range(3)]
    acknowledged = [line for each in workers for line in each.rest()]
    found = in_partition(log, topic, 0)
    assert len(found) == 600
    assert sorted(found) == sorted(acknowledged)
    in_order(found)


def test_a_killed_writer_loses_nothing_acknowledged(log: EventLog, topic: str, start: Start) -> None:
    """Every record that was acknowledged before kill -9 is read afterwards, and others can go on appending."""
    worker = start("append", topic, 3, "w", 1_000_000)
    acknowledged = [worker.line() for _ in range(300)]
    worker.kill()
    acknowledged += worker.rest()
    found = in_partition(log, topic, 3)
    assert found[: len(acknowledged)] == acknowledged
    log.append([record(topic, 3, "after")], 5.0)
    assert in_partition(log, topic, 3) == [*found, "after"]


def test_a_killed_server_loses_nothing_acknowledged(
    log: EventLog, log_adapter: Adapter, log_settings: Settings, topic: str
) -> None:
    """What was acknowledged is there after the log's own server was killed and started again."""
    log.append([record(topic, 0, str(number)) for number in range(50)], 5.0)
    log_adapter.kill_and_restart(log_settings)
    assert in_partition(log, topic, 0) == [str(number) for number in range(50)]


def test_ranges_are_read_in_the_order_given(log: EventLog, topic: str) -> None:
    """Several ranges: by range, then by offset."""
    for partition in (0, 1):
        log.append([record(topic, partition, f"{partition}.{number}") for number in range(10)], 5.0)
    first = {partition: start for partition, (start, _) in log.ends(topic).items()}
    ranges = [Range(1, first[1] + 2, first[1] + 3), Range(0, first[0], first[0] + 1), Range(1, first[1], first[1])]
    assert texts(log.read(topic, ranges, 5.0)) == ["1.2", "1.3", "0.0", "0.1", "1.0"]
    assert log.read(topic, [], 5.0) == []


def test_a_range_past_the_end_is_lost(log: EventLog, topic: str) -> None:
    """What does not exist yet is an error, also when the range begins with what does: never a shorter answer."""
    log.append([record(topic, 0, "a"), record(topic, 0, "b")], 5.0)
    upcoming = log.ends(topic)[0][1]
    for each in (Range(0, upcoming - 1, upcoming), Range(0, upcoming, upcoming + 5), Range(1, 0, 0)):
        with pytest.raises(RangeLost):
            log.read(topic, [Range(0, upcoming - 1, upcoming - 1), each], 5.0)


def test_ends_of_an_empty_and_a_filled_partition(log: EventLog, topic: str) -> None:
    """Ends name the first offset that can be read, and the one that comes next."""
    assert set(log.ends(topic)) == set(range(PARTITIONS))
    assert all(first == upcoming for first, upcoming in log.ends(topic).values())
    offsets = log.append([record(topic, 0, "a"), record(topic, 0, "b")], 5.0)
    first, upcoming = log.ends(topic)[0]
    assert first <= offsets[0]
    assert upcoming > offsets[1]
    assert log.append([record(topic, 0, "c")], 5.0)[0] >= upcoming


def test_unknown_topics_and_partitions_are_mismatches(log: EventLog, topic: str) -> None:
    """Nothing is appended to a place that does not exist."""
    for each in (record(topic, PARTITIONS, "a"), record(f"topic-{uuid4().hex}", 0, "a")):
        with pytest.raises(Mismatch):
            log.append([record(topic, 0, "beside it"), each], 5.0)
    assert in_partition(log, topic, 0) == []


def test_check_is_one_line(log: EventLog, topic: str) -> None:
    """The check answers with something to show."""
    assert log.check()
    assert "\n" not in log.check()


def test_closing_twice(log: EventLog, topic: str) -> None:
    """Closing finishes what was begun, and may be repeated."""
    log.append([record(topic, 0, "a")], 5.0)
    log.close()
    log.close()


def test_trim_forgets_what_is_older_and_nothing_else(log: EventLog, topic: str) -> None:
    """Per partition what was appended before the time; one that has nothing younger is empty and goes on where it was."""
    log.append([record(topic, 0, text) for text in "ab"] + [record(topic, 1, "x")], 5)
    time.sleep(0.05)
    at = int(time.time() * 1000)
    time.sleep(0.05)
    log.append([record(topic, 0, text) for text in "cd"], 5)
    log.trim(topic, at - 3_600_000)
    assert in_partition(log, topic, 0) == ["a", "b", "c", "d"]
    log.trim(topic, at)
    log.trim(topic, at)
    assert in_partition(log, topic, 0) == ["c", "d"]
    first, upcoming = log.ends(topic)[1]
    assert first == upcoming
    with pytest.raises(RangeLost):
        log.read(topic, [Range(0, 0, 0)], 5)
    assert log.append([record(topic, 1, "y")], 5) == [upcoming]
