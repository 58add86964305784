"""How answers are written: JSON by msgspec."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from flask import Response

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(_encode(body), status, mimetype="application/json")


def page_after(found: Iterable[T], after: str, limit: int, key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Of what is sorted by `key`, at most `limit` after this key; and `next` for the answer, where there are more."""
    rest = [each for each in found if key(each) > after]
    page = rest[:limit]
    return page, {"next": key(page[-1])} if len(rest) > limit else {}
