"""The contract of EventLog for consumers and their groups, over every adapter."""

import signal
from contextlib import closing

import pytest

from chat4all.ports import Consumer, EventLog
from tests.contracts.logs import PARTITIONS, Process, Reader, Start, poll_until, record, texts, wait_until

ALL = set(range(PARTITIONS))


def fill(log: EventLog, topic: str, count: int = 5) -> dict[int, int]:
    """This many records in each partition; the offset of each partition's first one."""
    first: dict[int, int] = {}
    for partition in ALL:
        first[partition] = log.append([record(topic, partition, f"{partition}.{number}") for number in range(count)], 5.0)[0]
    return first


def owned_by(process: Process, partitions: set[int]) -> None:
    """Read what the process writes until it has been assigned all of these."""
    missing = set(partitions)
    while missing:
        word, number, *_ = process.line().split()
        if word == "assigned":
            missing.discard(int(number))


def test_one_member_gets_everything_in_order(log: EventLog, topic: str) -> None:
    """Alone, a member owns all partitions, and is given each record once, in offset order."""
    starts = fill(log, topic, 30)
    with closing((reader := Reader(log, topic, "g", starts)).consumer):
        poll_until([reader], lambda: len(reader.found) >= 30 * PARTITIONS)
        assert reader.owned == ALL
        assert not reader.poll()
    for partition in ALL:
        mine = [each for each in reader.found if each.partition == partition]
        assert texts(mine) == [f"{partition}.{number}" for number in range(30)]


def test_poll_keeps_its_limit(log: EventLog, topic: str) -> None:
    """Never more than asked for, and nothing skipped by it."""
    starts = fill(log, topic)
    with closing((reader := Reader(log, topic, "g", starts)).consumer):
        wait_until(
            lambda: len(reader.found) == 5 * PARTITIONS, lambda: len(reader.poll(limit=3)) <= 3 or pytest.fail("too many")
        )
    assert len({(each.partition, each.offset) for each in reader.found}) == 5 * PARTITIONS


def test_new_records_are_given(log: EventLog, other_log: EventLog, topic: str) -> None:
    """What somebody else appends is given to a member that waits."""
    with closing((reader := Reader(log, topic, "g")).consumer):
        poll_until([reader], lambda: reader.owned == ALL)
        other_log.append([record(topic, 2, "new")], 5.0)
        poll_until([reader], lambda: reader.found)
    assert texts(reader.found) == ["new"]


def test_assigned_says_where_to_start(log: EventLog, topic: str) -> None:
    """Each partition starts at the offset that `assigned` answered, whatever was committed."""
    first = fill(log, topic)
    starts = {partition: offset + 1 + partition for partition, offset in first.items()}
    with closing((reader := Reader(log, topic, "g", starts)).consumer):
        reader.consumer.commit(first)
        poll_until([reader], lambda: len(reader.found) >= 4 + 3 + 2 + 1)
        poll_until([reader], lambda: log.committed(topic, "g") == first)
    assert sorted(texts(reader.found)) == sorted(f"{p}.{number}" for p in ALL for number in range(p + 1, 5))
    with closing((again := Reader(log, topic, "g", starts)).consumer):
        poll_until([again], lambda: len(again.found) >= 10)
    assert sorted(texts(again.found)) == sorted(texts(reader.found))


def test_a_second_member_gets_its_share(log: EventLog, other_log: EventLog, topic: str) -> None:
    """Who joins gets half; the first is told before the second is; nothing is ever owned twice."""
    journal: list[tuple[str, str, int]] = []
    first = Reader(log, topic, "g", journal=journal, name="first")
    poll_until([first], lambda: first.owned == ALL)
    second = Reader(other_log, topic, "g", journal=journal, name="second")
    with closing(first.consumer), closing(second.consumer):
        poll_until([first, second], lambda: len(first.owned) == len(second.owned) == PARTITIONS // 2)
        assert first.owned | second.owned == ALL
        for partition in second.owned:
            assert journal.index(("revoked", "first", partition)) < journal.index(("assigned", "second", partition))


def test_three_members_share_evenly(log: EventLog, topic: str) -> None:
    """Shares differ by one at most, and every partition has an owner."""
    readers = [Reader(log, topic, "g") for _ in range(3)]
    try:
        poll_until(readers, lambda: sorted(len(each.owned) for each in readers) == [1, 1, 2])
        assert set().union(*(each.owned for each in readers)) == ALL
    finally:
        for each in readers:
            each.consumer.close()


def test_more_members_than_partitions(log: EventLog, topic: str) -> None:
    """Who gets nothing waits, and steps in when somebody leaves."""
    log.create({f"{topic}-one": 1})
    readers = [Reader(log, f"{topic}-one", "g") for _ in range(2)]
    poll_until(readers, lambda: readers[0].owned or readers[1].owned)
    busy, idle = sorted(readers, key=lambda each: -len(each.owned))
    busy.consumer.close()
    with closing(idle.consumer):
        poll_until([idle], lambda: idle.owned == {0})


def test_who_leaves_hands_over(log: EventLog, other_log: EventLog, topic: str) -> None:
    """Closing gives everything to those who stay. Closing twice does no harm."""
    readers = [Reader(log, topic, "g"), Reader(other_log, topic, "g")]
    poll_until(readers, lambda: all(len(each.owned) == PARTITIONS // 2 for each in readers))
    readers[0].consumer.close()
    readers[0].consumer.close()
    with closing(readers[1].consumer):
        poll_until(readers[1:], lambda: readers[1].owned == ALL)


def test_a_killed_member_is_replaced(log: EventLog, topic: str, start: Start) -> None:
    """After kill -9 of the owner somebody else gets its partitions and reads on."""
    fill(log, topic)
    owner = start("consume", topic, "g")
    owned_by(owner, ALL)
    with closing((reader := Reader(log, topic, "g")).consumer):
        owner.kill()
        poll_until([reader], lambda: reader.owned == ALL)
        poll_until([reader], lambda: len(reader.found) == 5 * PARTITIONS)


def test_a_frozen_member_is_replaced_and_learns_it(log: EventLog, topic: str, start: Start) -> None:
    """A stopped owner loses its partitions; when it wakes it is told so before it is given another record of them."""
    owner = start("consume", topic, "g")
    owned_by(owner, ALL)
    owner.popen.send_signal(signal.SIGSTOP)
    with closing((reader := Reader(log, topic, "g")).consumer):
        poll_until([reader], lambda: reader.owned == ALL)
        fill(log, topic)
        poll_until([reader], lambda: len(reader.found) == 5 * PARTITIONS)
        owner.popen.send_signal(signal.SIGCONT)
        lost: set[int] = set()
        regained: set[int] = set()

        def told() -> None:
            reader.poll()
            for line in owner.waiting():
                word, number, *_ = line.split()
                assert word != "record" or int(number) in regained
                {"revoked": lost, "assigned": regained}.get(word, set()).add(int(number))

        wait_until(lambda: lost >= ALL and len(reader.owned) == PARTITIONS // 2, told)


def test_a_paused_partition_gives_nothing(log: EventLog, topic: str) -> None:
    """Paused partitions are silent, the others go on; `resume` goes on where it stopped."""
    fill(log, topic)
    with closing((reader := Reader(log, topic, "g")).consumer):
        poll_until([reader], lambda: len(reader.found) == 5 * PARTITIONS)
        reader.consumer.pause([0, 1, 99])
        reader.found.clear()
        fill(log, topic)
        poll_until([reader], lambda: len(reader.found) == 5 * (PARTITIONS - 2))
        assert not reader.poll(timeout_s=0.2)
        assert {each.partition for each in reader.found} == ALL - {0, 1}
        reader.consumer.resume([0, 1, 99])
        poll_until([reader], lambda: len(reader.found) == 5 * PARTITIONS)
    assert texts([each for each in reader.found if each.partition == 0]) == [f"0.{number}" for number in range(5)]


def test_all_paused_stays_a_member(log: EventLog, other_log: EventLog, topic: str) -> None:
    """Whoever pauses everything and keeps polling is told of changes like others."""
    with closing((reader := Reader(log, topic, "g")).consumer):
        poll_until([reader], lambda: reader.owned == ALL)
        reader.consumer.pause(sorted(ALL))
        with closing((second := Reader(other_log, topic, "g")).consumer):
            poll_until([reader, second], lambda: len(reader.owned) == len(second.owned) == PARTITIONS // 2)


def test_groups_do_not_share(log: EventLog, topic: str) -> None:
    """Every group gets every record, and shows its own progress."""
    first = fill(log, topic)
    readers = [Reader(log, topic, "a"), Reader(log, topic, "b")]
    for ahead, each in enumerate(readers, 1):
        with closing(each.consumer):
            wait_until(lambda: all(len(reader.found) == 5 * PARTITIONS for reader in readers[:ahead]), each.poll)  # noqa: B023
            each.consumer.commit({0: first[0] + ahead})
    wait_until(lambda: log.committed(topic, "a") == {0: first[0] + 1} and log.committed(topic, "b") == {0: first[0] + 2})


def test_nothing_committed(log: EventLog, topic: str) -> None:
    """A group that committed nothing has no positions."""
    assert log.committed(topic, "nobody") == {}


def gather(follower: Consumer, count: int) -> list[str]:
    """Poll until so many records came; their texts."""
    found: list[str] = []
    wait_until(lambda: len(found) >= count, lambda: found.extend(texts(follower.poll(3, 0.2))))
    return found


def test_following_needs_no_group(log: EventLog, topic: str) -> None:
    """Each follower reads the partitions it names, from where it says, whoever reads beside it."""
    first = fill(log, topic)
    with closing(log.follow(topic, {0: first[0] + 2, 1: first[1]})) as one, closing(log.follow(topic, {0: first[0]})) as two:
        assert sorted(gather(one, 8)) == [f"0.{number}" for number in (2, 3, 4)] + [f"1.{number}" for number in range(5)]
        assert gather(two, 5) == [f"0.{number}" for number in range(5)]
        assert not one.poll(10, 0.1)


def test_a_follower_can_pause(log: EventLog, topic: str) -> None:
    """Pausing and resuming, and committing to nobody, work without a group too."""
    first = fill(log, topic)
    with closing(log.follow(topic, {0: first[0], 1: first[1]})) as follower:
        follower.pause([0, 3])
        assert gather(follower, 5) == [f"1.{number}" for number in range(5)]
        assert not follower.poll(10, 0.1)
        follower.resume([0, 3])
        assert gather(follower, 5) == [f"0.{number}" for number in range(5)]
        follower.commit({0: first[0] + 5})


def test_following_from_the_end(log: EventLog, topic: str) -> None:
    """A follower that starts at the next offset is given only what comes."""
    fill(log, topic)
    ends = {partition: upcoming for partition, (_, upcoming) in log.ends(topic).items()}
    with closing(log.follow(topic, ends)) as follower:
        assert not follower.poll(10, 0.1)
        log.append([record(topic, 1, "new")], 5.0)
        assert gather(follower, 1) == ["new"]
