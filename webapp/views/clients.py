"""Service clients: create, list, rotate the secret, delete. A secret is shown once."""

from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import ADMIN
from chat4all.model.clock import rfc3339
from chat4all.model.conversations import User
from chat4all.services.access import credentials
from webapp.requests.api_docs import SECURED, TOKENS, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import (
    answer,
    page_after,
)
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import ClientPath, ClientsOut, NewClient, NewClientOut, PagedQuery
from webapp.views import auth

api = APIBlueprint(
    "clients",
    __name__,
    abp_tags=[TOKENS],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 413, 422, 429, 503),
)


def _require_admin() -> None:
    auth.require()
    auth.need(ADMIN)


api.before_request(_require_admin)


@api.get("/v1/clients", responses={"200": ClientsOut})
@checked
def clients(query: PagedQuery) -> Response:
    """All service clients, by name."""
    store = gateway().store
    page, more = page_after(credentials.client_names(store), query.after, query.limit, str)
    users = store.users(page)
    return answer({"clients": [_shape(users[each]) for each in page if each in users]} | more)


@api.post("/v1/clients", responses={"201": NewClientOut, **problems(409)})
@checked
def create(body: NewClient) -> Response:
    """Make a service client. Its secret is told only now."""
    store = gateway().store
    try:
        secret = credentials.create_client(store, body.name, body.scopes)
    except ValueError as error:
        raise Problem(422, "invalid", str(error), "name" if "scope" not in str(error) else "scopes") from None
    except credentials.Taken:
        raise Problem(409, "user_id_taken", "this name belongs to somebody", "name") from None
    auth.security.warning("client_created", user_id=body.name, by=caller().user_id, scopes=body.scopes)
    return _secret(_shape(store.users([body.name])[body.name]) | {"client_secret": secret}, 201)


@api.post("/v1/clients/<name>/rotate", responses={"200": NewClientOut})
@checked
def rotate(path: ClientPath) -> Response:
    """Give a service client another secret, told only now. The old one, and all its tokens, are void within two seconds."""
    here = gateway()
    try:
        user, secret = credentials.rotate_client(here.store, here.logins, path.name)
    except credentials.Nobody:
        raise _unknown() from None
    here.revocations.read()
    auth.security.warning("client_rotated", user_id=path.name, by=caller().user_id)
    return _secret(_shape(user) | {"client_secret": secret})


@api.delete("/v1/clients/<name>", responses={"204": None})
@checked
def delete(path: ClientPath) -> Response:
    """Take a service client away: its tokens are void within two seconds. Its name is never anybody else's."""
    here = gateway()
    try:
        credentials.delete_client(here.store, here.logins, path.name)
    except credentials.Nobody:
        raise _unknown() from None
    here.revocations.read()
    auth.security.warning("client_deleted", user_id=path.name, by=caller().user_id)
    return Response(status=204)


def _secret(body: dict[str, Any], status: int = 200) -> Response:
    response = answer(body, status)
    response.headers.update(auth.NEVER_KEPT)
    return response


def _unknown() -> Problem:
    return Problem(404, "unknown_client", "there is no such service client")


def _shape(user: User) -> dict[str, Any]:
    used = [each.used_at for each in gateway().store.sessions(user.user_id)]
    return without_blanks(
        {
            "client_id": user.user_id,
            "name": user.user_id,
            "scopes": list(user.scopes),
            "created_at": rfc3339(user.created_at),
            "last_used_at": rfc3339(max(used)) if used else "",
            "disabled_at": rfc3339(user.disabled_at) if user.disabled_at else "",
        }
    )
