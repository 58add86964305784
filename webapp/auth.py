"""Tokens: who may ask for one, and who a request is from."""

import time
from datetime import timedelta
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import JWTManager, get_jwt, verify_jwt_in_request
from flask_openapi3.blueprint import APIBlueprint

from chat4all import tokens
from chat4all.accounts import check_secret
from chat4all.callers import Caller
from chat4all.conversations import User
from webapp import limiting
from webapp.answers import answer
from webapp.docs import OPEN, TOKENS, problems
from webapp.gateway import caller, gateway
from webapp.models import Login, Refresh, Tokens
from webapp.problems import Problem
from webapp.validating import checked

api = APIBlueprint("auth", __name__, abp_tags=[TOKENS], abp_security=OPEN, abp_responses=problems(400, 401, 413, 422, 429, 503))

SEEN = "chat4all_tokens"
SEEN_MOST = 10_000
SCHEME = {"WWW-Authenticate": "Bearer"}


def init(app: Flask, secret: str, access_s: int) -> None:
    """Read tokens with flask-jwt-extended: the same claims as `chat4all.tokens`."""
    app.config["JWT_SECRET_KEY"] = secret
    app.config["JWT_ALGORITHM"] = tokens.ALGORITHM
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(seconds=access_s)
    app.extensions[SEEN] = {}
    jwt = JWTManager(app)
    jwt.expired_token_loader(lambda _header, _claims: _unauthenticated("token_expired", "the token has expired"))
    jwt.invalid_token_loader(lambda _why: _unauthenticated("token_invalid", "the token is not valid"))
    jwt.unauthorized_loader(lambda _why: _unauthenticated("token_missing", "Authorization: Bearer <access token> is needed"))


def _unauthenticated(code: str, detail: str) -> Response:
    return Problem(401, code, detail, headers=SCHEME).response()


def require() -> None:
    """Before a request of a protected blueprint: the caller must be known, and within their rate."""
    g.caller = _caller()
    limiting.check(g.caller.user_id)


def _caller() -> Caller:
    """Whoever the token names. Checking a signature costs a quarter of a request, so a good token is remembered."""
    seen: dict[str, tuple[Caller, int]] = current_app.extensions[SEEN]
    given = request.headers.get("Authorization", "")
    known = seen.get(given)
    if known and time.time() < known[1]:
        return known[0]
    verify_jwt_in_request()
    claims = get_jwt()
    found = _known(claims)
    if len(seen) >= SEEN_MOST:
        seen.clear()
    seen[given] = (found, int(claims["exp"]))
    return found


def optional() -> Caller | None:
    """The caller, where a call needs none."""
    if verify_jwt_in_request(optional=True) is None:
        return None
    return _known(get_jwt())


def need(scope: str) -> None:
    """Problem 403 unless the caller has this scope."""
    if not caller().has(scope):
        raise Problem(403, "scope_needed", f"this needs a service client with scope {scope}")


def _known(claims: dict[str, Any]) -> Caller:
    try:
        return tokens.caller_of(claims)
    except (KeyError, TypeError, ValueError):
        raise Problem(401, "token_invalid", "the token is not valid", headers=SCHEME) from None


@api.post("/auth/token", responses={"200": Tokens})
@checked
def token(body: Login) -> Response:
    """Log in: a user with id and password, a service client with its name and secret."""
    limiting.check_login(body.client_id)
    user = gateway().store.users([body.client_id]).get(body.client_id)
    if not check_secret(user, body.client_secret) or user is None:
        raise Problem(401, "bad_credentials", "unknown client_id or wrong client_secret", headers=SCHEME)
    return answer(_tokens(user))


@api.post("/auth/refresh", responses={"200": Tokens})
@checked
def refresh(body: Refresh) -> Response:
    """Get new tokens for a refresh token."""
    settings = gateway().settings
    try:
        named = tokens.verify(body.refresh_token, settings.secret("jwt"), tokens.REFRESH)
    except tokens.BadToken as error:
        raise Problem(401, "token_invalid", str(error), headers=SCHEME) from None
    user = gateway().store.users([named.user_id]).get(named.user_id)
    if user is None:
        raise Problem(401, "token_invalid", "the token names nobody", headers=SCHEME)
    return answer(_tokens(user))


def _tokens(user: User) -> dict[str, Any]:
    settings = gateway().settings
    secret = settings.secret("jwt")
    return {
        "access_token": tokens.issue(user, tokens.ACCESS, settings.token_s, secret),
        "refresh_token": tokens.issue(user, tokens.REFRESH, settings.refresh_days * 86_400, secret),
        "token_type": "Bearer",
        "expires_in": settings.token_s,
    }
