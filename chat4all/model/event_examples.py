"""An event of each type, as the log keeps it and as an endpoint is told of it. docs/events.md and OpenAPI show them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from chat4all.model.event_envelope import envelope
from chat4all.model.events import Event, decode, encode
from chat4all.model.ids import (
    account_event_id,
    contact_event_id,
    conversation_event_id,
    file_event_id,
    handling_event_id,
    position_event_id,
    rejected_event_id,
    scheduled_event_id,
    state_event_id,
    webhook_event_id,
)
from chat4all.model.passing import presence_event, typing_event
from chat4all.model.records import Record
from chat4all.v1 import chat_pb2 as pb

AT = 1_790_000_000_000
CONVERSATION = "0f8f5f0e-3d5c-4f0a-9a40-6d9c0d2b7c11"
FILE = "9d4e6a10-2b3c-4d5e-8f60-718293a4b5c6"
ENDPOINT = "3b1a4c2e-7f5d-4e9b-8a31-5c0e6f7d8a92"
ONE, TWO, THREE = (f"7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f1{number}" for number in (1, 2, 3))
OTHER = "contact-0a4c1b7e-3d2f-5e6a-9b8c-7d6e5f4a3b2c"
SHOP, PERSON = "shop", "contact-5b0f7d1e-9d0c-5c1b-8f52-5b7a0c9e4a10"
DELIVERY = "whatsapp:3:17:0"


def _message(message_id: str, seq: int, at_ms: int, kind: str = "message", **said: Any) -> Event:
    fields = {"members_version": 1, **said}
    body = pb.Event(event_id=message_id, at_ms=at_ms)
    getattr(body, kind).MergeFrom(
        pb.MessageEvent(message_id=message_id, conversation_id=CONVERSATION, seq=seq, accepted_at_ms=at_ms, **fields)
    )
    return Event(kind, CONVERSATION, 3, body.SerializeToString(deterministic=True), seq=seq, version=1, message_id=message_id)


def _of(kind: str, event_id: str, at_ms: int, said: Any, **more: Any) -> Event:
    body = pb.Event(event_id=event_id, at_ms=at_ms)
    getattr(body, kind).MergeFrom(said)
    return Event(kind, CONVERSATION, 3, body.SerializeToString(), **more)


def _own(kind: str, event_id: str, at_ms: int, said: Any, **more: Any) -> Event:
    """Of what has no conversation."""
    body = pb.Event(event_id=event_id, at_ms=at_ms)
    getattr(body, kind).MergeFrom(said)
    return Event(kind, "", 0, body.SerializeToString(), **more)


def _text(words: str) -> pb.Content:
    return pb.Content(text=pb.Text(text=words))


def _members(version: int) -> Event:
    said = pb.ConversationEvent(conversation_id=CONVERSATION, members_version=version)
    return _of("conversation", conversation_event_id(CONVERSATION, version), AT - 60_000, said, version=version)


def _contact(change: str, version: int, at_ms: int, **said: Any) -> Event:
    about = pb.ContactEvent(contact_id=PERSON, contact_version=version, change=change, display_name="Ana", **said)
    body = pb.Event(event_id=contact_event_id(PERSON, version, change), at_ms=at_ms, contact=about)
    return Event("contact", "", 1, body.SerializeToString(deterministic=True), subject=PERSON, rank=version)


def _account(change: str, version: int, at_ms: int, **said: Any) -> Event:
    about = pb.AccountEvent(
        account_id="our-own",
        change=change,
        account_version=version,
        channel="whatsapp",
        provider_account_id="1065",
        name="Shop",
        **said,
    )
    body = pb.Event(event_id=account_event_id("our-own", version, change), at_ms=at_ms, account=about)
    return Event("account", "", 1, body.SerializeToString(deterministic=True), subject="our-own", rank=version)


# By type. More than one where the fields that are there differ.
EXAMPLES: Mapping[str, tuple[Event, ...]] = {
    "message.accepted": (
        _message(ONE, 17, AT, sender=SHOP, text="When shall we come?", channels=["whatsapp"], metadata_json='{"order":"A-17"}'),
        _message(
            TWO,
            19,
            AT + 9_000,
            sender=PERSON,
            sender_name="Ana",
            text="Monday",
            reply_to=ONE,
            origin=pb.Origin(
                channel="whatsapp", account="106540352242922", provider_id="wamid.HBgN", provider_at_ms=AT + 8_000
            ),
            referral={"source_type": "ad", "source_id": "120210"},
        ),
    ),
    "message.updated": (
        _message(
            THREE,
            21,
            AT + 20_000,
            sender=SHOP,
            text="When shall we come on Monday?",
            channels=["whatsapp"],
            content=pb.Content(edit=pb.Edit(target=ONE, content=_text("When shall we come on Monday?"))),
        ),
    ),
    "message.deleted": (
        _message(
            THREE,
            22,
            AT + 30_000,
            sender=SHOP,
            text="",
            channels=["whatsapp"],
            content=pb.Content(deletion=pb.Deletion(target=ONE)),
        ),
    ),
    "message.rejected": (
        _of(
            "rejected",
            rejected_event_id(ONE, "18"),
            AT + 1_000,
            pb.RejectedEvent(message_id=ONE, conversation_id=CONVERSATION, reason="message_id_conflict"),
            user=SHOP,
            subject=f"{ONE} 18 message_id_conflict {SHOP}",
        ),
    ),
    "message.scheduled": (
        _of(
            "scheduled",
            scheduled_event_id(ONE, 1),
            AT + 1_500,
            pb.ScheduledEvent(
                message_id=ONE,
                conversation_id=CONVERSATION,
                sender=SHOP,
                state="scheduled",
                send_at_ms=AT + 3_600_000,
                scheduled_version=1,
            ),
            user=SHOP,
            subject=ONE,
            rank=1,
        ),
    ),
    "delivery.updated": (
        _of(
            "state",
            state_event_id(DELIVERY, "DELIVERED"),
            AT + 2_000,
            pb.StateEvent(
                message_id=ONE, conversation_id=CONVERSATION, seq=17, recipient=PERSON, channel="whatsapp", state="DELIVERED"
            ),
            subject=DELIVERY,
            rank=3,
        ),
    ),
    "position.updated": (
        _of(
            "position",
            position_event_id(CONVERSATION, SHOP, 19, 17),
            AT + 10_000,
            pb.PositionEvent(conversation_id=CONVERSATION, user_id=SHOP, delivered_up_to=19, read_up_to=17),
            subject=SHOP,
            rank=19,
            further=17,
        ),
    ),
    "conversation.created": (_members(1),),
    "conversation.members_changed": (_members(2),),
    "conversation.updated": (
        _of(
            "handling",
            handling_event_id(CONVERSATION, 3),
            AT + 40_000,
            pb.HandlingEvent(
                conversation_id=CONVERSATION,
                version=3,
                state="snoozed",
                snoozed_until_ms=AT + 3_600_000,
                assignee="bob",
                priority="normal",
                labels=["vip"],
                handler="human",
                changed_by="bob",
            ),
            rank=3,
        ),
    ),
    "note.accepted": (_message(TWO, 23, AT + 41_000, "note", sender=SHOP, text="Prefers mornings", reply_to=ONE),),
    "note.updated": (
        _message(
            THREE,
            24,
            AT + 42_000,
            "note",
            sender=SHOP,
            text="Prefers Mondays",
            content=pb.Content(edit=pb.Edit(target=TWO, content=_text("Prefers Mondays"))),
        ),
    ),
    "note.deleted": (
        _message(THREE, 25, AT + 43_000, "note", sender=SHOP, content=pb.Content(deletion=pb.Deletion(target=TWO))),
    ),
    "contact.created": (_contact("created", 0, AT + 7_000),),
    "contact.updated": (_contact("updated", 1, AT + 44_000, tags=["vip"], changed_by="bob"),),
    "contact.consent_changed": (_contact("consent_changed", 3, AT + 46_000, tags=["vip"], consents={"whatsapp": "revoked"}),),
    "contact.merged": (_contact("merged", 4, AT + 47_000, changed_by="bob", merged_into="contact-1d6c"),),
    "contact.unmerged": (_contact("unmerged", 5, AT + 48_000, changed_by="bob", merged_into="contact-1d6c"),),
    "broadcast.updated": (
        _own(
            "broadcast",
            f"broadcast:{ENDPOINT}:9",
            AT + 44_000,
            pb.BroadcastEvent(
                broadcast_id=ENDPOINT, state="running", broadcast_version=9, accepted=200, refused=1, skipped=3, waiting=40
            ),
            rank=9,
            subject=ENDPOINT,
        ),
    ),
    "account.updated": (_account("updated", 12, AT + 44_500, state="paused", advice=["paused"]),),
    "account.health_changed": (
        _account("health_changed", 13, AT + 44_900, state="active", health={"quality": "RED"}, advice=["quality_low"]),
    ),
    "template.updated": (
        _own(
            "template",
            "template:whatsapp:order_shipped:en_US:1767225645000",
            AT + 45_000,
            pb.TemplateEvent(
                account_id="whatsapp",
                name="order_shipped",
                language="en_US",
                status="REJECTED",
                category="UTILITY",
                reason="INVALID_FORMAT",
            ),
            subject="whatsapp order_shipped en_US",
        ),
    ),
    "file.updated": (
        _of(
            "file",
            file_event_id(FILE, 3),
            AT + 46_000,
            pb.FileEvent(
                file_id=FILE,
                conversation_id=CONVERSATION,
                status="ready",
                file_version=3,
                owner=PERSON,
                filename="garden.jpg",
                mime_type="image/jpeg",
                size=48_213,
                checksum="5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            ),
            version=1,
            subject=FILE,
            rank=3,
        ),
        _of(
            "file",
            file_event_id(FILE, 3),
            AT + 47_000,
            pb.FileEvent(
                file_id=FILE,
                conversation_id=CONVERSATION,
                status="failed",
                file_version=3,
                owner=SHOP,
                filename="price list.pdf",
                mime_type="application/pdf",
                size=91_004,
                reason="checksum_mismatch",
            ),
            version=1,
            user=SHOP,
            subject=FILE,
            rank=3,
        ),
    ),
    "webhook.disabled": (
        Event(
            "webhook",
            "",
            0,
            pb.Event(
                event_id=webhook_event_id(ENDPOINT, 4),
                at_ms=AT + 50_000,
                webhook=pb.WebhookEvent(webhook_id=ENDPOINT, change="disabled", reason="gone"),
            ).SerializeToString(),
            subject=ENDPOINT,
        ),
    ),
    "typing.updated": (typing_event(CONVERSATION, SHOP, AT + 51_000, 6),),
    "presence.updated": (
        presence_event(SHOP, AT + 52_000, online=True),
        presence_event(SHOP, AT + 53_000, online=False, last_seen=AT + 53_000),
    ),
}


def as_read(event: Event) -> Event:
    """An event as it is read back from the log, at a place there. Who is there is in no log: each process finds that out."""
    if event.kind == "presence":
        return event
    new = encode(event)
    return decode(Record(new.topic, new.partition, 7, new.key, new.value, new.headers, event.learned_at))


def sent_of(event: Event) -> dict[str, Any]:
    """What an endpoint is told of it."""
    said: dict[str, Any] = msgspec.json.decode(envelope(as_read(event)).body)
    return said
