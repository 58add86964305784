"""What each type of event says: when it is told, and its fields. docs/events.md and OpenAPI's `webhooks` are made of it.

A field is only ever added, and a meaning never changes. Examples: event_examples.py.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chat4all.model.deliveries import State

# The JSON of a field, by the word that stands for it here.
JSON: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string"},
    "id": {"type": "string"},
    "number": {"type": "integer", "format": "int64"},
    "flag": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "names": {"type": "array", "items": {"type": "string"}},
    "words": {"type": "object", "additionalProperties": {"type": "string"}},
    "object": {"type": "object", "additionalProperties": True},
    "payload": {"type": "object", "additionalProperties": True},
}


class Field(Struct, frozen=True):
    """A field of `data`. `form`: a word of `JSON`. `always`: it is there in every event. `inner`: an object's own fields."""

    name: str
    form: str
    means: str
    always: bool = True
    inner: tuple["Field", ...] = ()


class EventType(Struct, frozen=True):
    """A type. `kind`: the field of gRPC's Event, and the name of the SSE event. `summary`: when it is told."""

    name: str
    kind: str
    summary: str


ENVELOPE = (
    Field("id", "id", "Names the event: letters, digits, `-` and `_`, 64 at most. The same however often it is told"),
    Field("type", "string", "One of the types below; there will be more"),
    Field("timestamp", "time", "When it happened, as far as we know"),
    Field("workspace", "string", "Whose it is; `default`"),
    Field("conversation_id", "id", "The conversation that it belongs to; events of one are told in order", always=False),
    Field("seq", "number", "Of a message: its number in its conversation. Growing, with gaps", always=False),
    Field("data", "object", "The fields of its type"),
)

# Of all events of accounts.
ACCOUNTS = "The account as it is then, some seconds after the change; compare `account_version`. Streams tell it to those of "
ACCOUNTS += "all conversations alone"
# Of all events of contacts.
CONTACTS = "The contact as it is then; compare `contact_version`. Streams tell it to those of all conversations alone"

CATALOG = (
    EventType(
        "message.accepted",
        "message",
        "Somebody said something: a user, your system, or a person whom a provider brought. Reactions come so too: "
        "`payload.type` says what it is",
    ),
    EventType("message.updated", "message", "A message was edited: `payload` is an `edit` that names it as `target`"),
    EventType("message.deleted", "message", "A message was taken back: `payload` is a `deletion` that names it as `target`"),
    EventType(
        "message.rejected",
        "rejected",
        "An accepted message was not kept: its `message_id` belongs to another body; or it was to be sent later, and could not "
        "be sent then. Streams tell its sender alone",
    ),
    EventType(
        "message.scheduled",
        "scheduled",
        "A message was accepted that is to be sent later, or its time or words changed, or it was cancelled. When it is sent "
        "`message.accepted` says so, or `message.rejected` why it is not. Newest value, never backwards. Streams tell its "
        "sender, and those of all conversations; what is not said yet is no other member's",
    ),
    EventType("delivery.updated", "state", "A message came further on its way to one recipient: latest value, never backwards"),
    EventType(
        "position.updated",
        "position",
        "Somebody has received or read more: latest value, never backwards. Members are told of members; streams of all "
        "conversations, and endpoints, also of who answers without being one",
    ),
    EventType("conversation.created", "conversation", "A conversation was made"),
    EventType(
        "conversation.members_changed", "conversation", "Somebody came into a conversation, or left it: ask who is in it now"
    ),
    EventType(
        "conversation.updated",
        "handling",
        "The team handles it otherwise: state, assignee, priority, labels, handler. Newest value, never backwards. "
        "Streams tell it to those of all conversations alone",
    ),
    EventType(
        "note.accepted",
        "note",
        "Somebody who answers wrote an internal note. Endpoints that name these types hear of it; streams tell it to those of "
        "all conversations alone",
    ),
    EventType("note.updated", "note", "A note was edited, as `message.updated` says it of a message"),
    EventType("note.deleted", "note", "A note was taken back, as `message.deleted` says it of a message"),
    EventType("contact.created", "contact", f"Somebody became known by an address: they wrote, or were brought in. {CONTACTS}"),
    EventType("contact.updated", "contact", f"Name, tags, notes, time zone, attributes or block of one changed. {CONTACTS}"),
    EventType("contact.consent_changed", "contact", f"Somebody said whether they want what they did not ask for. {CONTACTS}"),
    EventType(
        "contact.merged",
        "contact",
        f"This contact is one with another, `merged_into`, which is told of as `contact.updated`. {CONTACTS}",
    ),
    EventType("contact.unmerged", "contact", f"This contact is apart again from the one that it was merged into. {CONTACTS}"),
    EventType(
        "broadcast.updated",
        "broadcast",
        "A broadcast was started, paused, stopped, is done, or came further, which is told every few seconds. Newest value, "
        "never backwards. Streams tell it to those of all conversations alone",
    ),
    EventType(
        "account.updated",
        "account",
        "An account was connected, renamed, paused, limited, given other credentials or removed, or its provider refuses it. "
        f"{ACCOUNTS}",
    ),
    EventType(
        "account.health_changed",
        "account",
        "What a provider says of an account changed: its quality, limits, restrictions, how long its token is good, or "
        "that nothing is sent from it for now (`suspended`, `suspended_until`), because it refused messages. "
        f"{ACCOUNTS}",
    ),
    EventType(
        "template.updated",
        "template",
        "What a provider says of an account's template changed: its status, category, quality or words. Newest value. Streams "
        "tell it to those of all conversations alone",
    ),
    EventType(
        "file.updated",
        "file",
        "A file came to an end of its way: it can be had, it failed, or it is gone. Newest value, never backwards. Streams "
        "tell it of an upload to who uploads it, of what a provider brought to the members who may read it",
    ),
    EventType(
        "webhook.disabled",
        "webhook",
        "An endpoint is told nothing more: by hand, because it answered 410, or because nothing succeeded for five days. Your "
        "other endpoints are told. Streams tell it to those of all conversations alone",
    ),
    EventType(
        "typing.updated",
        "typing",
        "Somebody types: a member, which members are told; or who answers without being one, which streams tell to those of "
        "all conversations alone. Told at once or never: not kept, not repeated. Endpoints that name this type hear of it",
    ),
    EventType(
        "presence.updated",
        "presence",
        "Somebody came or went: who shares a conversation with them is told. Told at once or never: ask for what is true now. "
        "Endpoints that name this type hear of it",
    ),
)
BY_NAME = {each.name: each for each in CATALOG}

_CONVERSATION = Field("conversation_id", "id", "The conversation")
_VERSION = Field("members_version", "number", "How often the members have changed, from 1")

ORIGIN = (
    Field("channel", "string", "The channel", always=False),
    Field("account", "string", "Whom of yours the person wrote to, as the provider calls it", always=False),
    Field("provider_id", "string", "The message's id at the provider", always=False),
    Field("provider_at", "time", "When it was written, as the provider says"),
    Field("app", "string", "`provider`: a colleague wrote it in the provider's own app", always=False),
    Field("group_id", "string", "The same for all messages of one album", always=False),
    Field("account_id", "string", "What the API calls the account; the environment's has none", always=False),
)

# Of what was said.
SAID = (
    Field("message_id", "id", "The message"),
    _CONVERSATION,
    Field("seq", "number", "Its number in the conversation"),
    Field("sender", "string", "The user who said it; `contact-…` is a person on a channel"),
    Field("sender_name", "string", "What a group shows of the sender; else empty"),
    Field("members_version", "number", "The members that it went to"),
    Field("channels", "names", "The channels that it goes out on; empty: it stays here, or came from outside"),
    Field("account_ids", "names", "The accounts that it goes out from; empty: those of the environment only"),
    Field("payload", "payload", "What was said, as the REST API shows it; `type` names the kind of content"),
    Field("metadata", "object", "What the sender put beside it"),
    Field("accepted_at", "time", "When it was accepted"),
    Field("reply_to", "id", "The `message_id` of what it answers", always=False),
    Field("origin", "object", "Where a provider's message comes from", always=False, inner=ORIGIN),
    Field("forwarded", "flag", "The person forwarded it", always=False),
    Field("referral", "words", "The ad, product or link that the person came from", always=False),
)

# By kind: the fields of `data`.
FIELDS: Mapping[str, tuple[Field, ...]] = {
    "message": SAID,
    "note": SAID,
    "state": (
        Field("message_id", "id", "The message"),
        _CONVERSATION,
        Field("seq", "number", "The message's number"),
        Field("recipient", "string", "The user to whom it goes"),
        Field("channel", "string", "The channel on which it goes"),
        Field("state", "string", f"How far it has come: {', '.join(State)}; there may be more"),
        Field("reason", "string", "Why it failed, or was refused last; else empty"),
        Field("account_id", "string", "The account that it is sent from; empty: the environment's"),
    ),
    "position": (
        _CONVERSATION,
        Field("user_id", "string", "The member, or who answers"),
        Field("delivered_up_to", "number", "The `seq` up to which they have received"),
        Field("read_up_to", "number", "The `seq` up to which they have read"),
    ),
    "rejected": (
        Field("message_id", "id", "The message that was not kept"),
        _CONVERSATION,
        Field("reason", "string", "Why"),
    ),
    "scheduled": (
        Field("message_id", "id", "The message"),
        Field("conversation_id", "id", "Where it is to go, as far as that is known now"),
        Field("sender", "string", "The user who says it"),
        Field("state", "string", "scheduled, cancelled"),
        Field("send_at", "time", "When it is sent"),
        Field("scheduled_version", "number", "Grows with each change"),
    ),
    "conversation": (_CONVERSATION, _VERSION),
    "handling": (
        _CONVERSATION,
        Field("state", "string", "open, snoozed, closed"),
        Field("assignee", "string", "Whose it is, a user id; empty: nobody's"),
        Field("priority", "string", "low, normal, high, urgent"),
        Field("labels", "names", "Its labels"),
        Field("handler", "string", "Who answers: bot, human, nobody"),
        Field("changed_by", "string", "Who changed it; empty: its customer wrote, or its snooze was over"),
        Field("snoozed_until", "time", "When the snooze is over", always=False),
        Field("handling_version", "number", "Grows with each change"),
    ),
    "contact": (
        Field("contact_id", "id", "The contact"),
        Field("change", "string", "created, updated, consent_changed, merged, unmerged"),
        Field("display_name", "string", "What they are called"),
        Field("tags", "names", "Their tags"),
        Field("consents", "words", "By channel whether they want what they did not ask for: granted, revoked"),
        Field("blocked", "flag", "The team blocks them"),
        Field("changed_by", "string", "Who changed it; empty: the contact did"),
        Field("merged_into", "string", "Of merged and unmerged the contact that it is, or was, one with; else empty"),
        Field("contact_version", "number", "Grows with each change; 0: nobody has changed it yet"),
    ),
    "broadcast": (
        Field("broadcast_id", "id", "The broadcast"),
        Field("state", "string", "running, paused, stopped, done"),
        Field("broadcast_version", "number", "Grows with each change"),
        Field("accepted", "number", "Messages that were accepted"),
        Field("refused", "number", "Messages that were refused"),
        Field("skipped", "number", "Those that were passed over"),
        Field("waiting", "number", "Those that have their turn later"),
        Field("withdrawn", "number", "Messages that a stop kept from being sent"),
    ),
    "account": (
        Field("account_id", "string", "The account"),
        Field("change", "string", "updated, health_changed"),
        Field("account_version", "number", "Grows with each change, with gaps"),
        Field("channel", "string", "Its channel"),
        Field("provider_account_id", "string", "What the provider calls it"),
        Field("name", "string", "What the team calls it"),
        Field("state", "string", "connecting, active, paused, failing, removed"),
        Field("reason", "string", "Why it is failing; else empty"),
        Field(
            "health", "words", "What the provider says of it, as `GET /v1/accounts/{id}/health` shows it; times in milliseconds"
        ),
        Field("advice", "names", "Codes of what somebody should do, the worst first"),
    ),
    "template": (
        Field("account_id", "string", "The account; the environment's has its channel's name"),
        Field("name", "string", "The template"),
        Field("language", "string", "In this language"),
        Field("status", "string", "In the provider's word: APPROVED, PENDING, REJECTED, PAUSED, DISABLED; DELETED: it is gone"),
        Field("category", "string", "MARKETING, UTILITY, AUTHENTICATION"),
        Field("quality", "string", "What people think of it, in the provider's word: GREEN, YELLOW, RED; else empty"),
        Field("reason", "string", "Why it was rejected; else empty"),
    ),
    "file": (
        Field("file_id", "id", "The file"),
        Field("conversation_id", "id", "The conversation that it is for"),
        Field("status", "string", "ready, failed, expired"),
        Field("file_version", "number", "Grows with each change"),
        Field("owner", "string", "Who uploaded it, or sent it through a provider"),
        Field("filename", "string", "What it is called"),
        Field("mime_type", "string", "Its type; of what is ready as its bytes say it"),
        Field("size", "number", "Bytes; 0 while nobody knows"),
        Field("checksum", "string", "sha256 in hex, of what is ready; else empty"),
        Field("reason", "string", "Why it failed; else empty"),
    ),
    "webhook": (
        Field("webhook_id", "id", "The endpoint"),
        Field("change", "string", "disabled; test, in what `POST …/test` sends"),
        Field("reason", "string", "gone, failing, by_hand; else empty"),
    ),
    "typing": (
        _CONVERSATION,
        Field("user_id", "string", "Who types"),
        Field("until", "time", "When it is over, if nothing more is said of it"),
    ),
    "presence": (
        Field("user_id", "string", "Who came or went"),
        Field("online", "flag", "Whether a stream of theirs is open, or was less than 30 s ago"),
        Field("last_seen", "time", "Of who is not online: when their last stream ended", always=False),
    ),
}


def schema_of(field: Field) -> dict[str, Any]:
    """A field as a JSON Schema."""
    made = dict(JSON[field.form])
    if field.inner:
        made = object_of(field.inner)
    return made | {"description": field.means}


def object_of(fields: tuple[Field, ...]) -> dict[str, Any]:
    """An object with these fields, and others that are to come."""
    return {
        "type": "object",
        "required": [each.name for each in fields if each.always],
        "properties": {each.name: schema_of(each) for each in fields},
        "additionalProperties": True,
    }
