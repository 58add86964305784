"""Apps at providers: a secret and a verify token that many accounts share. They go in, and never come out."""

from collections import Counter
from typing import Any
from uuid import uuid4

from flask import Response

from chat4all.channels import CHANNELS
from chat4all.model.clock import rfc3339
from chat4all.model.ids import DEFAULT_WORKSPACE, made_id
from chat4all.ports import ProviderApp
from chat4all.services.accounts.apps import AppRegistry
from chat4all.services.refusals import Conflict, Taken
from webapp.requests.api_docs import ACCOUNTS
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import given_key, keyed, reused
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.app_models import AppChange, AppOut, AppPath, AppsOut, NewApp
from webapp.schemas.models import PagedQuery
from webapp.views import auth

api = auth.for_managers("apps", ACCOUNTS, "app")


@api.post("/v1/apps", responses={"201": AppOut})
@keyed
@checked
def create_app(body: NewApp) -> Response:
    """Make an app known: accounts that name it have its secret, and its webhook has an address of its own."""
    key, by = given_key(), caller().user_id
    # Nothing that holds credentials is kept for a repetition: the app is found again by its id.
    app_id = made_id("app", caller().stored_id, key) if key else str(uuid4())
    try:
        made = _registry().create(body.channel, body.name, body.credentials, by, app_id)
    except Taken:
        raise reused() from None
    auth.security.warning("app_created", app_id=made.app_id, channel=made.channel, by=by)
    return answer(_shape(made, _used(made.app_id)), 201)


@api.get("/v1/apps", responses={"200": AppsOut})
@checked
def list_apps(query: PagedQuery) -> Response:
    """All apps by id, those of the environment among them."""
    used = Counter(each.app_id for each in gateway().accounts.all())
    shapes = [_shape(each, used[each.app_id]) for each in _registry().all()]
    shapes += [_of_environment(name) for name in CHANNELS if _registry().is_of_environment(name)]
    shapes.sort(key=lambda each: str(each["app_id"]))
    page, more = page_after(shapes, query.after, query.limit, lambda each: str(each["app_id"]))
    return answer({"apps": page} | more)


@api.get("/v1/apps/<app_id>", responses={"200": AppOut})
@checked
def get_app(path: AppPath) -> Response:
    """An app."""
    if _registry().is_of_environment(path.app_id):
        return answer(_of_environment(path.app_id))
    return answer(_shape(_registry().get(path.app_id), _used(path.app_id)))


@api.patch("/v1/apps/<app_id>", responses={"200": AppOut})
@checked
def change_app(path: AppPath, body: AppChange) -> Response:
    """Call it something else; give it another secret or verify token, in force in every process within two seconds.

    A new secret is tried with an account of the app first, where it has one in use.
    """
    changed = _registry().change(_ours(path), body.name, body.credentials)
    if body.credentials:
        auth.security.warning("app_rotated", app_id=path.app_id, by=caller().user_id)
    return answer(_shape(changed, _used(path.app_id)))


@api.delete("/v1/apps/<app_id>", responses={"204": None})
@checked
def delete_app(path: AppPath) -> Response:
    """Forget it and its secret. 409 `app_in_use` names the accounts that are of it, while there are any."""
    _registry().remove(_ours(path))
    auth.security.warning("app_removed", app_id=path.app_id, by=caller().user_id)
    return Response(status=204)


def _registry() -> AppRegistry:
    return gateway().accounts.apps


def _used(app_id: str) -> int:
    return len(_registry().accounts_of(app_id))


def _ours(path: AppPath) -> str:
    if _registry().is_of_environment(path.app_id):
        raise Conflict("environment_app", "the environment set this app up: change its variables, and restart")
    return path.app_id


def _shape(app: ProviderApp, used: int) -> dict[str, Any]:
    url = _registry().webhook_url(app.channel, app.app_id)
    return without_blanks({"name": app.name, "webhook_url": url}) | {
        "app_id": app.app_id,
        "channel": app.channel,
        "workspace": app.workspace,
        "managed_by": "api",
        "account_count": used,
        "credential_names": _registry().credential_names(app),
        "created_at": rfc3339(app.created_at),
        "changed_at": rfc3339(app.changed_at),
    }


def _of_environment(name: str) -> dict[str, Any]:
    live = gateway().live
    return without_blanks({"webhook_url": _registry().webhook_url(name, name)}) | {
        "app_id": name,
        "channel": name,
        "workspace": DEFAULT_WORKSPACE,
        "managed_by": "environment",
        "simulated": not live.environment(name).account.real,
        "account_count": sum(each.account is None for each in live.used(name)),
        "credential_names": [],
    }
