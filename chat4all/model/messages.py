"""Messages: what a sender said in a conversation. Frozen types and pure rules; no I/O.

Times are integers, milliseconds since 1970 UTC. A `seq` is epoch * 2**40 + 1 + the record's offset in chat-incoming:
increasing within a conversation, not contiguous, the same at every replay; never 0, so that 0 can mean "none yet".
"""

import hashlib
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from msgspec import Struct

EPOCH_SIZE = 2**40
RESERVED_VERSIONS = (5, 8)
# Ids that are made of names: the same few again and again.
KEPT_IDS = 10_000


class Text(Struct, frozen=True, tag="text", omit_defaults=True):
    """Words. `text` is never empty."""

    text: str


class File(Struct, frozen=True, tag="file", omit_defaults=True):
    """A file that was complete when the message was accepted; everything a channel needs to send it is frozen here."""

    file_id: str
    text: str = ""
    filename: str = ""
    mime_type: str = ""
    size: int = 0
    object_key: str = ""


Payload = Text | File


class Recipient(Struct, frozen=True, omit_defaults=True):
    """One person's address on one external channel, as it was at acceptance.

    `address` is empty when the person had none on a channel that was asked for: the delivery ends as FAILED `no_identity`.
    `rendition`: which of the message's renditions goes there, counted from 1; 0: the payload as it is.
    """

    user_id: str
    channel: str
    address: str = ""
    rendition: int = 0


class Message(Struct, frozen=True, tag="message", omit_defaults=True):
    """A message as accepted: the value of a chat-incoming record.

    `seq` is 0, and `trace` empty, until the record is read from the log (`placed`). `digest` is `body_digest` of what the
    sender chose. `sender_name` is set where external readers must be told who speaks (groups). `resend_of` is the seq of the
    message that this record sends again (to its recipient `resend_index`; its id is `resend_id`), 0 otherwise: readers skip
    such records, lanes deliver them. `renditions`: the parts that the text goes in, where it is too long for a channel.
    """

    message_id: str
    conversation_id: str
    sender: str
    payload: Payload
    members_version: int
    accepted_at: int
    recipients: tuple[Recipient, ...] = ()
    metadata: dict[str, Any] = {}
    digest: str = ""
    sender_name: str = ""
    resend_of: int = 0
    resend_index: int = 0
    resend_id: str = ""
    renditions: tuple[tuple[str, ...], ...] = ()
    seq: int = 0
    trace: str = ""

    def placed(self, seq: int, trace: str = "") -> "Message":
        """The same message at its place in the log, with the trace context that its record carries."""
        return msgspec.structs.replace(self, seq=seq, trace=trace)


def seq_at(offset: int, epoch: int = 0) -> int:
    """The seq of the record at `offset` of chat-incoming."""
    return epoch * EPOCH_SIZE + offset + 1


def offset_of(seq: int) -> int:
    """The offset in chat-incoming that `seq` was made from."""
    return (seq - 1) % EPOCH_SIZE


def body_digest(*chosen: Any) -> str:
    """What makes two bodies under one message_id the same message: all that the sender chose, nothing that we resolved."""
    return hashlib.blake2b(msgspec.json.encode(chosen, order="deterministic"), digest_size=16).hexdigest()


def made_id(*parts: str) -> str:
    """An id that we make of these: a UUID of version 8, which callers may not choose. No two lists of parts have the same."""
    named = msgspec.json.encode(parts)
    raw = bytearray(hashlib.blake2b(named, digest_size=16, person=b"chat4all id").digest())
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(raw)))


def provider_message_id(channel: str, account: str, provider_id: str) -> str:
    """The message_id proposed for what a provider brings: the store keeps that of whoever was first."""
    return made_id("message", channel, account, provider_id)


def first_message_id(channel: str, account: str, provider_id: str) -> str:
    """The message_id of what a provider brought before the store kept it: by the recipe of then."""
    return str(uuid5(NAMESPACE_URL, f"chat4all:message:{channel}:{account}:{provider_id}"))


def keyed_message_id(workspace: str, client: str, key: str) -> str:
    """The message_id of what a client says under an Idempotency-Key: nobody else's is the same."""
    return made_id("key", workspace, client, key)


def resend_message_id(delivery: str, replay_id: str) -> str:
    """The message_id of a resend: running a replay twice is once."""
    return str(uuid5(NAMESPACE_URL, f"chat4all:resend:{delivery}:{replay_id}"))


def contact_conversation_id(channel: str, account: str, address: str) -> str:
    """The private conversation between a contact and a channel's inbox user."""
    return str(uuid5(NAMESPACE_URL, f"chat4all:contact:{channel}:{account}:{address}"))


@lru_cache(KEPT_IDS)
def private_conversation_id(one: str, other: str) -> str:
    """A private pair has one conversation, whoever starts it."""
    low, high = sorted((one, other))
    return str(uuid5(NAMESPACE_URL, f"chat4all:private:{len(low)}:{low}:{high}"))


def is_reserved(uuid: str) -> bool:
    """Whether this UUID is of a kind that we make ourselves (versions 5 and 8): nobody may choose such an id.

    Else a stranger could found the conversation that two others, or a contact, are going to have, or make a message vanish
    by taking its id first.
    """
    return UUID(uuid).version in RESERVED_VERSIONS


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its canonical form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
