"""What older code wrote down is read by today's, and written again it is the same."""

import json
from typing import Any

import msgspec
import pytest

from bridges.streaming.cursor import Cursor
from chat4all.model import files, ids, messages, records
from chat4all.model.content import Media, Text
from chat4all.model.drafts import FileDraft
from chat4all.model.events import decode, encode
from chat4all.model.records import (
    EVENTS,
    INCOMING,
    STATUS,
    BatchRef,
    Record,
    incoming_record,
    read_message,
    read_status,
    status_record,
)
from chat4all.services.access import tokens
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes import dead_letters
from tasks.outcomes.events import message_event
from tests.golden.past import golden, of_version_3
from tests.golden.past import records as kept
from tests.tasks.declared import declared

MAKERS: dict[str, Any] = {
    "provider_message_id": ids.first_message_id,
    "resend_message_id": ids.resend_message_id,
    "contact_conversation_id": ids.contact_conversation_id,
    "private_conversation_id": ids.private_conversation_id,
    "seq_at": messages.seq_at,
    "contact_id": ids.contact_id,
    "inbound_file_id": ids.inbound_file_id,
    "message_holder": files.message_holder,
    "partition_of": records.partition_of,
    "record_letter": lambda *args: dead_letters.record_letter(*args).letter_id,
}
# What senders chose, in the types of today: their fields are in the digest in the order that they are declared in.
CHOSEN: list[list[Any]] = [
    ["alice", Text("hello"), None, None, {}],
    ["alice", Text("hello"), None, None, {}],
    ["alice", FileDraft("f-1", "a caption"), ["all"], ["bob", "eve"], {"b": 1, "a": {"z": [1, 2.5, None], "y": "ü"}}],
    ["whatsapp", "+5511999990000", Text("hello?")],
    ["instagram", "+5511999990001", Media("f-2", "a picture", "cat.png", "image/png")],
]


@pytest.mark.parametrize("record", kept(INCOMING), ids=lambda each: f"{each.partition}-{each.offset}")
def test_a_message_record_is_read_and_written_again_as_it_was(record: Record) -> None:
    """The same bytes come out, in the same partition, with the same header for the bridge."""
    again = incoming_record(read_message(record), 2, {})
    assert (again.value, again.key, again.partition) == (record.value, record.key, record.partition)
    assert again.headers["recipients"] == record.headers["recipients"]


@pytest.mark.parametrize(("record", "event"), of_version_3(), ids=[str(each.offset) for each, _ in of_version_3()])
def test_a_message_of_version_3_is_read_and_written_again_as_it_was(record: Record, event: bytes) -> None:
    """The same bytes come out, with the version that keeps older code from it, and readers are told the same."""
    message = read_message(record)
    again = incoming_record(message, 2, {})
    assert (again.value, again.key, again.partition) == (record.value, record.key, record.partition)
    assert again.headers == record.headers
    assert again.headers["v"] == "3"
    told = pb.Event.FromString(event)
    assert message_event(message.placed(told.message.seq), 2).body == event


@pytest.mark.parametrize("record", kept(STATUS), ids=lambda each: f"{each.partition}-{each.offset}")
def test_a_receipt_or_position_is_read_and_written_again_as_it_was(record: Record) -> None:
    """The same bytes come out, in the same partition."""
    again = status_record(read_status(record), 2, {})
    assert (again.value, again.key, again.partition) == (record.value, record.key, record.partition)


@pytest.mark.parametrize("record", kept(EVENTS), ids=lambda each: f"{each.partition}-{each.offset}")
def test_an_event_is_read_and_routed(record: Record) -> None:
    """Its kind and its conversation are found where the stream looks for them, and nothing in it is unknown."""
    body, event = pb.Event.FromString(record.value), decode(record)
    assert body.WhichOneof("kind") == event.kind
    assert event.conversation_id == getattr(body, event.kind).conversation_id
    assert body.SerializeToString() == record.value


@pytest.mark.parametrize("record", kept(EVENTS), ids=lambda each: f"{each.partition}-{each.offset}")
def test_an_event_written_again_says_all_that_it_said(record: Record) -> None:
    """In the same place and the same bytes; to its headers are added only those that have come since."""
    again = encode(decode(record))
    assert (again.topic, again.partition, again.key, again.value) == (record.topic, record.partition, record.key, record.value)
    assert record.headers.items() <= again.headers.items()
    assert again.headers.keys() - record.headers.keys() <= {"v", "member", "rank", "further", "rejected"}


@pytest.mark.parametrize(("chosen", "given"), list(zip(CHOSEN, golden("digests.json"), strict=True)))
def test_a_digest_is_what_it_was(chosen: list[Any], given: dict[str, Any]) -> None:
    """Who repeats an old message is told that it is the same."""
    assert messages.body_digest(*chosen) == given["digest"]


@pytest.mark.parametrize("name", MAKERS)
def test_an_id_is_what_it_was(name: str) -> None:
    """What was made by the old recipe is found by it."""
    for args, made in golden("ids.json")[name]:
        assert MAKERS[name](*args) == made


@pytest.mark.parametrize("given", golden("cursors.json"), ids=lambda each: each["text"])
def test_a_cursor_is_read(given: dict[str, Any]) -> None:
    """A reader of then goes on where it was."""
    cursor = Cursor.decode(given["text"], given["log"])
    assert ({str(part): seq for part, seq in cursor.positions.items()}, cursor.at) == (given["positions"], given["at"])


@pytest.mark.parametrize("given", golden("tokens.json")["tokens"], ids=lambda each: f"{each['user_id']}-{each['kind']}")
def test_a_token_is_read(given: dict[str, Any]) -> None:
    """Who had logged in before the upgrade is still known after it."""
    caller = tokens.verify(given["token"], golden("tokens.json")["key"], given["kind"])
    assert (caller.user_id, caller.kind.value, caller.scopes) == (
        given["user_id"],
        given["user_kind"],
        frozenset(given["scopes"]),
    )


def test_a_celery_message_finds_its_task() -> None:
    """Chains, wake-ups that wait in the broker during an upgrade are understood: name, arguments, what follows."""
    app = declared()
    refs = [msgspec.convert(each, BatchRef) for each in golden("celery.json")["refs"]]
    found = []
    for each in golden("celery.json")["messages"]:
        args, kwargs, embedded = json.loads(each["body"])
        following = [step["task"] for step in embedded["chain"] or ()]
        assert {each["headers"]["task"], *following} <= app.tasks.keys()
        assert kwargs == {}
        if isinstance(args[0], dict):
            found.append(msgspec.convert(args[0], BatchRef))
            assert str(found[-1]) in each["headers"]["argsrepr"]
    assert found == refs
