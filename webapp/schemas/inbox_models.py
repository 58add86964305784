"""What the API takes from those who answer: how conversations are handled."""

from typing import Annotated, Any, Literal

from pydantic import Field

from webapp.schemas.models import RequestBody

State = Literal["open", "snoozed", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Handler = Literal["bot", "human", "nobody"]


class HandlingIn(RequestBody):
    """What is to change; what is left out stays. null: nobody's (assignee), no labels, no time."""

    state: State | None = None
    snoozed_until: Annotated[
        str | None,
        Field(json_schema_extra={"format": "date-time"}, description="With state snoozed: when it is open again"),
    ] = None
    assignee: Annotated[str | None, Field(max_length=64, description="A user id")] = None
    priority: Priority | None = None
    labels: Annotated[list[str] | None, Field(description="All of them, in place of those that are there")] = None
    handler: Annotated[Handler | None, Field(description="Who answers; while a human does, bots' messages are refused")] = None
    seen_up_to: Annotated[
        int | None,
        Field(ge=0, le=2**53, description="With state snoozed or closed: the seq of the newest message that you have seen"),
    ] = None
    handling_version: Annotated[
        int | None, Field(ge=0, le=2**53, description="Change it only if this is still its version; else 409")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """What was said, null too."""
        return {name: getattr(self, name) for name in self.model_fields_set}
