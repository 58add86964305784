"""The rate limits at the gateway: problems when they are reached, and headers that say what is left."""

from flask import Flask, Response, g, request

from chat4all.services.access.rate_limits import Grant, TooMany, network_of
from chat4all.telemetry import metrics
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem


def init(app: Flask) -> None:
    """Answer for the limits of an application."""
    app.register_error_handler(TooMany, _too_many)
    app.after_request(_tell)


def network() -> str:
    """Where the request comes from, as limits count it and the security log says it."""
    return network_of(request.remote_addr or "")


def check(user_id: str, cost: int = 1) -> None:
    """Problem 429 when the caller asks too often. `cost`: how many messages it is about."""
    g.grant = gateway().limits.call(user_id, cost)


def check_workspace(workspace: str) -> None:
    """Problem 429 when all of a workspace together ask more often than it may."""
    here = gateway()
    here.limits.workspace(workspace, here.revocations.limits_of(workspace).calls)


def check_login(client_id: str) -> None:
    """Problem 429 when somebody tries too many secrets of one client_id, or of many."""
    try:
        gateway().limits.failures(network())
        g.grant = gateway().limits.login(client_id, network())
    except TooMany:
        metrics.LOGINS_REFUSED.of_reason("rate_limited").add()
        raise


def _too_many(error: TooMany) -> Response:
    g.grant = error.grant
    headers = {"Retry-After": str(error.retry_after)}
    return Problem(429, "rate_limited", str(error), headers=headers).response()


def _tell(response: Response) -> Response:
    """As draft-ietf-httpapi-ratelimit-headers has it: what is allowed, what is left, and when all of it is there again."""
    grant: Grant | None = g.get("grant")
    if grant:
        response.headers["RateLimit-Policy"] = f"{grant.most};w={grant.window_s}"
        response.headers["RateLimit-Limit"] = str(grant.most)
        response.headers["RateLimit-Remaining"] = str(max(0, grant.remaining))
        response.headers["RateLimit-Reset"] = str(TooMany(grant).retry_after if not grant.ok else grant.window_s)
    return response
