"""What records hold, and what is refused of them."""

from collections.abc import Callable

import pytest

from chat4all.model.content import Text
from chat4all.model.failures import Permanent
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, RECORD_MOST, Record, incoming_record, read_message, read_status


def _record(value: bytes) -> Record:
    return Record(INCOMING, 0, 0, "c", value, {}, 0)


def test_a_message_comes_back_as_it_was() -> None:
    """Written and read: the same message."""
    message = Message("m", "c", "alice", Text("hello"), 1, 1000)
    assert read_message(_record(incoming_record(message, 4, {}).value)) == message


@pytest.mark.parametrize("read", [read_message, read_status])
def test_what_no_stream_could_carry_is_unreadable(read: Callable[[Record], object]) -> None:
    """A giant record is set aside, however well-formed: its event would end every stream that has to carry it."""
    giant = incoming_record(Message("m", "c", "alice", Text("x" * RECORD_MOST), 1, 1000), 4, {})
    with pytest.raises(Permanent, match="unreadable"):
        read(_record(giant.value))
