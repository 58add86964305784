"""What search takes and gives."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import RequestParams, ResponseModel, Time, UserOut


class SearchQuery(RequestParams):
    """What to look for. All words must be there; the last may be only begun. Signs and quotes are passed over."""

    q: Annotated[str, Field(description="Up to 16 words, 256 characters")]
    within: Annotated[str, Field(alias="in", description="messages, contacts or both with a comma; left out: messages")] = (
        "messages"
    )
    conversation: Annotated[str | None, Field(description="Only messages of this conversation")] = None
    since: Annotated[str | None, Field(alias="from", description="Only messages accepted at this time (RFC 3339) or later")] = (
        None
    )
    until: Annotated[str | None, Field(alias="to", description="Only messages accepted before this time (RFC 3339)")] = None
    type: Annotated[str | None, Field(description="Only messages whose payload is of this type, or of these with commas")] = (
        None
    )
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class MarkOut(ResponseModel):
    """A word that was looked for: the characters from `start` up to, not including, `end` of the snippet."""

    start: int
    end: int


class SnippetOut(ResponseModel):
    """Part of the message's words, as plain text, around the first that was looked for. Characters are Unicode code points."""

    text: str
    marks: list[MarkOut]


class MessageFound(ResponseModel):
    """A message with the words, as it is now."""

    message_id: str
    conversation_id: str
    seq: int
    sender: str
    accepted_at: Time
    type: str
    snippet: SnippetOut
    visibility: Literal["all", "internal"] = "all"


class SearchOut(ResponseModel):
    """What was found, messages newest first. `next` goes into `after`: a page before it may have fewer, or none.

    `partial`: not all was looked at: the time was over, or the index is being made.
    """

    messages: list[MessageFound] = Field(default=[])
    contacts: list[UserOut] = Field(default=[])
    partial: bool = False
    next: str | None = None
