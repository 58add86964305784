"""Topics, what their records hold, and which partition a key goes to. Producers never choose a partition themselves.

Every record says in a header which version of the format a reader must know to understand all of it. A process that reads a
newer version stops that partition, as in an outage, until it is upgraded: a record that is skipped would be lost.
A record of a known version that cannot be read all the same is set aside as `unreadable`.
"""

from collections.abc import Callable, Mapping
from zlib import crc32

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Media, Text, Vote
from chat4all.model.failures import Newer, Permanent
from chat4all.model.messages import Message
from chat4all.model.slots import rows
from chat4all.model.workspaces import bare

INCOMING = "chat-incoming"
STATUS = "chat-status"
EVENTS = "chat-events"
# What is worth something for seconds: who types, who is there. Nothing else waits behind it, and it waits behind nothing.
SIGNALS = "chat-signals"
TOPICS = (INCOMING, STATUS, EVENTS, SIGNALS)
SIGNALS_KEPT_MS = 3_600_000
# Bytes of a value. Nothing that is accepted comes near it; clients of the stream refuse events above 4 MiB.
RECORD_MOST = 2 << 20
# The newest version that this code reads. Raise it with every field and kind that older code must not pass over.
VERSION = 7
# Since version 2: messages in parts. Since version 3: content that is neither words nor a file, and what messages point at.
# Since version 4: what is for the team only. Since version 5: events that are no chat.v1.Event, votes, and which of a channel's
# accounts sends. Since version 6: what is held until the person writes, and until when it may be sent. Since version 7:
# routes, and what people write after the window.
PARTS_VERSION = 2
CONTENT_VERSION = 3
TEAM_VERSION = 4
FORWARDED_VERSION = VOTE_VERSION = ACCOUNTS_VERSION = 5
HOLDS_VERSION = 6
ROUTES_VERSION = HUMAN_VERSION = 7
VERSION_HEADER = "v"
# A record's trace context (W3C traceparent), and beside it, where that is sampled, the message's id.
TRACE_HEADER = "traceparent"
MESSAGE_HEADER = "message_id"
VERSIONED = {VERSION_HEADER: "1"}
_KNOWN = frozenset(str(each) for each in range(1, VERSION + 1))


class NewRecord(Struct, frozen=True):
    """A record to append. `headers` carry trace context and counts, never people's words."""

    topic: str
    partition: int
    key: str
    value: bytes
    headers: dict[str, str] = {}

    def carrying(self, more: Mapping[str, str]) -> "NewRecord":
        """The same with these headers besides."""
        return replace(self, headers={**more, **self.headers})


class Record(Struct, frozen=True):
    """A record as the log keeps it. `at` is when it was appended, milliseconds UTC."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, str]
    at: int


class Range(Struct, frozen=True, order=True):
    """The records `first` to `last`, both included, of one partition."""

    partition: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many records these are."""
        return self.last - self.first + 1


class BatchRef(Struct, frozen=True):
    """What a Celery chain carries instead of contents. `run` counts how often the same batch was handed out.

    `suspect`: an earlier stage set a record aside. `replay`: an operator's wish; moves no position.
    """

    topic: str
    ranges: tuple[Range, ...]
    run: int = 0
    suspect: bool = False
    replay: bool = False

    def __str__(self) -> str:
        spans = " ".join(f"{each.partition}:{each.first}-{each.last}" for each in self.ranges)
        return f"{self.topic} {spans} run {self.run}{' replay' if self.replay else ''}"


class Cost(Struct, frozen=True):
    """What a delivery costs, as the provider says: whether it is charged, as a message of which category, by which model."""

    billable: bool
    category: str = ""
    model: str = ""

    @property
    def text(self) -> str:
        """As stores keep it, in one value."""
        return " ".join(["charged" if self.billable else "free", self.category or "-", self.model or "-"])

    @classmethod
    def parse(cls, text: str) -> "Cost":
        """The opposite of `text`."""
        charged, category, model = text.split(" ")
        return cls(charged == "charged", category.strip("-"), model.strip("-"))


class ProviderReceipt(Struct, frozen=True, tag="receipt", omit_defaults=True):
    """A provider's word on what it took: kind is sent, delivered, read or failed. `reference` is our delivery, echoed.

    `cost`: what it says beside that of the price; its texts have no blanks.
    """

    channel: str
    account: str
    provider_id: str
    kind: str
    at: int
    reason: str = ""
    reference: str = ""
    cost: Cost | None = None


class Position(Struct, frozen=True, tag="position", omit_defaults=True):
    """A member's word on how far they have come. kind is delivered or read; read implies delivered."""

    conversation_id: str
    user_id: str
    kind: str
    up_to: int
    at: int


Status = ProviderReceipt | Position

_decode_message = msgspec.json.Decoder(Message).decode
_decode_status: Callable[[bytes], Status] = msgspec.json.Decoder(Status).decode
_encode = msgspec.json.Encoder().encode


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: the same in every process and language, for as long as `partitions` stays.

    That of an id does not depend on its workspace: who knows the bare id finds it too.
    """
    return _partition(bare(key), partitions)


def _partition(key: str, partitions: int) -> int:
    return crc32(key.encode()) % partitions


def incoming_record(message: Message, partitions: int, headers: dict[str, str]) -> NewRecord:
    """The chat-incoming record of an accepted message. Its `recipients` header, how many rows it makes, bounds a batch."""
    key = message.conversation_id
    version = {VERSION_HEADER: str(version_of(message))}
    counted = {**headers, **version, "recipients": str(rows(message))}
    return NewRecord(INCOMING, partition_of(key, partitions), key, _encode(message), counted)


def version_of(message: Message) -> int:
    """The version of the format that a reader must know to lose nothing of this message."""
    late = _late_version(message)
    if late:
        return late
    has_account = any(each.account for each in message.recipients) or (message.origin and message.origin.account_id)
    if isinstance(message.payload, Vote) or has_account:
        return max(VOTE_VERSION, ACCOUNTS_VERSION)
    if message.is_internal:
        return TEAM_VERSION
    points = message.reply_to or message.origin or message.forwarded or message.referral
    if points or not isinstance(message.payload, Text | Media) or (isinstance(message.payload, Media) and message.payload.kind):
        return CONTENT_VERSION
    if any(not isinstance(part, str) for parts in message.renditions for part in parts):
        return CONTENT_VERSION
    return PARTS_VERSION if message.renditions else 1


def _late_version(message: Message) -> int:
    """Of what may be sent after its window, or by another way; 0: it is none of that."""
    if message.route or any(each.as_human for each in message.recipients):
        return max(ROUTES_VERSION, HUMAN_VERSION)
    return HOLDS_VERSION if message.holds or message.expires_at else 0


def status_record(status: Status, partitions: int, headers: dict[str, str]) -> NewRecord:
    """The chat-status record of a receipt or a position: one key's records stay in order."""
    if isinstance(status, ProviderReceipt):
        key = f"{status.channel}/{status.account}/{status.provider_id}"
        partition = _partition(key, partitions)
    else:
        key, partition = status.conversation_id, partition_of(status.conversation_id, partitions)
    return NewRecord(STATUS, partition, key, _encode(status), {**headers, **VERSIONED})


def is_newer(headers: Mapping[str, str]) -> bool:
    """Whether the record with these headers is of a version that this code does not know. Older ones say none."""
    said = headers.get(VERSION_HEADER, "1")
    return said not in _KNOWN


def is_too_large(record: NewRecord) -> bool:
    """Whether nobody would read this record: to be asked before it is appended."""
    return len(record.value) > RECORD_MOST


def read_message(record: Record) -> Message:
    """The message in a chat-incoming record, without its seq.

    Permanent `unreadable` when it is none, or too large; Newer when newer code than this has written it.
    """
    _check(record)
    try:
        return _decode_message(record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Permanent("unreadable", str(error)) from error


def read_status(record: Record) -> Status:
    """The receipt or position in a chat-status record. Permanent and Newer as `read_message`."""
    _check(record)
    try:
        return _decode_status(record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Permanent("unreadable", str(error)) from error


def _check(record: Record) -> None:
    if is_newer(record.headers):
        raise Newer("newer_record", f"version {record.headers[VERSION_HEADER]}; this code reads {VERSION}")
    if len(record.value) > RECORD_MOST:
        raise Permanent("unreadable", f"{len(record.value)} bytes")
