"""What the API takes and gives of messages, their deliveries and their history."""

from typing import Annotated, Any, Literal

from pydantic import Field

from chat4all.model.deliveries import State
from chat4all.model.drafts import EXPIRES_LEAST_S, HELD_MOST_S
from webapp.schemas.content_models import OutsideWindow, PayloadIn, PayloadOut
from webapp.schemas.models import (
    ProblemDetails,
    RequestBody,
    RequestParams,
    ResponseModel,
    SendAt,
    Someone,
    Time,
    Uuid,
)


class LegIn(RequestBody):
    """One way of a route: `channel`, or `account_id`. The next leg begins when this one failed, or is not `until` in time.

    `payload`: what is said here instead of the message's; without files.
    """

    channel: str = ""
    account_id: Annotated[str, Field(max_length=64, description="The account that it is sent from: scope send")] = ""
    until: Annotated[
        Literal["sent", "delivered", "read"] | None, Field(description="How far it has to come in time; left out: sent")
    ] = None
    within_s: Annotated[
        int | None, Field(ge=1, le=86_400, description="Seconds, from its acceptance; left out: until it failed")
    ] = None
    payload: PayloadIn = None


class MessageIn(RequestBody):
    """A message. `conversation_id`, or `to` with one recipient; both: `to` limits external delivery to some members."""

    message_id: Annotated[Uuid | None, Field(description="Made by the server when left out")] = None
    conversation_id: Uuid | None = None
    to: list[Someone] | None = None
    sender: Annotated[str | None, Field(alias="from", description="Another than the caller: scope send")] = None
    channels: Annotated[list[str] | None, Field(description='External channels, or ["all"]')] = None
    route: Annotated[
        list[LegIn] | None,
        Field(min_length=2, max_length=5, description="One channel after the other, in place of channels: the next takes over"),
    ] = None
    payload: PayloadIn
    reply_to: Annotated[Uuid | None, Field(description="The message_id of what this answers, in the same conversation")] = None
    via: Annotated[
        str,
        Field(max_length=64, description="The account_id of the account that it is sent from: scope send"),
    ] = ""
    adapt: Annotated[bool, Field(description="false: refused where a channel could not carry it as it is")] = True
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    outside_window: OutsideWindow = None
    expires_in: Annotated[
        int | None,
        Field(ge=EXPIRES_LEAST_S, le=HELD_MOST_S, description="Seconds after which it is not sent any more"),
    ] = None
    send_at: SendAt = None
    visibility: Annotated[
        Literal["all", "internal"], Field(description="internal: a note for those who answer, sent to nobody; scope manage")
    ] = "all"


class Keyed(RequestParams):
    """A name of the client's own for a request: said again under the same name, it is the same request."""

    key: Annotated[
        str | None,
        Field(alias="Idempotency-Key", description="In place of a message_id: 1 to 255 characters, such as order-1234"),
    ] = None


class Batch(RequestBody):
    """Up to 500 messages."""

    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=500)]


Status = Literal["accepted", "scheduled", "sending", "cancelled", "rejected"]


class AcceptedOut(ResponseModel):
    """The message is durable and will be delivered or reported. `status`: of what is to be sent later, how that stands."""

    status: Status
    message_id: Uuid
    conversation_id: Uuid


class Result(ResponseModel):
    """What came of one message of a batch."""

    message_id: str
    status: Status | Literal["error"]
    conversation_id: str | None = None
    error: ProblemDetails | None = None


class Results(ResponseModel):
    """One result for each message, in order."""

    results: list[Result]


class Step(ResponseModel):
    """A state, and when it was reached."""

    status: State
    at: Time
    reason: str = ""


class CostOut(ResponseModel):
    """What the provider charges for a delivery: whether it does, for which category of message, by which model of prices."""

    billable: bool
    category: str = ""
    model: str = ""


class ConversionOut(ResponseModel):
    """A file that goes converted. failed: it went as it is, as a document or a link; `reason` says why it was not converted."""

    form: Annotated[str, Field(description="What is made of it: voice, sound, picture, sticker, film")]
    status: Literal["pending", "made", "failed"]
    reason: str = ""


class DeliveryOut(ResponseModel):
    """A message on its way to one person over one channel; channel chat4all: in their own client.

    Where it is too long for the channel it goes in `parts`, and each is a delivery of its own, `part` 1 and on. `sent_as`: the
    type of what this delivery carries, where it is not the message's: "text" where the channel does not carry that, "link" for
    a file that the channel takes in no way, and that goes as words with a link.
    """

    recipient: str
    channel: str
    account_id: Annotated[str, Field(description="The account that it is sent from; left out: the environment's")] = ""
    status: State
    attempts: int
    part: int | None = None
    parts: int | None = None
    leg: Annotated[int | None, Field(description="Which leg of the message's route, from 1")] = None
    sent_as: str = ""
    reason: str = ""
    expires_at: Annotated[Time | None, Field(description="From then on it is not sent; what is held is CANCELLED then")] = None
    advice: Annotated[str, Field(description="What to do about the reason, in words for people")] = ""
    provider_message_id: str = ""
    provider_message_ids: Annotated[
        list[str],
        Field(
            default_factory=list,
            description="All of them, where one call made several messages there: the pictures of an album",
        ),
    ]
    conversion: Annotated[ConversionOut | None, Field(description="Of a file that the channel does not show as it is")] = None
    cost: Annotated[CostOut | None, Field(description="As the provider first said it")] = None
    history: list[Step]


class OriginOut(ResponseModel):
    """Where a provider's message comes from. `app` "provider": a colleague wrote it in the provider's own app."""

    channel: str
    account: Annotated[str, Field(description="Whom the person wrote to, as the provider calls it")]
    provider_id: Annotated[str, Field(description="The message's id there")]
    provider_at: Time
    app: str = ""
    group_id: Annotated[str, Field(description="The same for all messages of an album")] = ""
    account_id: Annotated[str, Field(description="What we call the account; left out: the environment's")] = ""


class ReactionOut(ResponseModel):
    """What somebody feels about a message."""

    emoji: str
    sender: str
    sender_name: Annotated[str, Field(description="Who it is, where several share the sender's address")] = ""
    at: Time


class VoteOut(ResponseModel):
    """What somebody chose in a poll. `counts`: of one that tells no names, how many chose each option, in their order."""

    options: Annotated[list[int], Field(default_factory=list, description="Their numbers, from 1")]
    titles: Annotated[list[str], Field(default_factory=list)]
    counts: Annotated[list[int], Field(default_factory=list)]
    sender: str
    sender_name: Annotated[str, Field(description="Who it is, where several share the sender's address")] = ""
    at: Time


class MessageOut(ResponseModel):
    """A stored message, as it is now. `seq` grows within a conversation and is not contiguous.

    One that was deleted has the payload `deletion`, which points at itself, and no metadata.
    """

    message_id: Uuid
    conversation_id: Uuid
    seq: int
    sender: str
    sender_name: Annotated[str, Field(description="Who speaks, where several share the sender's address or conversation")] = ""
    payload: PayloadOut
    accepted_at: Time
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    reply_to: Annotated[str, Field(description="The message_id of what this answers")] = ""
    origin: OriginOut | None = None
    forwarded: bool = False
    visibility: Annotated[Literal["internal"] | None, Field(description="Of a note, which those who answer see")] = None
    referral: Annotated[
        dict[str, str], Field(default_factory=dict, description="The ad, product or link that the person came from")
    ]
    reactions: Annotated[list[ReactionOut], Field(default_factory=list)]
    votes: Annotated[list[VoteOut], Field(default_factory=list, description="Of a poll: the newest of everybody")]
    edited_at: Time | None = None
    deleted_at: Time | None = None
    status: State
    partially_failed: bool
    deliveries: list[DeliveryOut]
    trace_id: Annotated[str, Field(description="The W3C trace that shows its way, where tracing is on")] = ""


class Messages(ResponseModel):
    """A page. `next` goes into the same parameter; of the latest page into `before`."""

    messages: list[MessageOut]
    next: int | None = None


class MessagePath(RequestParams):
    """Names a message."""

    message_id: str


class MessageQuery(RequestParams):
    """In which conversation, and how long to wait until the message is stored; less when many wait already."""

    conversation_id: Annotated[Uuid | None, Field(description="Needed where several have a message with this id")] = None
    wait: Annotated[float, Field(ge=0, le=10, description="Seconds")] = 0
    original: Annotated[bool, Field(description="What was said first, also of what was edited or deleted: scope manage")] = (
        False
    )


class RawQuery(RequestParams):
    """In which conversation."""

    conversation_id: Annotated[Uuid | None, Field(description="Needed where several have a message with this id")] = None


class CancelledOut(ResponseModel):
    """How many deliveries of a message are not sent any more, and how many were sent already, or may have been."""

    message_id: Uuid
    conversation_id: Uuid
    cancelled: int
    too_late: int


class RawOut(ResponseModel):
    """What a provider sent of a message: its JSON, or the first 64 KiB as text where it is more."""

    message_id: Uuid
    conversation_id: Uuid
    raw: Any


class PageQuery(RequestParams):
    """Which page: after `since`, ascending; before `before`; or the latest. A seq or an RFC 3339 time."""

    since: str | None = None
    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    original: Annotated[bool, Field(description="What was said first, also of what was edited or deleted: scope manage")] = (
        False
    )
