"""What the API takes and gives, for checking and for the OpenAPI document. Unknown fields are refused.

Messages stand in `message_models`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chat4all.model.clock import from_rfc3339


def _read_send_at(given: Any) -> int:
    """Milliseconds UTC, never 0."""
    try:
        if not isinstance(given, str):
            raise ValueError("no text")
        return from_rfc3339(given) or 1
    except (ValueError, OverflowError):
        raise PydanticCustomError("time", "an RFC 3339 time with its zone, such as 2026-03-01T09:00:00-03:00") from None


UserId = Annotated[str, Field(description="1 to 64 characters of A-Z a-z 0-9 _ . -", examples=["alice"])]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
SendAt = Annotated[
    Any,
    PlainValidator(_read_send_at),
    WithJsonSchema({
        "type": "string",
        "format": "date-time",
        "description": "When it is sent, with its zone; at most 90 days ahead",
        "examples": ["2026-03-01T09:00:00-03:00"],
    }),
    # Left out it is sent now: null is no time.
    Field(json_schema_extra=lambda shown: shown.pop("default", None)),
]  # fmt: skip
Someone = Annotated[str, Field(description="A user id, or channel:address for service clients", examples=["bob"])]


class RequestBody(BaseModel):
    """Base of all bodies: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RequestParams(BaseModel):
    """Base of all queries and paths: text that is read as what it should be."""

    model_config = ConfigDict(extra="forbid")


class ResponseModel(BaseModel):
    """Base of all answers. Fields that are not required are left out when there is nothing to say."""


class FieldError(ResponseModel):
    """One wrong field; dots between levels."""

    field: str
    detail: str


class ProblemDetails(ResponseModel):
    """RFC 9457. Build on `code`; `detail` is for people and may change."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldError] = []
    message_id: str = ""
    conversations: list[str] = []
    error_id: str = ""


# Tokens and users.


class Login(RequestBody):
    """Who wants a token."""

    client_id: Annotated[str, Field(max_length=64, examples=["alice"])]
    client_secret: Annotated[str, Field(max_length=1024)]
    workspace: Annotated[
        str, Field(pattern="^[a-z][a-z0-9-]{0,31}$", description="In which they are; most deployments have `default` alone")
    ] = "default"


class LoginFormOut(ResponseModel):
    """`asks_workspace`: there are several workspaces, so whoever logs in says which; otherwise all are in `default`."""

    asks_workspace: bool


class Refresh(RequestBody):
    """A refresh token."""

    refresh_token: Annotated[str, Field(max_length=8192)]


class Logout(RequestBody):
    """Which login ends; left out: that of the access token."""

    refresh_token: Annotated[str, Field(max_length=8192)] = ""


class Tokens(ResponseModel):
    """`expires_in`: seconds that the access token lives."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class StreamTicketOut(ResponseModel):
    """`expires_at`: until when a stream may be opened with it."""

    ticket: str
    expires_at: Time


Password = Annotated[str, Field(min_length=8, max_length=1024)]


class PasswordChange(RequestBody):
    """The caller's password, and the one that they want."""

    current_password: Annotated[str, Field(max_length=1024)]
    new_password: Password


class NewPassword(RequestBody):
    """What the password is from now on; left out: one is made."""

    password: Password | None = None


class PasswordOut(ResponseModel):
    """`password` is told only where it was made, and only now."""

    user_id: str
    password: str = ""


class UserIdPath(RequestParams):
    """Names a user."""

    user_id: str


class SessionPath(UserIdPath):
    """Names a login of a user."""

    session_id: str


class PagedQuery(RequestParams):
    """Which page of a list."""

    after: str = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class SessionOut(ResponseModel):
    """A login. `current`: the one that asks."""

    session_id: str
    created_at: Time
    last_used_at: Time
    expires_at: Time
    user_agent: str = ""
    current: bool


class SessionsOut(ResponseModel):
    """A user's logins, by id. `next` goes into `after`."""

    sessions: list[SessionOut]
    next: str | None = None


class ClientPath(RequestParams):
    """Names a service client."""

    name: str


class NewClient(RequestBody):
    """A service client that is to be."""

    name: Annotated[str, Field(description="1 to 64 characters of A-Z a-z 0-9 _ . -", examples=["shop"])]
    scopes: Annotated[list[Literal["send", "manage", "admin", "human"]], Field(min_length=1, examples=[["send"]])]


class ClientOut(ResponseModel):
    """A service client."""

    client_id: str
    name: str
    scopes: list[str]
    created_at: Time
    last_used_at: Time | None = None
    disabled_at: Time | None = None


class NewClientOut(ClientOut):
    """A service client with its secret, which is told only now."""

    client_secret: str


class ClientsOut(ResponseModel):
    """Service clients, by name. `next` goes into `after`."""

    clients: list[ClientOut]
    next: str | None = None


class NewUser(RequestBody):
    """A user. Without a password: a contact, which needs scope manage."""

    user_id: UserId
    password: Annotated[str | None, Field(min_length=8, max_length=1024)] = None
    display_name: Annotated[str, Field(max_length=128)] = ""


class IdentityOut(ResponseModel):
    """An address on a channel. Unverified ones receive nothing."""

    channel: str
    address: str
    verified: bool
    since: Time | None = None


class Identities(ResponseModel):
    """A user's addresses on one channel."""

    identities: list[IdentityOut]


class UserOut(ResponseModel):
    """A user."""

    user_id: str
    kind: Literal["person", "contact", "client", "inbox"]
    created_at: Time
    display_name: str = ""
    scopes: list[str] = []
    disabled_at: Time | None = None
    added_by: Literal["everybody", "contacts", "nobody"] = "everybody"
    identities: list[IdentityOut] = []


class BrowserSessionOut(ResponseModel):
    """A page's session. `csrf_token` goes into the header X-CSRF-Token of each call; `events_url`: where its stream is.

    `links`: where people look further, by name: flower, grafana, traces (with {trace_id}), runbook, phones (the simulator's).
    """

    user: UserOut
    csrf_token: str
    events_url: str
    links: dict[str, str]


class Wishes(RequestBody):
    """Who may bring the caller into groups; contacts: those with whom they began a private conversation."""

    added_by: Literal["everybody", "contacts", "nobody"]


class BlockPath(RequestParams):
    """Names a user whom the caller blocks."""

    user_id: str


class BlockOut(ResponseModel):
    """Somebody who is blocked."""

    user_id: str


class Blocks(ResponseModel):
    """Whom the caller blocks, by id. `next` goes into `after`."""

    blocks: list[BlockOut]
    next: str | None = None


class AddressIn(RequestBody):
    """An address as the channel writes it."""

    address: Annotated[str, Field(max_length=256, examples=["+5511999990000"])]


class AddressQuery(RequestParams):
    """An address as the channel writes it."""

    address: Annotated[str, Field(max_length=256)]


class Proof(AddressIn):
    """The code that was sent to the address."""

    code: Annotated[str, Field(max_length=16)]


class UserPath(RequestParams):
    """Names a user's addresses on a channel."""

    user_id: str
    channel: str


# Conversations.


class NewConversation(RequestBody):
    """A private conversation has two members, the caller is one of them unless two others are named by a service client."""

    conversation_id: Uuid | None = None
    type: Literal["private", "group"]
    members: list[Someone]
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    open_history: Annotated[bool, Field(description="Who joins later may read what was said before")] = False


class MemberOut(ResponseModel):
    """Somebody who is a member now."""

    user_id: str
    kind: str
    display_name: str = ""


class ConversationOut(ResponseModel):
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
    last_activity_at: Time | None = None
    unread: Annotated[
        int | None,
        Field(ge=0, le=100, description="Messages that you have not read; 100: so many or more. Absent: you read none"),
    ] = None
    state: Annotated[
        Literal["open", "snoozed", "closed"] | None,
        Field(description="This and what follows: for those who answer, which are clients with scope manage"),
    ] = None
    snoozed_until: Time | None = None
    assignee: str = ""
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    labels: list[str] = []
    handler: Literal["bot", "human", "nobody"] | None = None
    handling_version: int | None = None


class WindowOut(ResponseModel):
    """When the account that would send may write to a member on a channel. Without `open_until`: there is no such time."""

    recipient: str
    channel: str
    account: Annotated[str, Field(description="Who sends, as the provider calls it")]
    open: Annotated[bool, Field(description="Whether it may be sent to now, as far as is known here")]
    open_until: Time | None = None
    human_until: Annotated[
        Time | None, Field(description="Until when what people write may go, where the provider granted the account that")
    ] = None
    last_wrote_at: Annotated[Time | None, Field(description="When they last wrote to the account")] = None


class WindowsOut(ResponseModel):
    """The windows of a conversation: of each member who has an address outside, by channel."""

    windows: list[WindowOut]


class Conversations(ResponseModel):
    """A page of conversations. `next` goes into `after`. In lists each says when something was said last there."""

    conversations: list[ConversationOut]
    next: str | None = None


class ConversationsQuery(RequestParams):
    """Which conversations, which page of them, in which order, and whether with metadata.

    With a filter the latest come first, whatever the order. A page may then have fewer than `limit`, or none, and a `next`.
    """

    metadata: bool = False
    order: Literal["id", "activity"] = "id"
    state: Literal["open", "snoozed", "closed"] | None = None
    assignee: Annotated[str | None, Field(max_length=64, description="A user id; empty: nobody's")] = None
    label: Annotated[str | None, Field(max_length=50)] = None
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    handler: Literal["bot", "human", "nobody"] | None = None
    unread: Annotated[bool | None, Field(description="true: with something that you have not read; false: without")] = None
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class ConversationPath(RequestParams):
    """Names a conversation."""

    conversation_id: str


class MembersIn(RequestBody):
    """Who joins."""

    members: Annotated[list[Someone], Field(min_length=1)]


class MemberPath(ConversationPath):
    """Names a member."""

    user_id: str


class LinkPath(ConversationPath):
    """Names a link."""

    channel: str
    address: str


class LinkOut(ResponseModel):
    """What this address writes comes into this conversation."""

    conversation_id: Uuid
    channel: str
    address: str


class ReadIn(RequestBody):
    """How far the caller has read."""

    up_to: Annotated[int, Field(ge=0, le=2**53, description="The seq of a message")]
    tell: Annotated[bool, Field(description="Show it also to people on channels, where the provider can")] = False


class StatusOut(ResponseModel):
    """Durable."""

    status: Literal["accepted"]


# Files.


class NewFile(RequestBody):
    """A file that is going to be uploaded. `size` in bytes."""

    conversation_id: Uuid
    filename: Annotated[str, Field(max_length=255, examples=["report.pdf"])]
    size: Annotated[int, Field(ge=1, le=2**53)]
    mime_type: Annotated[str, Field(max_length=192, examples=["application/pdf"])] = ""


class PartUrl(ResponseModel):
    """Where to PUT a part."""

    number: int
    url: str


class PartOut(ResponseModel):
    """A part that is there."""

    number: int
    size: int
    etag: str


class NewFileOut(ResponseModel):
    """Every part but the last has `part_size` bytes. `upload_url` is the first part's. The URLs are valid for an hour."""

    file_id: Uuid
    part_size: int
    upload_url: str
    parts: list[PartUrl]
    expires_at: Time


class PartsOut(ResponseModel):
    """What is there, and where the rest goes."""

    uploaded: list[PartOut]
    parts: list[PartUrl]
    part_size: int
    expires_at: Time | None = None


class Complete(RequestBody):
    """All parts are there. `checksum`: sha256 of the whole file, as hex or sha256:hex."""

    file_id: Uuid
    checksum: Annotated[str, Field(max_length=80)]


class FileForm(RequestBody):
    """The fields of the form, in this order."""

    conversation_id: Uuid
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]


class FileOut(ResponseModel):
    """A file. `checksum` once it is ready."""

    file_id: Uuid
    conversation_id: Uuid
    status: Literal["uploading", "verifying", "ready", "failed"]
    filename: str
    mime_type: str
    size: int
    owner: str
    created_at: Time
    expires_at: Time | None = None
    checksum: str = ""
    reason: str = ""


class Presigned(ResponseModel):
    """Where to GET the file from; ranges are honoured."""

    url: str
    expires_at: Time


class FilePath(RequestParams):
    """Names a file."""

    file_id: str


class ObjectPath(RequestParams):
    """Names an object of the store."""

    key: str


# Channels and health.


class ChannelPath(RequestParams):
    """Names a channel."""

    channel: str


class Health(ResponseModel):
    """It runs, or answers."""

    status: Literal["ok"]
