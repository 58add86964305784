"""What the API tells of channels."""

from typing import Annotated, Literal

from pydantic import Field

from webapp.schemas.models import ResponseModel


class ChoiceLimitsOut(ResponseModel):
    """How many choices of a style are shown, and how long their words may be; 0: none. Beyond that they are adapted."""

    options: int
    title_length: int
    text_length: Annotated[int, Field(description="Of the question with its header and footer")]
    description_length: int
    header_length: int
    footer_length: int
    links: Annotated[int, Field(description="Buttons that open a page")]
    links_alone: Annotated[bool, Field(description="Such buttons stand in place of options, not beside them")]


class WindowRuleOut(ResponseModel):
    """When an account may write to a person."""

    open_s: Annotated[int, Field(description="Seconds after the person's last message; 0: at any time")]
    person_writes_first: Annotated[bool, Field(description="Whether the person must have written before")]
    exempt: Annotated[list[str], Field(description="The types of payload that may go at any time")]


class LimitsOut(ResponseModel):
    """How much a channel takes at once. More is adapted: a long text goes in parts, a large file as a link."""

    text_length: int
    text_unit: Literal["characters", "bytes"]
    caption_length: int
    file_bytes: Annotated[
        dict[str, int],
        Field(description='By a link. By the beginning of the media type, the longest that fits; "": all others'),
    ]
    upload_bytes: Annotated[dict[str, int], Field(description="The same of files that are uploaded, which goes before")]
    shown: Annotated[
        dict[str, dict[str, int]],
        Field(description="By kind of file the media types that people see so, and up to how many bytes; others are converted"),
    ]
    choices: Annotated[dict[str, ChoiceLimitsOut], Field(description="By style")]
    reactions: Annotated[list[str], Field(description="The emojis that can be a reaction; none: every emoji")]
    quotes: Annotated[bool, Field(description="Whether reply_to shows as a quote")]
    receipts: Annotated[list[str], Field(description="The states that the provider ever reports")]
    signals: Annotated[list[str], Field(description="What people can see in passing: typing, read, pressed")]
    window: WindowRuleOut


class ChannelOut(ResponseModel):
    """A channel. `contents`: what becomes of each kind that is sent there."""

    channel: str
    contents: Annotated[
        dict[str, Literal["native", "adapted", "refused"]],
        Field(description="native; adapted: as another kind or in words; refused: only providers bring it, nobody sends it"),
    ]
    limits: LimitsOut


class ChannelsOut(ResponseModel):
    """The channels, by name. `next` goes into `after`."""

    channels: list[ChannelOut]
    next: str | None = None
