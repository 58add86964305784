"""What the API takes and gives, for checking and for the OpenAPI document. Unknown fields are refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chat4all.deliveries import State

UserId = Annotated[str, Field(description="1 to 64 characters of A-Z a-z 0-9 _ . -", examples=["alice"])]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Someone = Annotated[str, Field(description="A user id, or channel:address for service clients", examples=["bob"])]


class Given(BaseModel):
    """Base of all bodies: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(BaseModel):
    """Base of all queries and paths: text that is read as what it should be."""

    model_config = ConfigDict(extra="forbid")


class Told(BaseModel):
    """Base of all answers. Fields that are not required are left out when there is nothing to say."""


class FieldError(Told):
    """One wrong field; dots between levels."""

    field: str
    detail: str


class ProblemDetails(Told):
    """RFC 9457. Build on `code`; `detail` is for people and may change."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []
    message_id: str = ""
    error_id: str = ""


# Tokens and users.


class Login(Given):
    """Who wants a token."""

    client_id: Annotated[str, Field(max_length=64, examples=["alice"])]
    client_secret: Annotated[str, Field(max_length=1024)]


class Refresh(Given):
    """A refresh token."""

    refresh_token: str


class Tokens(Told):
    """`expires_in`: seconds that the access token lives."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class NewUser(Given):
    """A user. Without a password: a contact, which needs scope manage."""

    user_id: UserId
    password: Annotated[str | None, Field(min_length=8, max_length=1024)] = None
    display_name: Annotated[str, Field(max_length=128)] = ""


class IdentityOut(Told):
    """An address on a channel. Unverified ones receive nothing."""

    channel: str
    address: str
    verified: bool
    since: Time | None = None


class Identities(Told):
    """A user's addresses on one channel."""

    identities: list[IdentityOut]


class UserOut(Told):
    """A user."""

    user_id: str
    kind: Literal["person", "contact", "client", "inbox"]
    created_at: Time
    display_name: str = ""
    scopes: list[str] = []
    identities: list[IdentityOut] = []


class AddressIn(Given):
    """An address as the channel writes it."""

    address: Annotated[str, Field(max_length=256, examples=["+5511999990000"])]


class AddressQuery(Asked):
    """An address as the channel writes it."""

    address: Annotated[str, Field(max_length=256)]


class Proof(AddressIn):
    """The code that was sent to the address."""

    code: Annotated[str, Field(max_length=16)]


class UserPath(Asked):
    """Names a user's addresses on a channel."""

    user_id: str
    channel: str


# Conversations.


class NewConversation(Given):
    """A private conversation has two members, the caller is one of them unless two others are named by a service client."""

    conversation_id: Uuid | None = None
    type: Literal["private", "group"]
    members: list[Someone]
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    open_history: Annotated[bool, Field(description="Who joins later may read what was said before")] = False


class MemberOut(Told):
    """Somebody who is a member now."""

    user_id: str
    kind: str
    display_name: str = ""


class ConversationOut(Told):
    """A conversation as it is now. `members_version` grows with each change."""

    conversation_id: Uuid
    type: Literal["private", "group"]
    owner: str
    members: list[MemberOut]
    members_version: int
    created_at: Time
    open_history: bool = False
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    last_seq: int | None = None


class Conversations(Told):
    """The caller's conversations, by id. `next` goes into `after`."""

    conversations: list[ConversationOut]
    next: str | None = None


class ConversationsQuery(Asked):
    """Which page."""

    after: str = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class ConversationPath(Asked):
    """Names a conversation."""

    conversation_id: str


class MembersIn(Given):
    """Who joins."""

    members: Annotated[list[Someone], Field(min_length=1)]


class MemberPath(ConversationPath):
    """Names a member."""

    user_id: str


class LinkPath(ConversationPath):
    """Names a link."""

    channel: str
    address: str


class LinkOut(Told):
    """What this address writes comes into this conversation."""

    conversation_id: Uuid
    channel: str
    address: str


class ReadIn(Given):
    """How far the caller has read."""

    up_to: Annotated[int, Field(ge=0, le=2**53, description="The seq of a message")]


class StatusOut(Told):
    """Durable."""

    status: Literal["accepted"]


# Messages.


class TextIn(Given):
    """Words."""

    type: Literal["text"]
    text: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 4096})]


class FileIn(Given):
    """A complete file, with an optional caption."""

    type: Literal["file"]
    file_id: str
    text: str = ""


class MessageIn(Given):
    """A message. `conversation_id`, or `to` with one recipient; both: `to` limits external delivery to some members."""

    message_id: Annotated[Uuid | None, Field(description="Made by the server when left out")] = None
    conversation_id: Uuid | None = None
    to: list[Someone] | None = None
    sender: Annotated[str | None, Field(alias="from", description="Another than the caller: scope send")] = None
    channels: Annotated[list[str] | None, Field(description='External channels, or ["all"]')] = None
    payload: Annotated[TextIn | FileIn, Field(discriminator="type")]
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]


class Batch(Given):
    """Up to 500 messages."""

    messages: Annotated[list[MessageIn], Field(min_length=1, max_length=500)]


class AcceptedOut(Told):
    """The message is durable and will be delivered or reported."""

    status: Literal["accepted"]
    message_id: Uuid
    conversation_id: Uuid


class Result(Told):
    """What came of one message of a batch."""

    message_id: str
    status: Literal["accepted", "error"]
    conversation_id: str | None = None
    error: ProblemDetails | None = None


class Results(Told):
    """One result for each message, in order."""

    results: list[Result]


class Step(Told):
    """A state, and when it was reached."""

    status: State
    at: Time
    reason: str = ""


class DeliveryOut(Told):
    """A message on its way to one person over one channel; channel chat4all: in their own client."""

    recipient: str
    channel: str
    status: State
    attempts: int
    reason: str = ""
    provider_message_id: str = ""
    history: list[Step]


class PayloadOut(Told):
    """What was said."""

    type: Literal["text", "file"]
    text: str = ""
    file_id: str = ""
    filename: str = ""
    mime_type: str = ""
    size: int = 0


class MessageOut(Told):
    """A stored message. `seq` grows within a conversation and is not contiguous."""

    message_id: Uuid
    conversation_id: Uuid
    seq: int
    sender: str
    payload: PayloadOut
    accepted_at: Time
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    status: State
    partially_failed: bool
    deliveries: list[DeliveryOut]


class Messages(Told):
    """A page. `next` goes into the same parameter; of the latest page into `before`."""

    messages: list[MessageOut]
    next: int | None = None


class MessagePath(Asked):
    """Names a message."""

    message_id: str


class WaitQuery(Asked):
    """How long to wait until the message is stored; less when many wait already."""

    wait: Annotated[float, Field(ge=0, le=10, description="Seconds")] = 0


class PageQuery(Asked):
    """Which page: after `since`, ascending; before `before`; or the latest. A seq or an RFC 3339 time."""

    since: str | None = None
    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


# Channels and health.


class ChannelPath(Asked):
    """Names a channel."""

    channel: str


class Health(Told):
    """It runs, or answers."""

    status: Literal["ok"]
