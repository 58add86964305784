"""An event has one id and one type, whichever way it is told."""

import json

import pytest

from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from chat4all.model.broadcasts import Broadcast
from chat4all.model.callers import Caller
from chat4all.model.contacts import CONSENT_CHANGED, CREATED, MERGED, REVOKED, UNMERGED, UPDATED, Consent, Merge, Profile
from chat4all.model.content import Deletion, Edit, Text
from chat4all.model.conversations import Conversation, ConversationType, Membership, User, UserKind
from chat4all.model.deliveries import Delivery, DeliveryKey, Facts, Lane, Watermark
from chat4all.model.drafts import Draft
from chat4all.model.event_envelope import envelope
from chat4all.model.event_examples import as_read
from chat4all.model.event_json import event_json
from chat4all.model.event_types import TYPES, event_type
from chat4all.model.events import Event
from chat4all.model.files import StoredFile
from chat4all.model.handling import Handling
from chat4all.model.messages import Message
from chat4all.model.passing import presence_event, typing_event
from chat4all.model.scheduled_messages import ScheduledMessage, new_record
from chat4all.ports import ConnectedAccount
from chat4all.ports.templates import AccountTemplate
from chat4all.ports.webhooks import Ended
from chat4all.services.acceptance.conversation_events import conversation_event
from chat4all.services.acceptance.scheduled_events import scheduled_event
from chat4all.services.accounts import changes
from chat4all.services.accounts.changes import account_event
from chat4all.services.broadcasts.broadcast_events import broadcast_event
from chat4all.services.contacts.contact_events import contact_event
from chat4all.services.files.file_events import file_event
from chat4all.services.handling import handling_event
from chat4all.services.templates import template_event
from chat4all.services.webhooks import own_events
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes import events

TALK, ONE, TWO = (f"7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f{end}" for end in ("10", "11", "12"))


def _said(payload: Text | Edit | Deletion) -> Event:
    return events.message_event(Message(ONE, TALK, "alice", payload, 1, 1_000).placed(7), 2)


def _noted(payload: Text | Edit | Deletion) -> Event:
    return events.message_event(Message(ONE, TALK, "alice", payload, 1, 1_000, visibility="internal").placed(7), 2)


def _conversation(version: int) -> Event:
    return conversation_event(Membership(Conversation(TALK, ConversationType.GROUP, "alice", 1), version, ()), 2)


def _contact(change: str) -> Event:
    profile = Profile("c", 3, 2_000, "anna", ("vip",), consents={"whatsapp": Consent(REVOKED, 2_000)}, merges=(Merge("b", 9),))
    return contact_event(User("c", UserKind.CONTACT, 1_000, "Ana"), profile, change, 2)


DELIVERY = Delivery(DeliveryKey(Lane("whatsapp", 0), 7, 0), TALK, ONE, "bob", "+5511999990000", Text("hello"), 1_000)
LATER = new_record(ScheduledMessage(ONE, TALK, "alice", Caller("alice"), Draft(Text("hello")), "d"), 9_000, 2_000)
ACCOUNT = ConnectedAccount(
    "a", "whatsapp", "1065", changed_at=2_000, changed_version=3, health_version=4, health={"quality": "RED"}
)
MADE = {
    "message.accepted": _said(Text("hello")),
    "message.updated": _said(Edit(Text("hullo"), TWO)),
    "message.deleted": _said(Deletion(TWO)),
    "note.accepted": _noted(Text("hello")),
    "note.updated": _noted(Edit(Text("hullo"), TWO)),
    "note.deleted": _noted(Deletion(TWO)),
    "message.rejected": events.rejected_event(Message(ONE, TALK, "alice", Text("hello"), 1, 1_000), "message_id_conflict", 2),
    "message.scheduled": scheduled_event(LATER, 2),
    "delivery.updated": events.state_event(DELIVERY.seen(Facts(sent_at=2_000)), 2_000, 2),
    "position.updated": events.position_event(Watermark(TALK, "bob", 7, 3), 2_000, 2),
    "conversation.created": _conversation(1),
    "conversation.members_changed": _conversation(2),
    "conversation.updated": handling_event(Handling(TALK, 3, "closed", labels=("vip",), changed_at=2_000), 2),
    **{f"contact.{each}": _contact(each) for each in (CREATED, UPDATED, CONSENT_CHANGED, MERGED, UNMERGED)},
    "broadcast.updated": broadcast_event(Broadcast("b", "", {}, "whatsapp", "vip", 1, "crm", 1, version=7), 2, 2_000),
    **{f"account.{each}": account_event(ACCOUNT, each, 2) for each in (changes.UPDATED, changes.HEALTH_CHANGED)},
    "template.updated": template_event("whatsapp", AccountTemplate("a", "en", "UTILITY", status="PAUSED", at=2_000), 2),
    "file.updated": file_event(StoredFile(ONE, TALK, "bob", "a.png", "image/png", 9, 9, 1_000, due_at=9_000), 2),
    "webhook.disabled": own_events.disabled("w", Ended(3, 1, "gone"), 2),
    "typing.updated": typing_event(TALK, "alice", 2_000, 2),
    "presence.updated": presence_event("alice", 2_000, online=True),
}


def test_every_type_is_made() -> None:
    """The table below has all of them."""
    assert MADE.keys() == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_streams_and_webhooks_say_the_same_id_and_type(kind: str) -> None:
    """Over gRPC, as Server-Sent Events and to webhooks, made here or read from the log; all else in its bytes stays."""
    for event in (MADE[kind], as_read(MADE[kind])):
        [grpc] = pb.Events.FromString(Frame([event], Cursor()).encoded()).events
        sse, sent = json.loads(event_json(event.body)), json.loads(envelope(event).body)
        assert event_type(event) == kind
        assert (grpc.type, sse["type"], sent["type"]) == (kind, kind, kind)
        assert grpc.id == sse["id"] == sent["id"]
        grpc.ClearField("type")
        grpc.ClearField("id")
        assert grpc == pb.Event.FromString(event.body)
