"""Logging in from a page of ours: the tokens are in cookies that no script reads, and only pages of this address may ask."""

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import Caller
from chat4all.services.access import tokens
from chat4all.services.access.logins import Pair
from webapp.requests import cookies
from webapp.requests.addresses import events_url, links
from webapp.requests.api_docs import OPEN, TOKENS, problems
from webapp.requests.gateway import deployment, enter, gateway
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.models import BrowserSessionOut, Login, LoginFormOut
from webapp.views import auth
from webapp.views.users import shape

api = APIBlueprint(
    "browser_sessions",
    __name__,
    abp_tags=[TOKENS],
    abp_security=OPEN,
    abp_responses=problems(400, 401, 403, 413, 422, 429, 503),
)


@api.get("/auth/form", responses={"200": LoginFormOut})
@checked
def form() -> Response:
    """What a login form of this deployment asks for beside name and password. Names no workspace."""
    return answer({"asks_workspace": bool(deployment().store.workspaces(1))})


@api.post("/auth/session", responses={"200": BrowserSessionOut})
@checked
def begin(body: Login) -> Response:
    """Log in from a page of this address: the tokens are set as cookies, the answer has what the page sends with each call."""
    cookies.check_same_origin(must_say=True)
    return _kept(auth.log_in(body))


@api.get("/auth/session", responses={"200": BrowserSessionOut})
@checked
def show() -> Response:
    """Whose session the page has, and its `csrf_token`. 401: none, or its access has ended: renew it, else log in."""
    cookies.check_same_origin()
    cookie = cookies.access()
    return _answered(gateway().admission.admit(f"Bearer {cookie}" if cookie else "").caller)


@api.post("/auth/session/renew", responses={"200": BrowserSessionOut})
@checked
def renew() -> Response:
    """Go on with the session when its access token ends. 401 when it has ended: log in."""
    cookies.check_same_origin(must_say=True)
    try:
        return _kept(auth.renew(cookies.renewal()))
    except tokens.BadToken as error:
        response = auth.refused(error.code, str(error)).response()
        cookies.forget(response)
        return response


@api.delete("/auth/session", responses={"204": None})
@checked
def end() -> Response:
    """Log out: the session ends everywhere within two seconds, and the browser forgets it."""
    who = auth.admitted().caller
    enter(who.workspace)
    here = gateway()
    here.logins.log_out(who.user_id, who.session)
    here.revocations.read()
    response = Response(status=204)
    cookies.forget(response)
    return response


def _kept(pair: Pair) -> Response:
    response = _answered(tokens.verify(pair.access, gateway().settings.secret("jwt")))
    cookies.keep(response, pair)
    return response


def _answered(who: Caller) -> Response:
    enter(who.workspace)
    user = gateway().store.users([who.user_id]).get(who.user_id)
    if user is None:
        raise auth.refused("token_invalid", "the token names nobody")
    csrf_token = cookies.csrf_token(who.session)
    response = answer({"user": shape(user, {}), "csrf_token": csrf_token, "events_url": events_url(), "links": links()})
    response.headers.update(auth.NEVER_KEPT)
    return response
