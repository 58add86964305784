"""What the API takes and gives of broadcasts."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chat4all.model.broadcasts import AUDIENCE_AT_ONCE, RATE_MOST
from webapp.schemas.content_models import PayloadIn
from webapp.schemas.models import PagedQuery, RequestBody, RequestParams, ResponseModel, Time

State = Literal["draft", "running", "paused", "stopped", "done"]


Addresses = Annotated[
    list[Annotated[str, Field(max_length=256)]],
    Field(max_length=AUDIENCE_AT_ONCE, description="On its channel, or as channel:address", examples=[["+5511999990000"]]),
]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["21:00"])]


class Audience(RequestBody):
    """To whom: every contact that has this tag when its turn comes; or these addresses, and those that `…/audience` adds."""

    tag: Annotated[str | None, Field(max_length=50, examples=["newsletter"])] = None
    addresses: Addresses | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Audience":
        if (self.tag is None) == (self.addresses is None):
            raise ValueError("either a tag or addresses")
        return self


class Quiet(RequestBody):
    """When nobody is told, by the clock of their time zone: from a time of the day until another, also past midnight."""

    begin: Annotated[TimeOfDay, Field(alias="from")]
    end: Annotated[TimeOfDay, Field(alias="until", examples=["08:00"])]
    time_zone: Annotated[
        str, Field(max_length=64, description="Of whose contact names none", examples=["America/Sao_Paulo"])
    ] = "UTC"


class MoreAudience(RequestBody):
    """Addresses that it goes to too."""

    addresses: Addresses


class AudienceAdded(ResponseModel):
    """How many were given, each once."""

    addresses: int


class NewBroadcast(RequestBody):
    """One message to many. It begins when it is started."""

    name: Annotated[str, Field(max_length=128, description="What people call it")] = ""
    payload: PayloadIn
    sender: Annotated[str | None, Field(alias="from", max_length=64, description="Who says it; left out: the caller")] = None
    channel: Annotated[str, Field(max_length=64, examples=["whatsapp"])]
    audience: Audience
    rate: Annotated[int, Field(ge=1, le=RATE_MOST, description="Messages a second at most")] = 20
    quiet_hours: Quiet | None = None


class BroadcastPath(RequestParams):
    """Names a broadcast."""

    broadcast_id: Annotated[str, Field(max_length=64)]


class ResultsQuery(PagedQuery):
    """Which page of the results."""


class AudienceOut(ResponseModel):
    """To whom: contacts with the tag; or `listed`: the addresses that were given."""

    tag: str | None = None
    listed: bool | None = None


class QuietOut(ResponseModel):
    """When nobody is told."""

    begin: Annotated[str, Field(serialization_alias="from", alias="from")]
    end: Annotated[str, Field(serialization_alias="until", alias="until")]
    time_zone: str


class Counts(ResponseModel):
    """Turns by outcome: a message was accepted or refused, somebody was passed over, or has another turn later."""

    accepted: int
    refused: int
    skipped: int
    waiting: int
    withdrawn: Annotated[int, Field(description="Accepted, and kept from being sent by a stop")] = 0


class BroadcastWait(ResponseModel):
    """Why nobody has their turn now, and until when at least. daily_budget: the account has written to as many as it may."""

    reason: Literal["daily_budget"]
    until: Time


class BroadcastOut(ResponseModel):
    """A broadcast, and how far it has come."""

    broadcast_id: str
    name: str = ""
    state: State
    payload: PayloadIn
    sender: Annotated[str, Field(serialization_alias="from", alias="from")] = ""
    channel: str
    audience: AudienceOut
    rate: int
    quiet_hours: QuietOut | None = None
    counts: Counts
    waits: BroadcastWait | None = None
    created_at: Time
    created_by: str
    started_at: Time | None = None
    ended_at: Time | None = None


class BroadcastsOut(ResponseModel):
    """A page of broadcasts. `next` goes into `after`."""

    broadcasts: list[BroadcastOut]
    next: str | None = None


class ResultOut(ResponseModel):
    """Somebody's turn. `reason`: the code of a refusal; or why they were passed over, or wait.

    Passed over: no_address, opted_out, left_audience, same_person. They wait until `due_at`: quiet_hours.
    """

    contact_id: str = ""
    outcome: Literal["accepted", "refused", "skipped", "waiting"]
    reason: str = ""
    due_at: Time | None = None
    address: str = ""
    message_id: str = ""
    conversation_id: str = ""


class ResultsOut(ResponseModel):
    """A page of results by contact, or by address of a list. `next` goes into `after`."""

    results: list[ResultOut]
    next: str | None = None


class CountryOut(ResponseModel):
    """Messages to a country ("": unknown), by ISO 3166; with the price of each where the operator's table has one."""

    country: str
    messages: int
    price: str | None = None
    currency: str | None = None
    valid_from: Annotated[str | None, Field(description="Since when the price is so, as the operator wrote it")] = None
    amount: str | None = None


class TotalOut(ResponseModel):
    """What all of them cost in a currency."""

    currency: str
    amount: Annotated[str, Field(examples=["31.25"])]


class DailyBudgetOut(ResponseModel):
    """To how many the account's broadcasts may write within a day, how many are left now, and for how many days at least some
    of this one have to wait.
    """

    people_per_day: int
    left: int
    waits_days: int


class EstimateOut(ResponseModel):
    """What it would cost now. `unpriced`: messages for which there is no price. `category`: "" where nobody knows it."""

    category: str
    messages: int
    passed_over: int
    unpriced: int
    complete: bool
    totals: list[TotalOut]
    countries: list[CountryOut]
    daily_budget: DailyBudgetOut | None = None
