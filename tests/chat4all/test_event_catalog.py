"""What docs/events.md promises is what the codec writes, of events as the stages make them."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from chat4all.model.contacts import CONSENT_CHANGED, CREATED, REVOKED, UPDATED, Consent, Profile
from chat4all.model.content import Deletion, Edit, Text
from chat4all.model.conversations import Conversation, ConversationType, Membership, User, UserKind
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Watermark
from chat4all.model.event_catalog import BY_NAME, CATALOG, ENVELOPE, FIELDS, Field, object_of
from chat4all.model.event_examples import AT, CONVERSATION, DELIVERY, EXAMPLES, ONE, PERSON, SHOP, THREE, TWO, as_read, sent_of
from chat4all.model.event_json import event_json
from chat4all.model.event_types import TYPES, event_type
from chat4all.model.events import Event
from chat4all.model.handling import Handling
from chat4all.model.messages import Message, Origin, Recipient
from chat4all.services.acceptance.conversation_events import conversation_event
from chat4all.services.contacts.contact_events import contact_event
from chat4all.services.handling import handling_event
from chat4all.v1 import chat_pb2 as pb
from ops.events import PAGE, page
from tasks.outcomes.events import message_event, position_event, rejected_event, state_event

PARTITIONS = 6
NAMED = [(name, number) for name, some in EXAMPLES.items() for number in range(len(some))]


def example(name: str, number: int = 0) -> Event:
    """One of a type."""
    return EXAMPLES[name][number]


def test_the_page_is_made_of_the_model() -> None:
    """Run `python -m ops.events` after an event learned something."""
    assert PAGE.read_text() == page(PAGE.read_text()), "run python -m ops.events"


def test_every_type_has_an_example_and_every_kind_a_type() -> None:
    """Nothing that streams tell is left out, but for `reload`, which is about the stream itself."""
    assert list(TYPES) == [each.name for each in CATALOG] == list(EXAMPLES)
    kinds = {field.name for field in pb.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert {each.kind for each in CATALOG} == set(FIELDS) == kinds - {"reload"}


@pytest.mark.parametrize(("name", "number"), NAMED)
def test_an_example_is_what_it_says(name: str, number: int) -> None:
    """Read back from the log it has its type, and what is told of it has the fields of the catalog and no others."""
    event = as_read(example(name, number))
    said = sent_of(event)
    assert said["type"] == event_type(event) == name
    assert event.kind == BY_NAME[name].kind
    assert undocumented(said, (*ENVELOPE[:-1], Field("data", "object", "", inner=FIELDS[event.kind]))) == []
    jsonschema_rs.validate(object_of(ENVELOPE), said, validate_formats=True)
    jsonschema_rs.validate(object_of(FIELDS[event.kind]), said["data"], validate_formats=True)


@pytest.mark.parametrize(("name", "number"), NAMED)
def test_streams_say_the_same_data(name: str, number: int) -> None:
    """Server-Sent Events have all of it, beside words of their own. Ids and types: tests/bridges/test_event_names.py."""
    said, streamed = sent_of(example(name, number)), msgspec.json.decode(event_json(example(name, number).body))
    assert {key: value for key, value in streamed.items() if key in said["data"]} == said["data"]
    assert set(streamed) - set(said["data"]) == {"id", "type", "event_id", "at"}


def test_examples_have_every_field() -> None:
    """One of them at least has it, unless it is one of the few that nobody could write without a group or a colleague."""
    for kind, fields in FIELDS.items():
        shown: set[str] = set()
        for name, some in EXAMPLES.items():
            if BY_NAME[name].kind == kind:
                shown.update(*(sent_of(each)["data"] for each in some))
        rare = {"forwarded", "origin", "referral"} if kind == "note" else {"forwarded"}
        assert {each.name for each in fields} - shown <= rare


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_of_the_stream_is_told(kind: str) -> None:
    """A field that the protocol gains is in the catalog, under its name for JSON."""
    renamed = {"text": "payload", "file": "payload", "content": "payload", "version": "handling_version"}
    body: Any = getattr(pb.Event(), kind)
    names = {each.name.removesuffix("_json").removesuffix("_ms") for each in body.DESCRIPTOR.fields}
    assert {renamed.get(each, each) for each in names} == {each.name for each in FIELDS[kind]}


def undocumented(said: Mapping[str, Any], fields: tuple[Field, ...], place: str = "") -> list[str]:
    """What is said and not in the catalog."""
    known = {each.name: each for each in fields}
    found = [f"{place}{name}" for name in said if name not in known]
    inside = [(name, known[name].inner) for name in said if name in known and known[name].inner]
    return found + [each for name, inner in inside for each in undocumented(said[name], inner, f"{place}{name}.")]


def message(message_id: str, seq: int, payload: Any, at: int, **more: Any) -> Message:
    """As acceptance freezes it."""
    sent = (Recipient(PERSON, "whatsapp", "+5511999990000"),)
    more = {"sender": SHOP, "recipients": sent} | more
    return Message(message_id, CONVERSATION, payload=payload, members_version=1, accepted_at=at, seq=seq, **more)


def staged() -> Iterator[tuple[Event, Event]]:
    """What the stages make of such messages, deliveries and members, and the example that shows it."""
    asked = message(ONE, 17, Text("When shall we come?"), AT, metadata={"order": "A-17"})
    yield message_event(asked, PARTITIONS), example("message.accepted")
    came = message(
        TWO,
        19,
        Text("Monday"),
        AT + 9_000,
        sender=PERSON,
        sender_name="Ana",
        recipients=(),
        reply_to=ONE,
        origin=Origin("whatsapp", "106540352242922", "+5511999990000", "wamid.HBgN", AT + 8_000),
        referral={"source_type": "ad", "source_id": "120210"},
    )
    yield message_event(came, PARTITIONS), example("message.accepted", 1)
    edit = message(THREE, 21, Edit(Text("When shall we come on Monday?"), ONE), AT + 20_000)
    yield message_event(edit, PARTITIONS), example("message.updated")
    yield message_event(message(THREE, 22, Deletion(ONE), AT + 30_000), PARTITIONS), example("message.deleted")
    other = message(ONE, 18, Text("else"), AT + 1_000)
    yield rejected_event(other, "message_id_conflict", PARTITIONS), example("message.rejected")
    key = DeliveryKey(Lane("whatsapp", 3), 17, 0)
    assert str(key) == DELIVERY
    facts = Facts(sent_at=AT + 1_000, delivered_at=AT + 2_000)
    delivery = Delivery(key, CONVERSATION, ONE, PERSON, "+5511999990000", asked.payload, AT, facts=facts)
    yield state_event(delivery, AT + 2_000, PARTITIONS), example("delivery.updated")
    yield (
        position_event(Watermark(CONVERSATION, SHOP, delivered_up_to=19, read_up_to=17), AT + 10_000, PARTITIONS),
        example("position.updated"),
    )

    handling = Handling(CONVERSATION, 3, "snoozed", AT + 3_600_000, 0, "bob", "normal", ("vip",), "human", AT + 40_000, "bob")
    yield handling_event(handling, PARTITIONS), example("conversation.updated")
    ana, asked_by = User(PERSON, UserKind.CONTACT, AT + 7_000, "Ana"), Profile(PERSON, 1, AT + 44_000, "bob", ("vip",))
    yield contact_event(ana, asked_by, CREATED, PARTITIONS), example("contact.created")
    yield contact_event(ana, asked_by, UPDATED, PARTITIONS), example("contact.updated")
    revoked = {"whatsapp": Consent(REVOKED, AT + 46_000)}
    stopped = msgspec.structs.replace(asked_by, version=3, changed_at=AT + 46_000, changed_by="", consents=revoked)
    yield contact_event(ana, stopped, CONSENT_CHANGED, PARTITIONS), example("contact.consent_changed")


@pytest.mark.parametrize(("made", "shown"), list(staged()))
def test_the_stages_make_events_like_the_examples(made: Event, shown: Event) -> None:
    """Byte for byte what is sent."""
    assert sent_of(made) == sent_of(shown)
    assert (made.kind, made.subject, made.rank, made.further) == (shown.kind, shown.subject, shown.rank, shown.further)


@pytest.mark.parametrize(("version", "name"), [(1, "conversation.created"), (2, "conversation.members_changed")])
def test_conversations_are_told_like_the_examples(version: int, name: str) -> None:
    """But for their time."""
    membership = Membership(Conversation(CONVERSATION, ConversationType.GROUP, SHOP, AT), version, ())
    said, shown = sent_of(conversation_event(membership, PARTITIONS)), sent_of(example(name))
    assert said | {"timestamp": ""} == shown | {"timestamp": ""}


def test_two_conversations_may_have_the_same_message_id() -> None:
    """Their events have ids of their own, so a receiver that keeps ids takes neither for the other."""
    one = message(ONE, 17, Text("here"), AT)
    ids = {sent_of(message_event(each, PARTITIONS))["id"] for each in (one, msgspec.structs.replace(one, conversation_id=ONE))}
    assert len(ids) == 2
