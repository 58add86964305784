"""What the API takes and gives of workspaces."""

from typing import Annotated, Literal

from pydantic import Field

from chat4all.model.workspaces import NAME_MOST
from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time

WorkspaceId = Annotated[str, Field(max_length=32, description="a-z 0-9 -, the first a letter; for good", examples=["acme"])]
Name = Annotated[str, Field(max_length=NAME_MOST, description="What people call it")]


class WorkspaceLimitsIn(RequestBody):
    """What a workspace may have and do at most. 0: no limit of its own."""

    accounts: Annotated[int, Field(ge=0, le=100_000)] = 0
    calls: Annotated[int, Field(ge=0, le=1_000_000, description="Requests a second, of all its callers together")] = 0


class NewWorkspace(RequestBody):
    """A workspace that is to be."""

    workspace_id: WorkspaceId
    name: Name = ""
    limits: WorkspaceLimitsIn = WorkspaceLimitsIn()


class WorkspaceChange(RequestBody):
    """What of it is to be otherwise; what is left out stays."""

    name: Name | None = None
    limits: WorkspaceLimitsIn | None = None


class WorkspacePath(RequestParams):
    """Names a workspace."""

    workspace_id: Annotated[str, Field(max_length=32)]


class WorkspaceLimitsOut(ResponseModel):
    """What a workspace may have and do at most. 0: no limit of its own."""

    accounts: int
    calls: int


class WorkspaceOut(ResponseModel):
    """A workspace."""

    workspace_id: str
    name: str = ""
    state: Literal["active", "suspended", "removed"]
    limits: WorkspaceLimitsOut
    created_at: Time | None = None
    changed_at: Time | None = None
    created_by: str = ""


class NewWorkspaceOut(WorkspaceOut):
    """A workspace with the client that administers it. `client_secret` is told only now."""

    client_id: str
    client_secret: str


class WorkspacesOut(ResponseModel):
    """Workspaces by id, `default` not among them. `next` goes into `after`."""

    workspaces: list[WorkspaceOut]
    next: str | None = None
