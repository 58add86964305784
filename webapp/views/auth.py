"""Authentication of requests, and logging in and out."""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from flask import Flask, Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from chat4all.model.callers import MANAGE, Caller
from chat4all.model.workspaces import stored
from chat4all.services.access import tokens
from chat4all.services.access.authentication import AuthenticatedCaller, NotAdmitted, WorkspaceClosed
from chat4all.services.access.credentials import check_secret
from chat4all.services.access.logins import Pair
from chat4all.telemetry import logs, metrics
from webapp.requests import cookies, rate_limits
from webapp.requests.api_docs import OPEN, SECURED, TOKENS, problems
from webapp.requests.gateway import caller, enter, gateway
from webapp.requests.problems import Problem
from webapp.requests.refusals import answer_refusals
from webapp.requests.responses import answer
from webapp.requests.validation import checked, documented, read_body, read_json, validated
from webapp.schemas.models import Login, Logout, Refresh, Tokens

security = logs.logger("security")

api = APIBlueprint(
    "auth", __name__, abp_tags=[TOKENS], abp_security=OPEN, abp_responses=problems(400, 401, 403, 413, 422, 429, 503)
)

SCHEME = {"WWW-Authenticate": "Bearer"}
NEVER_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
FORM = "application/x-www-form-urlencoded"
AGENT_MOST = 128


def init(app: Flask) -> None:
    """Answer whoever may not come in."""
    app.register_error_handler(NotAdmitted, lambda error: refused(error.code, str(error)).response())
    app.register_error_handler(WorkspaceClosed, lambda error: Problem(403, error.code, str(error)).response())
    app.register_error_handler(tokens.BadToken, _refused_token)


def refused(code: str, detail: str) -> Problem:
    """Problem 401."""
    return Problem(401, code, detail, headers=SCHEME)


def _refused_token(error: tokens.BadToken) -> Response:
    metrics.LOGINS_REFUSED.of_reason(error.code).add()
    return refused(error.code, str(error)).response()


def admitted() -> AuthenticatedCaller:
    """Whoever's token this request carries, and when it ends. NotAdmitted when it carries none.

    A token in a cookie counts only where it is certain that a page of ours asks.
    """
    admission, given = gateway().admission, request.headers.get("Authorization", "")
    cookie = "" if given else cookies.access()
    if not cookie:
        return admission.admit(given)
    cookies.check_same_origin()
    authenticated = admission.admit(f"Bearer {cookie}")
    cookies.check_csrf(authenticated.caller.session)
    g.is_by_cookie = True
    return authenticated


def require() -> None:
    """Before a request of a protected blueprint: the caller must be known, and within their rate."""
    g.caller = admitted().caller
    enter(g.caller.workspace)
    rate_limits.check(g.caller.stored_id)
    rate_limits.check_workspace(g.caller.workspace)


def optional() -> Caller | None:
    """The caller, where a call needs none; the request is then of their workspace."""
    if not {"Authorization", cookies.HEADER} & set(request.headers.keys()):
        return None
    who = admitted().caller
    enter(who.workspace)
    return who


def need(scope: str) -> None:
    """Problem 403 unless the caller has this scope."""
    if not caller().has(scope):
        raise Problem(403, "scope_needed", f"this needs a service client with scope {scope}")


def for_managers(name: str, tag: Tag, what: str) -> APIBlueprint:
    """Views for service clients with scope manage alone. `what`: of what they are, for what their services refuse."""
    made = APIBlueprint(
        name,
        __name__,
        abp_tags=[tag],
        abp_security=SECURED,
        abp_responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
    )
    made.before_request(require)
    made.before_request(lambda: need(MANAGE))
    answer_refusals(made, what)
    return made


@api.post("/auth/token", responses={"200": Tokens})
@documented(Login)
def token() -> Response:
    """Log in: a user with id and password, a service client with its name and secret. Also as an OAuth 2.0 form."""
    form = request.mimetype == FORM
    asked = _read_form() if form else validated(Login, read_json())
    return answered(renew(asked.refresh_token) if isinstance(asked, Refresh) else log_in(asked))


def log_in(asked: Login) -> Pair:
    """A new login. Problem 401 when the secret is not theirs, 403 for somebody who may not come in any more."""
    name, secret = asked.client_id, asked.client_secret
    _enter(asked.workspace)
    rate_limits.check_login(stored(asked.workspace, name))
    here = gateway()
    generation = here.store.generation()
    user = here.store.users([name]).get(name)
    if not check_secret(user, secret) or user is None:
        raise _denied(401, "bad_credentials", "unknown client_id or wrong client_secret", name if user else "")
    if user.disabled_at:
        raise _denied(403, "user_disabled", "this account is disabled", name)
    return here.logins.begin(user, generation, (request.headers.get("User-Agent") or "")[:AGENT_MOST])


def _enter(workspace: str) -> None:
    """From here on the request is of this workspace. WorkspaceClosed where nobody may do anything in it."""
    if code := gateway().revocations.closed(workspace):
        metrics.LOGINS_REFUSED.of_reason(code).add()
        raise WorkspaceClosed(code)
    enter(workspace)


def _denied(status: int, code: str, detail: str, user_id: str) -> Problem:
    """A login that failed. The log names who exists only: people type passwords into the field of the name."""
    gateway().limits.failed(rate_limits.network())
    metrics.LOGINS_REFUSED.of_reason(code).add()
    security.warning("login_refused", reason=code, user_id=user_id, network=rate_limits.network())
    return Problem(status, code, detail, headers=SCHEME if status == 401 else None)


def _read_form() -> Login | Refresh:
    """An OAuth 2.0 token request: grant_type client_credentials, password or refresh_token."""
    given = request.form.to_dict()
    kind = given.get("grant_type", "")
    if kind == "refresh_token":
        return validated(Refresh, {"refresh_token": given.get("refresh_token", "")})
    of = {"workspace": given["workspace"]} if "workspace" in given else {}
    if kind == "password":
        return validated(Login, of | {"client_id": given.get("username", ""), "client_secret": given.get("password", "")})
    if kind != "client_credentials":
        raise Problem(400, "unsupported_grant_type", "client_credentials, password or refresh_token", "grant_type")
    name, secret = _basic() or (given.get("client_id", ""), given.get("client_secret", ""))
    return validated(Login, of | {"client_id": name, "client_secret": secret})


def _basic() -> tuple[str, str] | None:
    """Name and secret in an Authorization header, as OAuth 2.0 clients send them."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refused("bad_credentials", "the Authorization header is not Basic") from None
    return unquote_plus(name), unquote_plus(secret)


@api.post("/auth/refresh", responses={"200": Tokens})
@checked
def refresh(body: Refresh) -> Response:
    """Get new tokens for a refresh token, which is then used up.

    The same one again within a minute is answered again, as long as nobody used what it gave: an answer may be lost. Later
    it ends the login, whoever has its tokens.
    """
    return answered(renew(body.refresh_token))


def renew(token: str) -> Pair:
    """The next tokens of a login. BadToken, counted, when this is none to renew with."""
    gateway().limits.failures(rate_limits.network())
    try:
        _enter(tokens.verify(token, gateway().settings.secret("jwt"), tokens.REFRESH).workspace)
        return gateway().logins.renew(token)
    except tokens.BadToken as error:
        gateway().limits.failed(rate_limits.network())
        security.warning("renewal_refused", reason=error.code, network=rate_limits.network())
        if error.code == tokens.REUSED:
            gateway().revocations.read()
        raise


@api.post("/auth/logout", responses={"204": None}, security=OPEN + SECURED)
@documented(Logout)
def logout() -> Response:
    """End a login: that of the refresh token in the body, else that of the access token the request came with."""
    body = read_body()
    given = validated(Logout, read_json(body)) if body.strip() else Logout()
    here = gateway()
    key = here.settings.secret("jwt")
    who = tokens.verify(given.refresh_token, key, tokens.REFRESH) if given.refresh_token else admitted().caller
    enter(who.workspace)
    here = gateway()
    here.logins.log_out(who.user_id, who.session)
    here.revocations.read()
    return Response(status=204)


def answered(pair: Pair) -> Response:
    """Tokens, for whoever logs in with the call; a page of ours has them in its cookies, where no script reads them."""
    if g.get("is_by_cookie"):
        response = Response(status=204)
        cookies.keep(response, pair)
    else:
        response = answer(shape(pair))
    response.headers.update(NEVER_KEPT)
    return response


def shape(pair: Pair) -> dict[str, Any]:
    """Tokens as the API gives them."""
    return {
        "access_token": pair.access,
        "refresh_token": pair.refresh,
        "token_type": "Bearer",
        "expires_in": pair.life_s,
    }
