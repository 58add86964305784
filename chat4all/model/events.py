"""The envelope of an event: what readers are told of a conversation, and how that is laid out in a chat-events record.

`encode` and `decode` are the only places that know the layout. The value is a serialised `chat.v1.Event`, made once; every
reader gets these bytes. The headers hold what is needed to pass an event on, so that nobody parses it on the way.
"""

from msgspec import Struct

from chat4all.model.records import (
    EVENTS,
    FORWARDED_VERSION,
    MESSAGE_HEADER,
    SIGNALS,
    TEAM_VERSION,
    TRACE_HEADER,
    VERSION_HEADER,
    VERSIONED,
    NewRecord,
    Record,
)
from chat4all.v1 import chat_pb2 as pb

# What the store tells again: a reader's full buffer may let go of it. The other kinds are few.
KEPT = frozenset({"message", "state", "position"})

# The header that names the subject of such an event.
SUBJECT_HEADERS = {
    "state": "delivery",
    "position": "member",
    "rejected": "rejected",
    "webhook": "webhook",
    "contact": "contact",
    "provider": "provider",
    "typing": "typing",
    "broadcast": "broadcast",
    "template": "template",
    "file": "file",
    "scheduled": "scheduled",
    "account": "account",
}
# What is told as its newest value, by its subject.
OWN = frozenset({"broadcast", "template", "file"})
# These the store notes when they are learned. Messages and conversations are found by their seq and version.
NOTED = frozenset({"state", "position", "rejected"})
# Nobody is told these but who hears everything: older code must not pass them on.
TEAM_ONLY = frozenset({"handling", "note", "contact"})
# In a topic of their own, or in none: no cursor counts them, and who is late is not told.
PASSING = frozenset({"typing", "presence"})
# What a provider sent, as it was: told to endpoints that ask for it, never by streams. Its body is no chat.v1.Event.
FORWARDED = "provider"


class Event(Struct):
    """One event of a conversation, in its partition of chat-events.

    `kind`: message, note (an internal message), state, position, conversation, rejected, scheduled, handling, webhook, contact,
    broadcast, template, account, file, reload or provider.
    `body`: the serialised chat.v1.Event; of what a provider sent chat4all/model/forwarded.py.
    `seq` is a message's, else -1. `version`: the members' version that a message, conversation or file is of.
    `user` is set for what only one user may see. `subject`: what of the conversation is told anew: of a state the delivery's
    key, of a position the member's user id, of a rejection what was noted of it, of what is sent later the message's id,
    of a webhook, contact, broadcast, template or account its id: they have no conversation; of a file its id. `rank` and
    `further`: how far that has come.
    `trace` and `message_id` are set where the message's trace is recorded. `at` (ms UTC) is when it was published, and
    `offset` its place in chat-events: 0 and -1 where it was not read from there. `json`, `naming` and `type`: kept by
    whoever first needs that form.
    """

    kind: str
    conversation_id: str
    partition: int
    body: bytes
    seq: int = -1
    version: int = 0
    user: str = ""
    subject: str = ""
    rank: int = 0
    further: int = 0
    trace: str = ""
    message_id: str = ""
    at: int = 0
    offset: int = -1
    json: bytes = b""
    naming: bytes = b""
    type: str = ""

    @property
    def about(self) -> str:
        """The delivery, member, handling or message of later whose progress this tells; empty for other kinds."""
        if self.kind == "handling":
            return f"handling {self.conversation_id}"
        if self.kind == "position":
            return member_of(self.conversation_id, self.subject)
        if self.kind == "scheduled":
            return f"scheduled {self.conversation_id} {self.subject}"
        if self.kind in OWN:
            return f"{self.kind} {self.subject}"
        return self.subject if self.kind == "state" else ""

    @property
    def is_kept(self) -> bool:
        """Whether the store tells it again."""
        return self.kind in KEPT

    @property
    def is_passing(self) -> bool:
        """Whether it is worth something for seconds only."""
        return self.kind in PASSING

    @property
    def learned_at(self) -> int:
        """When what it tells was learned, ms UTC. Parses the body."""
        return pb.Event.FromString(self.body).at_ms


def member_of(conversation_id: str, user_id: str) -> str:
    """What a position is about."""
    return f"{conversation_id} {user_id}"


def encode(event: Event) -> NewRecord:
    """The chat-events record of an event."""
    headers = {"kind": event.kind, "conversation": event.conversation_id, **_details(event)}
    if event.trace:
        headers |= {TRACE_HEADER: event.trace, MESSAGE_HEADER: event.message_id}
    topic = SIGNALS if event.is_passing else EVENTS
    return NewRecord(topic, event.partition, event.conversation_id, event.body, headers | _version(event.kind))


def _version(kind: str) -> dict[str, str]:
    if kind == FORWARDED:
        return {VERSION_HEADER: str(FORWARDED_VERSION)}
    return {VERSION_HEADER: str(TEAM_VERSION)} if kind in TEAM_ONLY else VERSIONED


def _details(event: Event) -> dict[str, str]:
    match event.kind:
        case "message" | "note":
            return {"seq": str(event.seq), "version": str(event.version)}
        case "position":
            return {"member": event.subject, "rank": str(event.rank), "further": str(event.further)}
        case "conversation":
            return {"version": str(event.version)}
        case "handling":
            return {"rank": str(event.rank)}
        case "rejected" | "scheduled":
            ranked = {"rank": str(event.rank)} if event.rank else {}
            return {"user": event.user, SUBJECT_HEADERS[event.kind]: event.subject} | ranked
        case kind if kind in SUBJECT_HEADERS:
            owned = {"user": event.user, "version": str(event.version)} if kind == "file" else {}
            return {SUBJECT_HEADERS[kind]: event.subject, "rank": str(event.rank)} | owned
    raise ValueError(f"a {event.kind} event is in no record")


def kind_of(record: Record | NewRecord) -> str:
    """The kind of the event in a chat-events record, for who passes over most of them."""
    return record.headers.get("kind", "")


def of_kind(kind: str) -> dict[str, str]:
    """The headers of a record of a kind that is no event: what a process says to others beside events."""
    return {"kind": kind, **VERSIONED}


def decode(record: Record) -> Event:
    """The event in a chat-events record. ValueError when its headers make no sense. Of kinds not known, what all kinds have."""
    headers = record.headers
    kind = kind_of(record)
    is_said = kind in ("message", "note")
    if is_said and not ("seq" in headers and "version" in headers):
        raise ValueError("a message event without seq or version")
    subject, rank, further = _subject(kind, record)
    return Event(
        kind=kind,
        conversation_id=headers.get("conversation", record.key),
        partition=record.partition,
        body=record.value,
        seq=int(headers["seq"]) if is_said else -1,
        version=int(headers.get("version", 0)),
        user=headers.get("user", ""),
        subject=subject,
        rank=rank,
        further=further,
        trace=headers.get(TRACE_HEADER, ""),
        message_id=headers.get(MESSAGE_HEADER, ""),
        at=record.at,
        offset=record.offset if record.topic == EVENTS else -1,
    )


def _subject(kind: str, record: Record) -> tuple[str, int, int]:
    """What an event is of, and how far that has come. Older records of positions say it only inside."""
    headers = record.headers
    if kind == "position" and "member" not in headers:
        read = pb.Event.FromString(record.value).position
        return read.user_id, read.delivered_up_to, read.read_up_to
    subject = headers.get(SUBJECT_HEADERS.get(kind, ""), "")
    return subject, int(headers.get("rank", 0)), int(headers.get("further", 0))
