"""What the API takes and gives of accounts' templates."""

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time

TemplateName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$", examples=["order_shipped"])]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$", examples=["en_US"])]
Components = Annotated[
    list[dict[str, Any]],
    Field(
        min_length=1,
        max_length=20,
        description="Its parts in the provider's form: type (HEADER, BODY, FOOTER, BUTTONS), text with places {{1}}, example",
        examples=[[{"type": "BODY", "text": "Your order {{1}} is on its way.", "example": {"body_text": [["1234"]]}}]],
    ),
]


class NewTemplate(RequestBody):
    """A template that is asked for."""

    name: TemplateName
    language: Language
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    components: Components


class TemplatePath(RequestParams):
    """Names a template in one language."""

    account_id: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=512)]
    language: Annotated[str, Field(max_length=16)]


class TemplatesQuery(RequestParams):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[str, Field(max_length=1024, description="`next` of the page before")] = ""
    name: Annotated[str, Field(max_length=512, description="Only what is called so, or like this")] = ""


class TemplateOut(ResponseModel):
    """A template in one language. `status`: in the provider's word; APPROVED can be sent. `reason`: why it was rejected.

    `quality`: what people think of it, in the provider's word. `known_at`: when this was so.
    """

    name: str
    language: str
    category: str = ""
    status: Annotated[str, Field(examples=["APPROVED", "PENDING", "REJECTED", "PAUSED"])]
    components: list[dict[str, Any]]
    reason: str = ""
    template_id: Annotated[str, Field(description="The provider's id")] = ""
    quality: Annotated[str, Field(examples=["GREEN", "YELLOW", "RED"])] = ""
    known_at: Time | None = None


class TemplatesOut(ResponseModel):
    """A page of templates. `next` goes into `after`."""

    templates: list[TemplateOut]
    next: str | None = None


class TemplatesRead(ResponseModel):
    """How many templates are otherwise than they were known."""

    changed: int


Places = Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=50)]


class ParametersIn(RequestBody):
    """What stands in its places, by their order; "" for a button without one."""

    header: Places = Field(default_factory=list)
    body: Places = Field(default_factory=list)
    buttons: Places = Field(default_factory=list)


class Preview(RequestBody):
    """What would stand in its places."""

    parameters: ParametersIn = ParametersIn()


class PreviewOut(ResponseModel):
    """What a person reads: `text` is header, body and footer together. `sendable`: whether its status allows to send it."""

    text: str
    header: str | None = None
    body: str | None = None
    footer: str | None = None
    buttons: list[str] | None = None
    status: str
    category: str
    sendable: bool
