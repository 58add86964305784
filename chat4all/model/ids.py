"""Every id that is computed, with its recipe. The same names give the same id in every process, so a repetition is one thing.

Old recipes are UUIDs of version 5 over a name; newer ones are of version 8 over a list (`made_id`), which cannot collide.
No recipe ever changes: rows, records and clients keep what it made (`tests/golden`).
"""

import hashlib
from functools import lru_cache
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

RESERVED_VERSIONS = (5, 8)
# Whom everything belongs to that names nobody else.
DEFAULT_WORKSPACE = "default"
INBOX_PREFIX = "inbox-"
CONTACT_PREFIX = "contact-"
RESERVED_PREFIXES = (INBOX_PREFIX, CONTACT_PREFIX)
# Ids of pairs and contacts are made of the same few names again and again.
KEPT_IDS = 10_000


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its canonical form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def is_reserved(uuid: str) -> bool:
    """Whether this UUID is of a kind that we make ourselves (versions 5 and 8): nobody may choose such an id.

    Else a stranger could found the conversation that two others, or a contact, are going to have, or make a message vanish
    by taking its id first.
    """
    return UUID(uuid).version in RESERVED_VERSIONS


def made_id(*parts: str) -> str:
    """An id that we make of these: a UUID of version 8, which callers may not choose. No two lists of parts have the same."""
    named = msgspec.json.encode(parts)
    raw = bytearray(hashlib.blake2b(named, digest_size=16, person=b"chat4all id").digest())
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(raw)))


def _named(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


# Messages.


def provider_message_id(channel: str, account: str, provider_id: str) -> str:
    """The message_id proposed for what a provider brings: the store keeps that of whoever was first."""
    return made_id("message", channel, account, provider_id)


def first_message_id(channel: str, account: str, provider_id: str) -> str:
    """The message_id of what a provider brought before the store kept it: by the recipe of then."""
    return _named(f"chat4all:message:{channel}:{account}:{provider_id}")


def keyed_message_id(workspace: str, client: str, key: str) -> str:
    """The message_id of what a client says under an Idempotency-Key: nobody else's is the same."""
    return made_id("key", workspace, client, key)


def key_in_batch(key: str, number: int) -> str:
    """The key of the message at this place (from 0) of a batch that came under `key`."""
    return made_id("batch", key, str(number))


def resend_message_id(delivery: str, replay_id: str) -> str:
    """The message_id of a resend: running a replay twice is once."""
    return _named(f"chat4all:resend:{delivery}:{replay_id}")


def leg_message_id(conversation_id: str, message_id: str, user_id: str, leg: int) -> str:
    """The message_id of a leg of a message's route to one person: beginning it twice is once."""
    return made_id("leg", conversation_id, message_id, user_id, str(leg))


def upload_message_id(file_id: str) -> str:
    """The message_id that the command line sends a file under: a run after a lost answer sends nothing twice.

    A caller's choice like any other, so it has a version that callers may choose.
    """
    return str(UUID(bytes=uuid5(UUID(file_id), "upload").bytes, version=4))


# Conversations, users, files.


def contact_conversation_id(channel: str, account: str, address: str) -> str:
    """The private conversation between a contact and a channel's inbox user."""
    return _named(f"chat4all:contact:{channel}:{account}:{address}")


@lru_cache(KEPT_IDS)
def private_conversation_id(one: str, other: str) -> str:
    """A private pair has one conversation, whoever starts it."""
    low, high = sorted((one, other))
    return _named(f"chat4all:private:{len(low)}:{low}:{high}")


def inbox_id(channel: str) -> str:
    """The user that receives what nobody else does on a channel."""
    return f"{INBOX_PREFIX}{channel}"


@lru_cache(KEPT_IDS)
def contact_id(channel: str, address: str, stay: int = 0) -> str:
    """The user made for an address that belonged to nobody. `stay` counts how often it was free again."""
    name = f"chat4all:contact-user:{channel}:{address}" + (f":{stay}" if stay else "")
    return f"{CONTACT_PREFIX}{_named(name)}"


def inbound_file_id(message_id: str) -> str:
    """The file that a provider's message brings: the same at every repetition of its webhook."""
    return _named(f"chat4all:file:{message_id}")


def conversion_file_id(object_key: str, form: str, day: str) -> str:
    """The file that a conversion makes of an object: the same for all who need it on one day (UTC)."""
    return made_id("conversion", object_key, form, day)


# Dead letters.


def record_letter_id(topic: str, partition: int, offset: int) -> str:
    """The letter about a record."""
    return _named(f"chat4all:dead:{topic}:{partition}:{offset}")


def delivery_letter_id(delivery: str) -> str:
    """The letter about a delivery."""
    return _named(f"chat4all:dead:{delivery}")


def webhook_letter_id(stage: str, channel: str, account: str, body: bytes) -> str:
    """The letter about a webhook: the same at every repetition of these bytes."""
    return _named(f"chat4all:webhook:{stage}:{channel}:{account}:{hashlib.sha256(body).hexdigest()}")


# Events. Readers tell by them whether they were told before. A message's event has the message's id.


def state_event_id(delivery: str, state: str) -> str:
    """A delivery has come to this state."""
    return f"{delivery}:{state}"


def position_event_id(conversation_id: str, user_id: str, delivered_up_to: int, read_up_to: int) -> str:
    """A member has come so far."""
    return _named(f"position:{conversation_id}:{user_id}:{delivered_up_to}:{read_up_to}")


def rejected_event_id(message_id: str, seq: str) -> str:
    """A record was not accepted."""
    return _named(f"rejected:{message_id}:{seq}")


def scheduled_event_id(message_id: str, version: int) -> str:
    """What is to be sent later has come to this version."""
    return f"scheduled:{message_id}:{version}"


def conversation_event_id(conversation_id: str, version: int) -> str:
    """A conversation has come to this version."""
    return f"conversation:{conversation_id}:{version}"


def handling_event_id(conversation_id: str, version: int) -> str:
    """How a conversation is handled has come to this version."""
    return f"handling:{conversation_id}:{version}"


def webhook_event_id(webhook_id: str, version: int) -> str:
    """An endpoint is disabled since this version of it."""
    return f"webhook:{webhook_id}:{version}"


def contact_event_id(contact_id: str, version: int, change: str) -> str:
    """A contact has come to this version, or was made."""
    return f"contact:{contact_id}:{version}:{change}"


def file_event_id(file_id: str, version: int) -> str:
    """A file has come to this version."""
    return f"file:{file_id}:{version}"


def account_event_id(account_id: str, version: int, change: str) -> str:
    """An account has come to this version."""
    return f"account:{account_id}:{version}:{change}"


def typing_event_id(conversation_id: str, user_id: str, at_ms: int) -> str:
    """Somebody typed at this time."""
    return _named(f"typing:{conversation_id}:{user_id}:{at_ms}")


def presence_event_id(user_id: str, online: bool, at_ms: int) -> str:
    """Somebody came or went at this time, whichever process noticed."""
    return _named(f"presence:{user_id}:{online:d}:{at_ms}")


def public_event_id(conversation_id: str, event_id: str) -> str:
    """The `id` under which streams and webhooks tell an event. No other event has it, whatever ids senders choose.

    Two conversations may have the same message id, and with it the same `event_id`.
    """
    return made_id("event", conversation_id, event_id)


def reload_event_id(reason: str, at_ms: int) -> str:
    """A reader is told to load anew."""
    return f"reload:{reason}:{at_ms}"
