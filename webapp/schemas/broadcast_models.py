"""What the API takes and gives of broadcasts."""

from typing import Annotated, Literal

from pydantic import Field

from chat4all.model.broadcasts import RATE_MOST
from webapp.schemas.content_models import PayloadIn
from webapp.schemas.models import PagedQuery, RequestBody, RequestParams, ResponseModel, Time

State = Literal["draft", "running", "paused", "stopped", "done"]


class Audience(RequestBody):
    """To whom: every contact that has this tag when its turn comes."""

    tag: Annotated[str, Field(max_length=50, examples=["newsletter"])]


class NewBroadcast(RequestBody):
    """One message to many. It begins when it is started."""

    name: Annotated[str, Field(max_length=128, description="What people call it")] = ""
    payload: PayloadIn
    sender: Annotated[str | None, Field(alias="from", max_length=64, description="Who says it; left out: the caller")] = None
    channel: Annotated[str, Field(max_length=64, examples=["whatsapp"])]
    audience: Audience
    rate: Annotated[int, Field(ge=1, le=RATE_MOST, description="Messages a second at most")] = 20


class BroadcastPath(RequestParams):
    """Names a broadcast."""

    broadcast_id: Annotated[str, Field(max_length=64)]


class ResultsQuery(PagedQuery):
    """Which page of the results."""


class AudienceOut(ResponseModel):
    """To whom."""

    tag: str


class Counts(ResponseModel):
    """Contacts that have had their turn, by outcome: a message to them was accepted or refused, or they were passed over."""

    accepted: int
    refused: int
    skipped: int


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
    counts: Counts
    created_at: Time
    created_by: str
    started_at: Time | None = None
    ended_at: Time | None = None


class BroadcastsOut(ResponseModel):
    """A page of broadcasts. `next` goes into `after`."""

    broadcasts: list[BroadcastOut]
    next: str | None = None


class ResultOut(ResponseModel):
    """A contact's turn. `reason`: the code of a refusal, or why it was passed over: no_address, opted_out."""

    contact_id: str
    outcome: Literal["accepted", "refused", "skipped"]
    reason: str = ""
    address: str = ""
    message_id: str = ""
    conversation_id: str = ""


class ResultsOut(ResponseModel):
    """A page of results by contact. `next` goes into `after`."""

    results: list[ResultOut]
    next: str | None = None
