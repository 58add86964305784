"""A record of a newer version stops its partition and nothing else; nobody buries it, and after the upgrade it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chat4all.model.failures import Permanent
from chat4all.model.records import (
    INCOMING,
    STATUS,
    VERSION,
    NewRecord,
    Position,
    Range,
    Record,
    incoming_record,
    read_message,
    read_status,
    status_record,
)
from chat4all.telemetry.instruments import REGISTRY
from tasks.operations import reprocessing
from tests.tasks.world import PERSIST, World, message, new_id, whatsapp, world

PARTITIONS = 4
# Of each partition, one conversation.
HOME = {incoming_record(message(name, 0), PARTITIONS, {}).partition: name for name in map(str, range(40))}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=PARTITIONS) as road:
        yield road


@contextmanager
def seen_by_older_code(road: World, offset: int, **changed: Any) -> Iterator[None]:
    """What we can read of the first partition's record at this offset is to us what a later version's is to this code."""

    def read(*asked: Any) -> list[Record]:
        found: list[Record] = road.log_faults.real.read(*asked)
        return [
            msgspec.structs.replace(each, **changed) if (each.partition, each.offset) == (0, offset) else each for each in found
        ]

    with road.log_faults.instead("read", read):
        yield


def counted() -> float:
    return REGISTRY.get_sample_value("chat4all_newer_records_total", {"topic": INCOMING}) or 0


def newer(partition: int, number: int, v: str) -> NewRecord:
    """A message of a version to come, by its header."""
    record = incoming_record(message(HOME[partition], number, to=[whatsapp(1)]), PARTITIONS, {})
    return msgspec.structs.replace(record, headers=record.headers | {"v": v})


NEXT = str(VERSION + 1)
VERSIONS = [NEXT, "17", "x"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("again", [False, True])
def test_a_newer_record_stops_its_partition_alone(road: World, version: str, again: bool) -> None:
    """What comes before it and the other partitions go on; it and what follows wait, and are no dead letters."""
    road.say(message(HOME[0], 1), message(HOME[0], 2), message(HOME[1], 1))
    road.log.append([newer(0, 3, version)], 5)
    road.say(message(HOME[0], 4), message(HOME[1], 2))
    before = counted()
    for _ in range(3):
        road.run(again=again)
    progress = {partition: each.done for partition, each in road.store.progress(INCOMING).items()}
    assert progress == {0: 1, 1: 1}
    assert road.store.buried(INCOMING, road.everything().ranges) == {}
    assert [each.payload.as_text() for each in road.store.page(HOME[0], None, None, 10)] == ["hello"] * 2
    assert len(road.store.page(HOME[1], None, None, 10)) == 2
    assert counted() > before
    assert road.store.troubles(INCOMING, road.everything().ranges) == []


def test_after_the_upgrade_it_is_read_in_its_place(road: World) -> None:
    """The version was all that it was waiting for."""
    road.say(message(HOME[0], 1), message(HOME[0], 2))
    with seen_by_older_code(road, 0, headers={"v": NEXT}):
        road.run()
    assert road.store.page(HOME[0], None, None, 10) == []
    road.run()
    assert [each.message_id for each in road.store.page(HOME[0], None, None, 10)] == [
        new_id("message", HOME[0], number) for number in (1, 2)
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_operator_sets_aside_is_passed_over(road: World, version: str) -> None:
    """Where no upgrade comes. It is a dead letter then, and what can be read is not set aside."""
    road.log.append([newer(0, 1, version)], 5)
    road.say(message(HOME[0], 2))
    road.run()
    letter = reprocessing.set_aside(road.parts, INCOMING, Range(0, 0, 0))
    road.run()
    assert [each.message_id for each in road.store.page(HOME[0], None, None, 10)] == [new_id("message", HOME[0], 2)]
    assert {each.letter_id for each in road.store.buried(INCOMING, road.everything().ranges).values()} == {letter}
    with pytest.raises(Permanent, match="not_newer"):
        reprocessing.set_aside(road.parts, INCOMING, Range(0, 1, 1))


def test_a_newer_first_record_leaves_nothing_to_do(road: World) -> None:
    """A batch that is all of one stopped partition changes nothing."""
    road.log.append([newer(0, 1, NEXT), newer(0, 2, NEXT)], 5)
    road.run(PERSIST)
    assert road.store.progress(INCOMING) == {}


def test_receipts_of_a_newer_version_wait_too(road: World) -> None:
    """Positions and receipts are records like others."""
    position = Position(HOME[0], "bob", "read", 1, 1)
    record = status_record(position, PARTITIONS, {})
    road.log.append([msgspec.structs.replace(record, headers={"v": NEXT}), record], 5)
    road.receive()
    assert road.store.progress(STATUS) == {}
    assert road.store.watermarks([HOME[0]]) == {HOME[0]: []}


# Of a version that we know, or that says none as the oldest do: what nobody can have written who meant us to read it.
ODD: list[dict[str, object]] = [
    {"payload": {"type": "choices", "options": []}},
    {"payload": {"type": 7}},
    {"payload": {"type": "text", "text": None}},
    {"payload": None},
    {"recipients": "everybody"},
    {"type": "announcement"},
]


@pytest.mark.parametrize("headers", [{"v": "1"}, {"v": "2"}, {}], ids=str)
@pytest.mark.parametrize("change", ODD, ids=str)
@pytest.mark.parametrize("again", [False, True])
def test_what_is_of_our_version_and_cannot_be_read_is_set_aside(
    road: World, change: dict[str, object], headers: dict[str, str], again: bool
) -> None:
    """It holds nobody up, is a dead letter with its reason, and is taken up once there is code that can read it."""
    good = incoming_record(message(HOME[0], 2, to=[whatsapp(1)]), PARTITIONS, {})
    body = msgspec.json.decode(good.value) | change
    road.say(message(HOME[0], 1), message(HOME[1], 1))
    road.log.append([good], 5)
    road.say(message(HOME[0], 3), message(HOME[1], 2))
    odd = {"value": msgspec.json.encode(body), "headers": headers}
    with seen_by_older_code(road, 1, **odd):
        road.run(again=again)
        with pytest.raises(Permanent, match="unreadable"):
            reprocessing.again(road.parts, INCOMING, Range(0, 1, 1), "try", 5)
    assert {partition: each.done for partition, each in road.store.progress(INCOMING).items()} == {0: 2, 1: 1}
    assert len(road.store.page(HOME[0], None, None, 10)) == 2
    [(where, letter)] = road.store.buried(INCOMING, road.everything().ranges).items()
    assert (where, letter.reason) == ((0, 1), "unreadable")
    reprocessing.append(road.parts, reprocessing.again(road.parts, INCOMING, Range(0, 1, 1), "try", 5))
    with seen_by_older_code(road, 1, **odd):
        road.run()
    assert len(road.store.page(HOME[0], None, None, 10)) == 3


def _as_read(value: bytes, **headers: str) -> Record:
    return Record(INCOMING, 0, 0, "k", value, headers, 0)


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"type":"message"}', b'{"type":1}', b"\xff", b'{"type":"message","payload":{}}']
)
def test_what_is_no_record_at_all_is_still_set_aside(value: bytes) -> None:
    """Only what says that it is of another version waits; rubbish would wait for ever."""
    with pytest.raises(Permanent, match="unreadable"):
        read_message(_as_read(value))
    with pytest.raises(Permanent, match="unreadable"):
        read_status(_as_read(value))
