"""How answers are written: JSON by msgspec, times as RFC 3339 UTC."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response

_encode = msgspec.json.Encoder().encode


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(_encode(body), status, mimetype="application/json")


def rfc3339(at_ms: int) -> str:
    """Milliseconds UTC as people and programs read them."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
