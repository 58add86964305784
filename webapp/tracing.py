"""Trace context of a request, for the records that it makes."""

import re

from flask import request

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def headers() -> dict[str, str]:
    """Record headers: the caller's W3C `traceparent`, where there is a well-formed one."""
    given = request.headers.get("traceparent", "")
    return {"traceparent": given} if TRACEPARENT.fullmatch(given) else {}
