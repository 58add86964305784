"""Messages: what a sender said in a conversation. Frozen types and pure rules; no I/O.

Times are integers, milliseconds since 1970 UTC. A `seq` is epoch * 2**40 + 1 + the record's offset in chat-incoming:
increasing within a conversation, not contiguous, the same at every replay; never 0, so that 0 can mean "none yet".
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.content import MODIFIERS, Content

EPOCH_SIZE = 2**40
INTERNAL = "internal"


class Origin(Struct, frozen=True, omit_defaults=True):
    """Where a provider's message comes from. `account`: whom the person wrote to; `address`: theirs.

    `provider_id`: its id there. `group_id`: the same for all messages of an album. `speaker_id`: who of those that share the
    address wrote, as the provider calls them. `account_id`: what we call the account; empty: the environment's.
    `at`: when the provider says that it was written. `app`: "provider", where a colleague wrote it in the provider's own app.
    """

    channel: str
    account: str
    address: str
    provider_id: str
    at: int
    app: str = ""
    group_id: str = ""
    speaker_id: str = ""
    account_id: str = ""


class Recipient(Struct, frozen=True, omit_defaults=True):
    """One person's address on one external channel, as it was at acceptance.

    `address` is empty when the person had none on a channel that was asked for: the delivery ends as FAILED `no_identity`.
    `rendition`: which of the message's renditions goes there, counted from 1; 0: the payload as it is.
    `account`: what it is sent from, as we call it; empty: the environment's account.
    `unreached`: why there is no address, where there is one that cannot be reached: the delivery ends with this reason.
    `as_human`: a person wrote it, and the account may say so where that may be sent after the window.
    """

    user_id: str
    channel: str
    address: str = ""
    rendition: int = 0
    account: str = ""
    unreached: str = ""
    as_human: bool = False


class Leg(Struct, frozen=True, omit_defaults=True):
    """One way of a route, frozen at acceptance. The next begins when this one FAILED, or is not `until` within `within_ms`.

    `until`: SENT, DELIVERED or READ. within_ms 0: as long as it takes. `recipients`: in the order of the first leg's, which are
    the message's own and not repeated here; one for each person. `payload`: what is said here instead; None: the message's.
    What the first leg says instead is a rendition of the message; in the record of a later leg, which may say something
    else, the first has what the message says.
    """

    until: str = "SENT"
    within_ms: int = 0
    recipients: tuple[Recipient, ...] = ()
    payload: Content | None = None
    renditions: tuple[tuple[str | Content, ...], ...] = ()


class Message(Struct, frozen=True, tag="message", omit_defaults=True):
    """A message as accepted: the value of a chat-incoming record.

    `seq` is 0, and `trace` empty, until the record is read from the log (`placed`). `digest` is `body_digest` of what the
    sender chose. `sender_name` is set where external readers must be told who speaks (groups). `resend_of` is the seq of the
    message that this record sends again (to its recipient `resend_index`; its id is `resend_id`), 0 otherwise: readers skip
    such records, lanes deliver them. `renditions`: the parts that it goes in where a channel cannot carry it as it is: words,
    or content that has been adapted. `reply_to`: the message_id of what it answers, in this conversation. `origin`: of what a
    provider brought. `referral`: the ad, product or link that the person came from.
    `by_channel`: of an edit, whose recipients are its target's, which rendition goes where, as `Recipient.rendition`.
    `visibility`: "internal": a note, for those who answer; empty: for all.
    `holds`: where nothing may be sent it waits until the person writes. `expires_at`: from then on it is not sent; 0: for as
    long as it is tried.
    `route`: the legs, where one takes over from another; the first is this record's own. `leg`: which of them this record is,
    from 0; of a later one `resend_of`, `resend_id` and `resend_index` name the message and its delivery to this person by the
    first leg, which is on `first_channel`. `overlaps`: a leg before may have reached the person. `bounces`: how often what
    this sends again had failed after the provider took it.
    """

    message_id: str
    conversation_id: str
    sender: str
    payload: Content
    members_version: int
    accepted_at: int
    recipients: tuple[Recipient, ...] = ()
    metadata: dict[str, Any] = {}
    digest: str = ""
    sender_name: str = ""
    resend_of: int = 0
    resend_index: int = 0
    resend_id: str = ""
    renditions: tuple[tuple[str | Content, ...], ...] = ()
    seq: int = 0
    trace: str = ""
    reply_to: str = ""
    origin: Origin | None = None
    forwarded: bool = False
    referral: dict[str, str] = {}
    by_channel: dict[str, int] = {}
    visibility: str = ""
    holds: bool = False
    expires_at: int = 0
    route: tuple[Leg, ...] = ()
    leg: int = 0
    first_channel: str = ""
    overlaps: bool = False
    bounces: int = 0

    @property
    def is_internal(self) -> bool:
        """Whether it is for those who answer only: it has no deliveries, and no member hears of it."""
        return self.visibility == INTERNAL

    @property
    def is_of_another(self) -> bool:
        """Whether readers see it with another message: a resend as what it sends again, a change as its target."""
        return bool(self.resend_of or (isinstance(self.payload, MODIFIERS) and self.payload.target))

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
