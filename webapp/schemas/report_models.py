"""What the API takes and gives of reports."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import RequestParams, ResponseModel


class ReportQuery(RequestParams):
    """Of which time, by what, and which page. Rows of all pages with the same names are added up."""

    since: Annotated[str, Field(description="A day, or a time with its zone")]
    until: Annotated[str, Field(description="Not included; at most 31 days later")]
    by: Annotated[str, Field(description="Any of day, channel, account, agent, label, with commas")] = "day"
    format: Literal["json", "csv"] = "json"
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=200, description="Conversations that a page counts")] = 200


class ReportRow(ResponseModel):
    """Figures of what has these names. Means are `answer_seconds / answered` and `resolution_seconds / closed`."""

    day: str | None = None
    channel: str | None = None
    account: str | None = None
    agent: str | None = None
    label: str | None = None
    conversations: Annotated[int, Field(description="Began, or began anew after they were closed")]
    answered: Annotated[int, Field(description="Had their first answer")]
    answer_seconds: Annotated[float, Field(description="From the customer's first message to that, all together")]
    closed: Annotated[int, Field(description="Were closed, and have not been opened since")]
    resolution_seconds: Annotated[float, Field(description="From the customer's first message to that, all together")]
    messages_in: Annotated[int, Field(description="What customers said")]
    messages_out: Annotated[int, Field(description="What others said")]


class ReportOut(ResponseModel):
    """A page of a report. `next` goes into `after`."""

    rows: list[ReportRow]
    next: str | None = None


class CostReportQuery(ReportQuery):
    """Of which time, by what, and which page. Rows of all pages with the same names are added up."""

    by: Annotated[str, Field(description="Any of day, channel, account_id, category, with commas")] = "day,account_id,category"


class CostReportRow(ResponseModel):
    """Figures of what has these names. `category` is the provider's word: marketing, utility, service …"""

    day: str | None = None
    channel: str | None = None
    account_id: str | None = None
    category: str | None = None
    deliveries: Annotated[int, Field(description="Of which the provider said what they cost")]
    billable: Annotated[int, Field(description="Those that it charges, once they arrive")]
    billable_arrived: Annotated[int, Field(description="Those of them that are known to have arrived")]


class CostReportOut(ResponseModel):
    """A page of a report. `next` goes into `after`."""

    rows: list[CostReportRow]
    next: str | None = None
