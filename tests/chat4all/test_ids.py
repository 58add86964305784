"""Ids that are computed: always the same ones, never a caller's, never of two things. Older ones stand in tests/golden."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model import ids
from chat4all.model.records import EVENTS, Record
from chat4all.v1 import chat_pb2 as pb
from tests.golden.past import records as kept

WORDS = st.text(max_size=20)
UUIDS = [
    ids.made_id("a"),
    ids.provider_message_id("whatsapp", "1", "wamid.1"),
    ids.first_message_id("whatsapp", "1", "wamid.1"),
    ids.keyed_message_id("default", "shop", "k"),
    ids.key_in_batch("k", 0),
    ids.resend_message_id("whatsapp/0/1/0", "1"),
    ids.contact_conversation_id("whatsapp", "1", "+5511999990000"),
    ids.private_conversation_id("alice", "bob"),
    ids.inbound_file_id("m"),
    ids.record_letter_id("chat-incoming", 0, 1),
    ids.delivery_letter_id("whatsapp/0/1/0"),
    ids.webhook_letter_id("unreadable", "whatsapp", "1", b"{}"),
    ids.position_event_id("c", "alice", 1, 1),
    ids.rejected_event_id("m", "1"),
]


def test_no_two_recipes_make_the_same() -> None:
    """Each names what it is for."""
    assert len(set(UUIDS)) == len(UUIDS)


@pytest.mark.parametrize("made", UUIDS)
def test_what_we_make_nobody_may_choose(made: str) -> None:
    """They are canonical UUIDs of the versions that are refused."""
    assert ids.is_uuid(made)
    assert ids.is_reserved(made)


def test_what_callers_choose_is_not_reserved() -> None:
    """A random id, and that which the command line makes of a file's: the same for the same file."""
    file_id = str(uuid4())
    assert not ids.is_reserved(str(uuid4()))
    assert not ids.is_reserved(ids.upload_message_id(file_id))
    assert ids.upload_message_id(file_id) == ids.upload_message_id(file_id.upper())
    assert UUID(ids.upload_message_id(file_id)).version == 4


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_lists_of_names_never_run_into_each_other(one: list[str], other: list[str]) -> None:
    """Whatever separators the names contain."""
    assert (ids.made_id(*one) == ids.made_id(*other)) is (one == other)


@given(WORDS, WORDS)
def test_a_pair_has_one_conversation(one: str, other: str) -> None:
    """Whoever begins it."""
    assert ids.private_conversation_id(one, other) == ids.private_conversation_id(other, one)


@pytest.mark.parametrize("record", kept(EVENTS), ids=lambda each: f"{each.partition}-{each.offset}")
def test_an_event_has_the_id_that_older_code_gave_it(record: Record) -> None:
    """So a reader that was told before an upgrade recognises what is told again after it."""
    event = pb.Event.FromString(record.value)
    assert event.event_id in _possible(event, record.headers)


def _possible(event: pb.Event, told: dict[str, str]) -> list[str]:
    """The ids that today's code would give it. Of what was refused older code did not say which record it was."""
    position = event.position
    match event.WhichOneof("kind"):
        case "state":
            return [ids.state_event_id(told["delivery"], event.state.state)]
        case "position":
            place = (position.conversation_id, position.user_id)
            return [ids.position_event_id(*place, position.delivered_up_to, position.read_up_to)]
        case "conversation":
            return [ids.conversation_event_id(told["conversation"], event.conversation.members_version)]
        case "rejected":
            return [ids.rejected_event_id(event.rejected.message_id, str(seq)) for seq in range(1, 100)]
        case _:
            return [event.message.message_id]
