"""The session of a page of ours: the tokens of a login in cookies that no script reads, and the proof that our own page asks.

A cookie comes along whoever made the browser ask. So it counts only beside a proof that another site's page cannot give: the
CSRF token of its login in a header. Whatever makes tokens void makes these void: they are the tokens of any other login.
"""

import hmac
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from flask import Response, request

from chat4all.services.access.logins import DAY_S, Pair
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem

HEADER = "X-CSRF-Token"
ACCESS, RENEWAL = "chat4all-access", "chat4all-renewal"
# The only calls that a browser shows the renewal to.
PATH = "/auth/session"
# What a browser says to its own machine is heard by nobody else without TLS, and not every browser takes a secure cookie there.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def access() -> str:
    """The access token of the page's session; empty without one. It counts only where CSRF is checked."""
    return request.cookies.get(_name(ACCESS), "")


def renewal() -> str:
    """The refresh token of the page's session; empty without one."""
    return request.cookies.get(_name(RENEWAL), "")


def csrf_token(session: str) -> str:
    """What a page of ours proves with that it asks itself: of this login, and worth nothing without its cookie."""
    secret = gateway().settings.secret("jwt").encode()
    return urlsafe_b64encode(hmac.digest(secret, b"csrf " + session.encode(), "sha256")).decode().rstrip("=")


def check_csrf(session: str) -> None:
    """Problem 403 `csrf_failed` unless the request holds the CSRF token of this login."""
    if not hmac.compare_digest(request.headers.get(HEADER, "").encode(), csrf_token(session).encode()):
        raise Problem(403, "csrf_failed", f"with a cookie, {HEADER} must hold the csrf_token that GET {PATH} answers", HEADER)


def check_same_origin(must_say: bool = False) -> None:
    """Problem 403 `csrf_failed` where the browser says that another site asks. `must_say`: also where it does not say."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None:
        is_ours = bool(origin) and urlsplit(origin).netloc.lower() == request.host.lower()
    else:
        is_ours = not must_say or site == "same-origin"
    if not is_ours or site not in (None, "same-origin", "none"):
        raise Problem(403, "csrf_failed", "only a page of this very address may ask by cookie", "Origin")


def keep(response: Response, pair: Pair) -> None:
    """Put the tokens of a login where no script reads them."""
    life_s = gateway().settings.refresh_days * DAY_S
    _set(response, ACCESS, pair.access, pair.life_s, "/")
    _set(response, RENEWAL, pair.refresh, life_s, PATH)


def forget(response: Response) -> None:
    """Let the browser drop them."""
    _set(response, ACCESS, "", 0, "/")
    _set(response, RENEWAL, "", 0, PATH)


def _set(response: Response, name: str, value: str, life_s: int, path: str) -> None:
    is_secure = _loopback_port() is None
    response.set_cookie(_name(name), value, max_age=life_s, path=path, secure=is_secure, httponly=True, samesite="Strict")


def _name(name: str) -> str:
    """As browsers take it: one with a prefix only if it is secure, and so cannot be set by another host, nor without TLS."""
    port = _loopback_port()
    if port is not None:
        # One machine may run several systems, and cookies know no ports.
        return f"{name}-{port}"
    return f"__Host-{name}" if name == ACCESS else f"__Secure-{name}"


def _loopback_port() -> int | None:
    """The port at which this machine is asked by itself; None for whoever comes from elsewhere."""
    try:
        asked = urlsplit("//" + request.host)
        return (asked.port or 80) if asked.hostname in LOOPBACK else None
    except ValueError:
        return None
