"""A record of a newer version stops its partition and nothing else; nobody buries it, and after the upgrade it is read."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from chat4all.failures import Newer, Permanent
from chat4all.measuring import REGISTRY
from chat4all.records import (
    INCOMING,
    STATUS,
    NewRecord,
    Position,
    Range,
    Record,
    incoming_record,
    read_message,
    read_status,
    status_record,
)
from tasks.operations import reprocessing
from tests.tasks.world import PERSIST, World, message, new_id, whatsapp, world

PARTITIONS = 4
# Of each partition, one conversation.
HOME = {incoming_record(message(name, 0), PARTITIONS, {}).partition: name for name in map(str, range(40))}


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=PARTITIONS) as road:
        yield road


def counted() -> float:
    return REGISTRY.get_sample_value("chat4all_newer_records_total", {"topic": INCOMING}) or 0


def newer(partition: int, number: int, **changed: object) -> NewRecord:
    """A message of a version to come: by its header, or by a kind of payload that nobody has heard of."""
    record = incoming_record(message(HOME[partition], number, to=[whatsapp(1)]), PARTITIONS, {})
    if "payload" in changed:
        body = msgspec.json.decode(record.value) | {"payload": changed["payload"]}
        return msgspec.structs.replace(record, value=msgspec.json.encode(body))
    return msgspec.structs.replace(record, headers=record.headers | {"v": str(changed["v"])})


KINDS: list[dict[str, object]] = [{"v": "3"}, {"v": "17"}, {"v": "x"}, {"payload": {"type": "choices", "options": []}}]


@pytest.mark.parametrize("change", KINDS, ids=str)
@pytest.mark.parametrize("again", [False, True])
def test_a_newer_record_stops_its_partition_alone(road: World, change: dict[str, object], again: bool) -> None:
    """What comes before it and the other partitions go on; it and what follows wait, and are no dead letters."""
    road.say(message(HOME[0], 1), message(HOME[0], 2), message(HOME[1], 1))
    road.log.append([newer(0, 3, **change)], 5)
    road.say(message(HOME[0], 4), message(HOME[1], 2))
    before = counted()
    for _ in range(3):
        road.run(again=again)
    progress = {partition: each.done for partition, each in road.store.progress(INCOMING).items()}
    assert progress == {0: 1, 1: 1}
    assert road.store.buried(INCOMING, road.everything().ranges) == {}
    assert [each.payload.text for each in road.store.page(HOME[0], None, None, 10)] == ["hello"] * 2
    assert len(road.store.page(HOME[1], None, None, 10)) == 2
    assert counted() > before
    assert road.store.troubles(INCOMING, road.everything().ranges) == []


def test_after_the_upgrade_it_is_read_in_its_place(road: World) -> None:
    """The version was all that it was waiting for."""
    road.log.append([newer(0, 1, v="3")], 5)
    road.say(message(HOME[0], 2))
    road.run()
    assert road.store.page(HOME[0], None, None, 10) == []
    with patch("chat4all.records._KNOWN", frozenset({"1", "2", "3"})):
        road.run()
    assert [each.message_id for each in road.store.page(HOME[0], None, None, 10)] == [
        new_id("message", HOME[0], number) for number in (1, 2)
    ]


@pytest.mark.parametrize("change", KINDS, ids=str)
def test_what_an_operator_sets_aside_is_passed_over(road: World, change: dict[str, object]) -> None:
    """Where no upgrade comes. It is a dead letter then, and what can be read is not set aside."""
    road.log.append([newer(0, 1, **change)], 5)
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
    road.log.append([newer(0, 1, v="3"), newer(0, 2, v="3")], 5)
    road.run(PERSIST)
    assert road.store.progress(INCOMING) == {}


def test_receipts_of_a_newer_version_wait_too(road: World) -> None:
    """Positions and receipts are records like others."""
    position = Position(HOME[0], "bob", "read", 1, 1)
    record = status_record(position, PARTITIONS, {})
    road.log.append([msgspec.structs.replace(record, headers={"v": "3"}), record], 5)
    road.receive()
    assert road.store.progress(STATUS) == {}
    assert road.store.watermarks([HOME[0]]) == {HOME[0]: []}


def _as_read(value: bytes, **headers: str) -> Record:
    return Record(INCOMING, 0, 0, "k", value, headers, 0)


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"type":"message"}', b'{"type":1}', b"\xff", b'{"type":"message","payload":{}}']
)
def test_what_is_no_record_at_all_is_still_set_aside(value: bytes) -> None:
    """Only what says that it is of another kind or version waits; rubbish would wait for ever."""
    with pytest.raises(Permanent, match="unreadable"):
        read_message(_as_read(value))
    with pytest.raises((Permanent, Newer)):
        read_status(_as_read(value))
