"""Errors as RFC 9457 problem details, with a stable `code`, and the field where there is one."""

from typing import Any
from uuid import uuid4

import msgspec
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from chat4all.model.drafts import Refused
from chat4all.model.failures import Temporary, Unknown
from chat4all.services.access.credentials import Busy
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    416: "Range not there",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
RETRY_AFTER_S = 1


class Problem(Exception):
    """An answer other than success. `more` goes into the body as it is; `headers` into the head."""

    def __init__(
        self, status: int, code: str, detail: str, field: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = [{"field": field, "detail": detail}] if field else []
        self.headers = headers or {}
        self.more = more

    def body(self) -> dict[str, Any]:
        """The problem document."""
        known = {
            "type": f"urn:chat4all:problem:{self.code}",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return known | ({"errors": self.errors} if self.errors else {}) | self.more

    def response(self) -> Response:
        """The answer, which is counted."""
        metrics.REQUESTS_REFUSED.of_reason(self.code).add()
        return Response(msgspec.json.encode(self.body()), self.status, self.headers, content_type="application/problem+json")


def problem_of(refused: Refused) -> Problem:
    """A refusal of the accepting side, as an answer."""
    more = {name: value for name, value in (("message_id", refused.message_id),) if value}
    headers = {"Retry-After": str(refused.retry_after)} if refused.retry_after else {}
    return Problem(refused.status, refused.code, refused.detail, refused.field, headers, **more)


def unavailable(reason: str) -> Problem:
    """Something behind us does not answer."""
    return Problem(503, "unavailable", reason, headers={"Retry-After": str(RETRY_AFTER_S)})


def busy(detail: str) -> Problem:
    """This process has enough of that to do at the moment; nothing is out of order."""
    return Problem(503, "busy", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def init(app: Flask) -> None:
    """Answer every error of this application as a problem."""
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Temporary, _temporary)
    app.register_error_handler(Busy, lambda error: busy(error.detail).response())
    app.register_error_handler(Unknown, _temporary)
    app.register_error_handler(Exception, _unexpected)


def _problem(error: Problem) -> Response:
    return error.response()


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return Problem(status, CODES.get(status, "http_error"), error.description or "", headers=headers).response()


def _temporary(error: Temporary | Unknown) -> Response:
    log.warning("dependency_unavailable", reason=error.reason, path=str(request.url_rule))
    return unavailable(error.reason).response()


def _unexpected(error: Exception) -> Response:
    error_id = str(uuid4())
    log.error("request_failed", error_id=error_id, path=str(request.url_rule), exc_info=error)
    g.failed = True
    return Problem(500, "internal", f"something went wrong here; tell us {error_id}", error_id=error_id).response()
