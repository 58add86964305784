"""What the API takes and gives of who is there."""

from typing import Annotated

from pydantic import Field

from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time


class PresenceQuery(RequestParams):
    """Of whom to say it."""

    user_id: Annotated[str, Field(min_length=1, description="A user id, or up to 50 with commas")]


class PresenceIn(RequestBody):
    """Whether it is hidden from everybody."""

    hidden: bool


class PresenceOut(ResponseModel):
    """`online`: a stream of theirs is open, or was less than 30 s ago. `last_seen`: of who is not, when that ended.

    `hidden`: the caller themself is hidden; of others that is not said.
    """

    user_id: str
    online: bool
    last_seen: Time | None = None
    hidden: bool = False


class PresencesOut(ResponseModel):
    """One for each user of whom the caller may know, in the order asked for."""

    presence: list[PresenceOut]
