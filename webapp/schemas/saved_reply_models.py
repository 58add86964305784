"""What the API takes and gives of saved replies."""

from typing import Annotated, Any

from pydantic import Field

from webapp.schemas.models import PagedQuery, RequestBody, RequestParams, ResponseModel, Time, Uuid

Title = Annotated[str, Field(max_length=100, examples=["Greeting"])]
Shortcut = Annotated[str, Field(max_length=32, description="Names it, in lower case: no other has it", examples=["hello"])]
Words = Annotated[
    str,
    Field(
        description="With variables: {{name}}, {{first_name}}, {{agent}}, {{agent_first_name}}, {{attribute.<name>}}; "
        "behind a | what stands in place of one without a value",
        examples=["Hello {{first_name|there}}, this is {{agent}}."],
    ),
]
FileIds = Annotated[list[str], Field(max_length=10, description="Ids of complete files of any conversation: it keeps copies")]


class NewSavedReply(RequestBody):
    """A reply to be kept: words, files, or both."""

    title: Title
    shortcut: Shortcut
    text: Words = ""
    files: Annotated[FileIds, Field(default_factory=list)]

    @property
    def given(self) -> dict[str, Any]:
        """All of it."""
        return dict(self)


class SavedReplyChange(RequestBody):
    """What of it is to be otherwise; what is left out stays."""

    title: Title | None = None
    shortcut: Shortcut | None = None
    text: Words | None = None
    files: Annotated[FileIds | None, Field(description="All of them, in place of those that are there")] = None
    version: Annotated[
        int | None, Field(ge=1, le=2**53, description="Change it only if this is still its version; else 409")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """What was said. null is as if it was left out."""
        return {name: value for name in self.model_fields_set if (value := getattr(self, name)) is not None}


class SavedReplyPath(RequestParams):
    """Names a saved reply."""

    reply_id: Annotated[str, Field(max_length=64)]


class SavedRepliesQuery(PagedQuery):
    """Which of them, and which page."""

    shortcut: Annotated[str, Field(max_length=32, description="Only those whose shortcut begins so")] = ""


class SavedFileOut(ResponseModel):
    """A file of a saved reply. `file_id` names it in a change of the reply, and nowhere else."""

    file_id: str
    filename: str
    mime_type: str
    size: int


class SavedReplyOut(ResponseModel):
    """A saved reply. `version` grows with each change."""

    reply_id: Uuid
    title: str
    shortcut: str
    text: str
    files: list[SavedFileOut]
    version: int
    created_at: Time
    changed_at: Time
    changed_by: str


class SavedRepliesOut(ResponseModel):
    """A page of saved replies, by shortcut. `next` goes into `after`."""

    saved_replies: list[SavedReplyOut]
    next: str | None = None


class RenderIn(RequestBody):
    """Where it is to be said, and who answers: the caller, if nobody else is named."""

    conversation_id: str
    agent: Annotated[str | None, Field(max_length=64, description="A user id: whose name {{agent}} is")] = None


class RenderedOut(ResponseModel):
    """What to say: `payload` goes into `POST /v1/messages`, changed or as it is."""

    payload: dict[str, Any]
