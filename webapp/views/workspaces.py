"""Workspaces, for whoever runs the deployment: made, limited, suspended, removed. What is in them is not theirs to read."""

from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.broadcasts import PAUSED, RUNNING, STOPPED
from chat4all.model.callers import OPERATOR
from chat4all.model.clock import rfc3339
from chat4all.model.workspaces import ACTIVE, REMOVED, SUSPENDED, Limits, Workspace
from chat4all.services.access.workspaces import FIRST_CLIENT, WorkspaceRegistry
from chat4all.services.broadcasts.registry import BroadcastRegistry
from chat4all.services.refusals import Taken
from chat4all.services.webhooks.endpoints import all_webhooks
from webapp.requests.api_docs import SECURED, WORKSPACES, problems
from webapp.requests.gateway import Gateway, caller, deployment
from webapp.requests.problems import Problem
from webapp.requests.refusals import answer_refusals
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import PagedQuery
from webapp.schemas.workspace_models import (
    NewWorkspace,
    NewWorkspaceOut,
    WorkspaceChange,
    WorkspaceLimitsIn,
    WorkspaceOut,
    WorkspacePath,
    WorkspacesOut,
)
from webapp.views import auth

api = APIBlueprint(
    "workspaces",
    __name__,
    abp_tags=[WORKSPACES],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
)
api.before_request(auth.require)
api.before_request(lambda: auth.need(OPERATOR))
answer_refusals(api, "workspace")


@api.post("/v1/workspaces", responses={"201": NewWorkspaceOut})
@checked
def create_workspace(body: NewWorkspace) -> Response:
    """Make a workspace, with a client `admin` that may do everything in it."""
    try:
        made = _registry().create(body.workspace_id, body.name, _limits(body.limits), caller().user_id)
    except Taken:
        raise Problem(409, "workspace_taken", "there is or was a workspace called so", "workspace_id") from None
    auth.security.warning("workspace_created", workspace=made.workspace_id, by=caller().user_id)
    return _secret(made, 201)


@api.get("/v1/workspaces", responses={"200": WorkspacesOut})
@checked
def list_workspaces(query: PagedQuery) -> Response:
    """All workspaces but `default`, by id; the removed ones too."""
    found = _registry().page(query.limit + 1, query.after)
    page, more = page_after(found, query.after, query.limit, lambda each: each.workspace_id)
    return answer({"workspaces": [shape(each) for each in page]} | more)


@api.get("/v1/workspaces/<workspace_id>", responses={"200": WorkspaceOut})
@checked
def get_workspace(path: WorkspacePath) -> Response:
    """A workspace."""
    return answer(shape(_registry().get(path.workspace_id)))


@api.patch("/v1/workspaces/<workspace_id>", responses={"200": WorkspaceOut})
@checked
def change_workspace(path: WorkspacePath, body: WorkspaceChange) -> Response:
    """Call it something else, or limit it otherwise."""
    limits = _limits(body.limits) if body.limits else None
    return answer(shape(_registry().change(path.workspace_id, body.name, limits)))


@api.post("/v1/workspaces/<workspace_id>/suspend", responses={"200": WorkspaceOut})
@checked
def suspend_workspace(path: WorkspacePath) -> Response:
    """Nobody may do anything in it, at no door, within two seconds; its broadcasts pause.

    What was accepted is sent, and what people write comes in.
    """
    return answer(shape(_to(path.workspace_id, SUSPENDED)))


@api.post("/v1/workspaces/<workspace_id>/resume", responses={"200": WorkspaceOut})
@checked
def resume_workspace(path: WorkspacePath) -> Response:
    """Let them in again. Broadcasts stay paused until somebody starts them."""
    return answer(shape(_to(path.workspace_id, ACTIVE)))


@api.delete("/v1/workspaces/<workspace_id>", responses={"200": WorkspaceOut})
@checked
def delete_workspace(path: WorkspacePath) -> Response:
    """Remove it, for good: nobody may do anything in it, its accounts, endpoints and broadcasts end.

    What was said in it stays stored, as long as messages are kept; nobody can read it. No other is ever called so.
    """
    return answer(shape(_to(path.workspace_id, REMOVED)))


@api.post("/v1/workspaces/<workspace_id>/rotate", responses={"200": NewWorkspaceOut})
@checked
def rotate_workspace(path: WorkspacePath) -> Response:
    """Give the client that administers it another secret, told only now. The old one, and its logins, end."""
    found = _registry().get(path.workspace_id)
    auth.security.warning("workspace_rotated", workspace=found.workspace_id, by=caller().user_id)
    return _secret(found, 200)


def _to(workspace_id: str, state: str) -> Workspace:
    here = deployment()
    changed = _registry().to_state(workspace_id, state)
    here.revocations.read()
    auth.security.warning(f"workspace_{state}", workspace=workspace_id, by=caller().user_id)
    if state != ACTIVE:
        _close_down(here.within(workspace_id), is_for_good=state == REMOVED)
    return changed


def _close_down(room: Gateway, is_for_good: bool) -> None:
    """What goes on by itself in a workspace where nobody may do anything. Doing it again goes on."""
    broadcasts = BroadcastRegistry(room.store, room.acceptor)
    for each in room.store.broadcasts(10**6):
        if is_for_good and each.state in (RUNNING, PAUSED):
            broadcasts.change(each.broadcast_id, STOPPED)
        elif each.state == RUNNING:
            broadcasts.change(each.broadcast_id, PAUSED)
    if is_for_good:
        for account in room.accounts.all():
            room.accounts.remove(account.account_id)
        for app in room.accounts.apps.all():
            room.accounts.apps.remove(app.app_id)
        for endpoint in list(all_webhooks(room.store)):
            room.endpoints.delete(endpoint.webhook_id)


def _registry() -> WorkspaceRegistry:
    here = deployment()
    return WorkspaceRegistry(here.store, here.settings)


def _limits(given: WorkspaceLimitsIn) -> Limits:
    return Limits(given.accounts, given.calls)


def _secret(workspace: Workspace, status: int) -> Response:
    secret = _registry().first_secret(workspace.workspace_id)
    response = answer(shape(workspace) | {"client_id": FIRST_CLIENT, "client_secret": secret}, status)
    response.headers.update(auth.NEVER_KEPT)
    deployment().revocations.read()
    return response


def shape(workspace: Workspace) -> dict[str, Any]:
    """A workspace as the API gives it."""
    said = {
        "name": workspace.name,
        "created_at": rfc3339(workspace.created_at) if workspace.created_at else "",
        "changed_at": rfc3339(workspace.changed_at) if workspace.changed_at else "",
        "created_by": workspace.created_by,
    }
    return without_blanks(said) | {
        "workspace_id": workspace.workspace_id,
        "state": workspace.state,
        "limits": {"accounts": workspace.limits.accounts, "calls": workspace.limits.calls},
    }
