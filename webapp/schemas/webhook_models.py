"""What the API takes and gives of outgoing webhooks."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time

Url = Annotated[str, Field(max_length=2048, examples=["https://shop.example/chat4all"])]
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=100)]
Types = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(max_length=50, description="Types of event; none: all of them", examples=[["message.accepted"]]),
]
Headers = Annotated[
    dict[str, str],
    Field(
        description="Sent with every call, and never told again. Give them again with a URL at another host",
        examples=[{"authorization": "Bearer of-your-own"}],
    ),
]
Throttle = Annotated[float, Field(ge=0, le=1000, description="Calls a second at most, 0.01 and more; 0: no limit")]

Batch = Annotated[int, Field(ge=1, le=20, description="Events a request at most, while it is behind; 1: each by itself")]


class WebhookFilter(RequestBody):
    """Of which events it hears; what is left out asks nothing."""

    channels: Names = Field(default_factory=list)
    accounts: Names = Field(default_factory=list)
    conversations: Names = Field(default_factory=list)
    labels: Names = Field(default_factory=list)


class NewWebhook(RequestBody):
    """An endpoint that is to be."""

    url: Url
    events: Types = Field(default_factory=list)
    filter: WebhookFilter = Field(default_factory=WebhookFilter)
    headers: Headers = Field(default_factory=dict)
    throttle: Throttle = 0
    batch: Batch = 1


class WebhookChange(RequestBody):
    """What of it is to be otherwise. `headers` are replaced as a whole."""

    url: Url | None = None
    events: Types | None = None
    filter: WebhookFilter | None = None
    headers: Headers | None = None
    throttle: Throttle | None = None
    batch: Batch | None = None


class WebhookPath(RequestParams):
    """Names an endpoint."""

    webhook_id: Annotated[str, Field(max_length=64)]


class FilterOut(ResponseModel):
    """Of which events it hears."""

    channels: list[str] = Field(default_factory=list)
    accounts: list[str] = Field(default_factory=list)
    conversations: list[str] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)


class WebhookOut(ResponseModel):
    """An endpoint. `failing_since`: no call has succeeded since. `reason`: why it is disabled."""

    webhook_id: str
    url: str
    events: list[str]
    filter: FilterOut
    header_names: list[str]
    throttle: float
    batch: int = 1
    status: Literal["enabled", "disabled"]
    reason: str = ""
    sealed: Annotated[bool, Field(description="No key opens its secret: it is told nothing until it is rotated")] = False
    failing_since: Time | None = None
    created_at: Time
    changed_at: Time


class NewWebhookOut(WebhookOut):
    """An endpoint with its secret, which is told only now."""

    secret: Annotated[str, Field(examples=["whsec_…"])]


class WebhooksOut(ResponseModel):
    """Endpoints, by id. `next` goes into `after`."""

    webhooks: list[WebhookOut]
    next: str | None = None


class Rotation(RequestBody):
    """How long the secret before it signs too."""

    old_valid_s: Annotated[int, Field(ge=0, le=604_800, description="Seconds")] = 86_400


class RecoveryAsked(RequestBody):
    """From when and until when events are to be told once more; left out: until now."""

    since: Annotated[str, Field(max_length=64, examples=["2h"], description="An RFC 3339 time, or 90m, 24h, 7d ago")]
    until: Annotated[str, Field(max_length=64)] = ""


class RecoveryOut(ResponseModel):
    """They are told from now on, in order in themselves, under the ids that they had. `events`: at most so many."""

    recovery_id: str = ""
    events: int


class WebhookTestOut(ResponseModel):
    """The call is made soon, as any other."""

    event_id: str


class CallsQuery(RequestParams):
    """Which page of the log; the newest first."""

    after: Annotated[str, Field(max_length=128)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class CallOut(ResponseModel):
    """One call. `status` is that of the answer, 0 where there was none; `number`: which try of this event.

    `request` is what was sent, as long as the log has the event; `response` is the beginning of the answer.
    """

    call_id: str
    at: Time
    event_id: str
    type: str
    conversation_id: str = ""
    number: int
    status: int
    error: str = ""
    took_ms: int
    manual: str = ""
    request: str = ""
    response: str = ""


class CallsOut(ResponseModel):
    """The log of calls, newest first. `next` goes into `after`."""

    deliveries: list[CallOut]
    next: str | None = None
