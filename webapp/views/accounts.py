"""Accounts at providers, connected while everything runs. Credentials go in, and never come out."""

from typing import Any
from uuid import uuid4

from flask import Response
from msgspec.structs import asdict

from chat4all.channels import CHANNELS
from chat4all.model.account_health import (
    ALERT,
    NOTED,
    QUALITY,
    RENEWED,
    RESTRICTION,
    SUSPENDED,
    SUSPENDED_UNTIL,
    TEMPLATE,
    THROUGHPUT,
    TIER,
    UNTIL,
    advice,
    at_of,
    suspended_for,
)
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.ids import DEFAULT_WORKSPACE, made_id
from chat4all.ports import ConnectedAccount
from chat4all.ports.accounts import HUMAN_AGENT
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.accounts.registry import AccountRegistry
from chat4all.services.refusals import Conflict, Taken
from webapp.requests.api_docs import ACCOUNTS
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import given_key, keyed, reused
from webapp.requests.problems import Problem
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.account_models import (
    AccountChange,
    AccountOut,
    AccountPath,
    AccountsOut,
    CheckOut,
    ConnectOut,
    HealthOut,
    NewAccount,
    NewCredentials,
)
from webapp.schemas.models import PagedQuery
from webapp.views import auth

api = auth.for_managers("accounts", ACCOUNTS, "account")


@api.post("/v1/accounts", responses={"201": AccountOut})
@keyed
@checked
def create_account(body: NewAccount) -> Response:
    """Connect an account. It is used once `check` has found that the provider accepts its credentials."""
    key, by = given_key(), caller().user_id
    most = gateway().revocations.limits_of(caller().workspace).accounts
    if most and len(_registry().all()) >= most:
        raise Problem(429, "quota_exceeded", f"this workspace may have {most} accounts", headers={"Retry-After": "3600"})
    # Nothing that holds credentials is kept for a repetition: the account is found again by its id.
    account_id = made_id("account", caller().stored_id, key) if key else str(uuid4())
    try:
        account = _registry().create(
            body.channel, body.provider_account_id, body.name, body.credentials, by, account_id, body.app_id
        )
    except Taken:
        raise reused() from None
    auth.security.warning("account_created", account_id=account.account_id, channel=account.channel, by=by)
    return answer(_shape(account), 201)


@api.get("/v1/accounts", responses={"200": AccountsOut})
@checked
def list_accounts(query: PagedQuery) -> Response:
    """All accounts by id, those of the environment among them."""
    shapes = [_shape(each) for each in _registry().all()] + [
        _of_environment(name) for name in CHANNELS if _registry().is_of_environment(name)
    ]
    page, more = page_after(
        sorted(shapes, key=lambda each: str(each["account_id"])), query.after, query.limit, lambda each: str(each["account_id"])
    )
    return answer({"accounts": page} | more)


@api.get("/v1/accounts/<account_id>", responses={"200": AccountOut})
@checked
def get_account(path: AccountPath) -> Response:
    """An account."""
    return answer(_shown(path.account_id))


@api.patch("/v1/accounts/<account_id>", responses={"200": AccountOut})
@checked
def change_account(path: AccountPath, body: AccountChange) -> Response:
    """Call it something else; have it keep to limits; say what the provider granted it. In force within two seconds."""
    limits = body.limits.model_dump(exclude_unset=True) if body.limits else {}
    features = body.features.model_dump(exclude_none=True) if body.features else {}
    return answer(_shape(_registry().change(_ours(path), body.name, limits, features)))


@api.delete("/v1/accounts/<account_id>", responses={"204": None})
@checked
def delete_account(path: AccountPath) -> Response:
    """Remove it, and forget its credentials. What waits to be sent from it fails as account_removed."""
    _registry().remove(_ours(path))
    auth.security.warning("account_removed", account_id=path.account_id, by=caller().user_id)
    return Response(status=204)


@api.post("/v1/accounts/<account_id>/pause", responses={"200": AccountOut})
@checked
def pause_account(path: AccountPath) -> Response:
    """Send nothing from it: messages wait. What people write comes in all the same."""
    return answer(_shape(_registry().pause(_ours(path))))


@api.post("/v1/accounts/<account_id>/resume", responses={"200": AccountOut})
@checked
def resume_account(path: AccountPath) -> Response:
    """Send from it again, what waits first."""
    return answer(_shape(_registry().resume(_ours(path))))


@api.post("/v1/accounts/<account_id>/rotate", responses={"200": AccountOut})
@checked
def rotate_account(path: AccountPath, body: NewCredentials) -> Response:
    """Give it other credentials, in force in every process within two seconds. The provider is asked first."""
    account = _registry().rotate(_ours(path), body.credentials, body.app_id)
    auth.security.warning("account_rotated", account_id=path.account_id, by=caller().user_id)
    return answer(_shape(account))


@api.get("/v1/accounts/<account_id>/health", responses={"200": HealthOut})
@checked
def get_account_health(path: AccountPath) -> Response:
    """How well an account is, as far as its provider said, and what to do. Asks nobody: `check` does."""
    account = None if path.account_id in CHANNELS else _registry().get(path.account_id)
    state, reason, notes = (account.state, account.reason, account.health) if account else ("active", "", {})
    times = {name: rfc3339(at_of(notes, name)) for name in (UNTIL, RENEWED, NOTED) if at_of(notes, name)}
    shown = {name: notes.get(name, "") for name in (QUALITY, TIER, THROUGHPUT, RESTRICTION, ALERT, TEMPLATE)}
    if why := suspended_for(notes, now_ms()):
        shown |= {SUSPENDED: why, SUSPENDED_UNTIL: rfc3339(at_of(notes, SUSPENDED_UNTIL))}
    checked_at = rfc3339(account.checked_at) if account and account.checked_at else ""
    said = [asdict(each) for each in advice(state, reason, notes, now_ms())]
    texts = without_blanks({"reason": reason, "checked_at": checked_at} | shown)
    return answer({"account_id": path.account_id, "state": state, "advice": said} | times | texts)


@api.post("/v1/accounts/<account_id>/check", responses={"200": CheckOut})
@checked
def check_account(path: AccountPath) -> Response:
    """Ask the provider about everything that must be right, and say how to mend what is not. Changes nothing there."""
    account, found = _registry().check(path.account_id)
    shape = _shape(account) if account else _of_environment(path.account_id)
    return answer({"account": shape, "said": found.said, "findings": [asdict(each) for each in found.findings]})


@api.post("/v1/accounts/<account_id>/connect", responses={"200": ConnectOut})
@checked
def connect_account(path: AccountPath) -> Response:
    """Register our webhook at the provider, where it lets us."""
    said = _registry().connect(_ours(path))
    return answer({"account": _shown(path.account_id), "said": said})


def _registry() -> AccountRegistry:
    return gateway().accounts


def _live() -> LiveChannels:
    return gateway().live


def _ours(path: AccountPath) -> str:
    if _registry().is_of_environment(path.account_id):
        raise Conflict("environment_account", "the environment set this account up: change its variables, and restart")
    return path.account_id


def _shown(account_id: str) -> dict[str, Any]:
    return _of_environment(account_id) if _registry().is_of_environment(account_id) else _shape(_registry().get(account_id))


def _shape(account: ConnectedAccount) -> dict[str, Any]:
    default = _live().in_force(account.channel).account_id
    shown = {
        "name": account.name,
        "reason": account.reason,
        "app_id": account.app_id,
        "webhook_url": _registry().webhook_url(account.channel, account.account_id, account.app_id),
        "checked_at": rfc3339(account.checked_at) if account.checked_at else "",
    }
    return without_blanks(shown) | {
        "account_id": account.account_id,
        "channel": account.channel,
        "provider_account_id": account.provider_account_id,
        "workspace": account.workspace,
        "state": account.state,
        "managed_by": "api",
        "in_use": account.is_used,
        "is_default": default == account.account_id,
        "limits": {name: value for name, value in asdict(account.limits).items() if value},
        "features": {HUMAN_AGENT: HUMAN_AGENT in account.features},
        "credential_names": _registry().credential_names(account),
        "created_at": rfc3339(account.created_at),
        "changed_at": rfc3339(account.changed_at),
    }


def _of_environment(name: str) -> dict[str, Any]:
    account = _live().environment(name).account
    url = _registry().webhook_url(name, name)
    app = name if _registry().apps.is_of_environment(name) else ""
    return without_blanks({"webhook_url": url, "app_id": app}) | {
        "account_id": name,
        "channel": name,
        "provider_account_id": account.account_id,
        "workspace": DEFAULT_WORKSPACE,
        "state": "active",
        "managed_by": "environment",
        "in_use": any(each.account is None for each in _live().used(name)),
        "is_default": _live().in_force(name).account is None,
        "simulated": not account.real,
        "limits": {},
        "features": {HUMAN_AGENT: HUMAN_AGENT in _live().environment(name).features},
        "credential_names": [],
    }
