"""What the API takes and gives of messages that are to be sent later."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from webapp.schemas.content_models import NAMED, PayloadIn
from webapp.schemas.models import PagedQuery, RequestBody, RequestParams, ResponseModel, SendAt, Time, Uuid


class ScheduledPath(RequestParams):
    """Names a message that is to be sent later."""

    message_id: str


class ScheduledQuery(PagedQuery):
    """Which of them: of a sender, in a conversation, to be sent from `since` on and before `until`."""

    sender: Annotated[str, Field(alias="from", max_length=64)] = ""
    conversation_id: Uuid | None = None
    since: Annotated[str | None, Field(description="RFC 3339, with its zone")] = None
    until: Annotated[str | None, Field(description="RFC 3339, with its zone")] = None


class ScheduledChange(RequestBody):
    """What is to be otherwise: when it is sent, or what it says."""

    send_at: SendAt = None
    payload: PayloadIn = None


class ScheduledOut(ResponseModel):
    """A message that is to be sent later. What it says, and to whom, as it was asked for: the rest is looked up when it is due.

    `state`: scheduled; sending; and for 30 days accepted (it was sent), cancelled, or rejected, with the `reason`.
    """

    message_id: Uuid
    conversation_id: Annotated[Uuid, Field(description="Where it goes, as far as that is known now")]
    state: Literal["scheduled", "sending", "accepted", "cancelled", "rejected"]
    send_at: Time
    sender: str
    scheduled_by: Annotated[str, Field(description="Who asked for it, where that is not the sender")] = ""
    payload: Annotated[Any, WithJsonSchema({NAMED: "Payload"})]
    to: Annotated[list[str], Field(default_factory=list)]
    channels: Annotated[list[str], Field(default_factory=list)]
    via: str = ""
    reply_to: str = ""
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    created_at: Time
    changed_at: Time
    reason: Annotated[str, Field(description="Why it was not sent")] = ""


class ScheduledMessages(ResponseModel):
    """A page of what waits, by time. `next` goes into `after`."""

    scheduled_messages: list[ScheduledOut]
    next: str | None = None
