"""Passwords, sessions, stream tickets and disabled users: what a user does for themselves, and a service client for users."""

from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from msgspec.structs import replace

from chat4all.model.callers import ADMIN, MANAGE
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import User, UserKind
from chat4all.model.sessions import ENDED, Session
from chat4all.services.access import tokens
from chat4all.services.access.credentials import check_secret, hash_secret
from chat4all.services.access.logins import new_secret
from webapp.requests import rate_limits
from webapp.requests.api_docs import SECURED, TOKENS, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import (
    answer,
    page_after,
)
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import (
    NewPassword,
    PagedQuery,
    PasswordChange,
    PasswordOut,
    SessionPath,
    SessionsOut,
    StreamTicketOut,
    Tokens,
    UserIdPath,
    UserOut,
)
from webapp.views import auth
from webapp.views.users import shape

api = APIBlueprint(
    "sessions",
    __name__,
    abp_tags=[TOKENS],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 413, 422, 429, 503),
)
api.before_request(auth.require)


@api.put("/v1/users/me/password", responses={"200": Tokens, "204": None})
@checked
def change_password(body: PasswordChange) -> Response:
    """Choose another password. Every login of before ends; the answer has the tokens of a new one. 204: in cookies."""
    here, who = gateway(), caller().user_id
    rate_limits.check_login(caller().stored_id)
    user = here.store.users([who]).get(who)
    if user is None or user.kind is not UserKind.PERSON or not check_secret(user, body.current_password):
        gateway().limits.failed(rate_limits.network())
        raise Problem(403, "wrong_password", "this is not the current password", "current_password")
    hashed = hash_secret(body.new_password)
    changed = here.logins.end_all(who, lambda user: replace(user, password_hash=hashed))
    here.revocations.read()
    if changed is None:
        raise _unknown()
    auth.security.warning("password_changed", user_id=who, network=rate_limits.network())
    return auth.answered(here.logins.begin(changed, changed.valid_from))


@api.post("/v1/users/<user_id>/reset-password", responses={"200": PasswordOut})
@checked
def reset_password(path: UserIdPath, body: NewPassword) -> Response:
    """Give a user another password: the one in the body, else one that is made, told only now. Their logins end."""
    user = _managed(path.user_id)
    if user.kind is not UserKind.PERSON:
        raise _unknown()
    password = body.password or new_secret()
    hashed = hash_secret(password)
    _end_all(user.user_id, "password_reset", password_hash=hashed)
    response = answer({"user_id": user.user_id} | ({} if body.password else {"password": password}))
    response.headers.update(auth.NEVER_KEPT)
    return response


@api.post("/v1/users/<user_id>/disable", responses={"200": UserOut})
@checked
def disable(path: UserIdPath) -> Response:
    """Nobody comes in as this user any more, and who is in is out: requests, streams and renewals, within two seconds."""
    user = _managed(path.user_id)
    since = user.disabled_at or now_ms()
    return answer(shape(_end_all(user.user_id, "user_disabled", disabled_at=since), {}))


@api.post("/v1/users/<user_id>/enable", responses={"200": UserOut})
@checked
def enable(path: UserIdPath) -> Response:
    """They may log in again. Logins of before stay ended."""
    user = _managed(path.user_id)
    enabled = gateway().store.change_user(user.user_id, lambda user: replace(user, disabled_at=0))
    if enabled is None:
        raise _unknown()
    auth.security.warning("user_enabled", user_id=user.user_id, by=caller().user_id)
    return answer(shape(enabled, {}))


@api.post("/v1/stream-tickets", responses={"200": StreamTicketOut})
@checked
def stream_ticket() -> Response:
    """Get a ticket with which the caller's stream is opened where no header can be sent: `GET /v1/events?ticket=…`.

    It is good for a minute, and for nothing else. The stream ends when the token of this request does.
    """
    authenticated = auth.admitted()
    ticket, expires_at = tokens.issue_ticket(authenticated.caller, authenticated.until, gateway().settings.secret("jwt"))
    response = answer({"ticket": ticket, "expires_at": rfc3339(expires_at)})
    response.headers.update(auth.NEVER_KEPT)
    return response


@api.get("/v1/users/<user_id>/sessions", responses={"200": SessionsOut})
@checked
def sessions(path: UserIdPath, query: PagedQuery) -> Response:
    """A user's logins that go on, by id."""
    found = gateway().logins.sessions(_whose(path.user_id))
    page, more = page_after(found, query.after, query.limit, lambda each: each.session_id)
    return answer({"sessions": [_shape(each) for each in page]} | more)


@api.delete("/v1/users/<user_id>/sessions", responses={"204": None})
@checked
def end_sessions(path: UserIdPath) -> Response:
    """End all logins of a user, this one too if it is theirs."""
    _end_all(_whose(path.user_id).user_id, "sessions_ended")
    return Response(status=204)


@api.delete("/v1/users/<user_id>/sessions/<session_id>", responses={"204": None})
@checked
def end_session(path: SessionPath) -> Response:
    """End one login of a user."""
    here, user = gateway(), _whose(path.user_id)
    found = here.store.session(user.user_id, path.session_id)
    if found is None or not found.is_good(now_ms(), user.valid_from):
        raise Problem(404, "unknown_session", "there is no such login")
    here.logins.end(found, ENDED)
    here.revocations.read()
    return Response(status=204)


def _whose(user_id: str) -> User:
    """The caller themselves, or whom they may manage."""
    if user_id != caller().user_id:
        return _managed(user_id)
    user = gateway().store.users([user_id]).get(user_id)
    if user is None:
        raise _unknown()
    return user


def _managed(user_id: str) -> User:
    """Somebody whom the caller may manage: persons with scope manage, service clients with scope admin."""
    auth.need(MANAGE)
    user = gateway().store.users([user_id]).get(user_id)
    if user is None or user.kind not in (UserKind.PERSON, UserKind.CLIENT):
        raise _unknown()
    if user.kind is UserKind.CLIENT:
        auth.need(ADMIN)
    return user


def _end_all(user_id: str, why: str, **changes: Any) -> User:
    here = gateway()
    changed = here.logins.end_all(user_id, lambda user: replace(user, **changes))
    if changed is None:
        raise _unknown()
    here.revocations.read()
    auth.security.warning(why, user_id=user_id, by=caller().user_id)
    return changed


def _unknown() -> Problem:
    return Problem(404, "unknown_user", "there is no such user")


def _shape(session: Session) -> dict[str, Any]:
    return without_blanks(
        {
            "session_id": session.session_id,
            "created_at": rfc3339(session.created_at),
            "last_used_at": rfc3339(session.used_at),
            "expires_at": rfc3339(session.expires_at),
            "user_agent": session.agent,
        }
    ) | {"current": session.session_id == caller().session}
