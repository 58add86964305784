"""Requests that make something, said again under the same Idempotency-Key: done once, answered alike for a day.

Messages are not among them: their id follows from the key, so that they need no row and are known for as long as they are kept.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from flask import Response, request
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.messages import body_digest
from chat4all.services.acceptance.draft_checks import KEY_MOST
from webapp.gateway import caller, gateway
from webapp.message_models import Keyed
from webapp.problems import Problem
from webapp.validating import read_json

View = TypeVar("View", bound=Callable[..., Any])

KEPT_S = 86_400
# Longer than any request may take: whoever began it has died.
WORKING_MS = 60_000
FIELD = "Idempotency-Key"


class Made(Struct, frozen=True, omit_defaults=True):
    """A request by the digest of what was asked, when it was begun, and its answer; status 0: it is being worked on."""

    digest: str
    at: int
    status: int = 0
    body: str = ""


_read = msgspec.json.Decoder(Made).decode


def once(view: View) -> View:
    """A view that is carried out once for each key of its caller. What is refused may be said again, mended."""

    @wraps(view)
    def wrapper(**parts: Any) -> Any:
        key = request.headers.get(FIELD)
        if key is None:
            return view(**parts)
        if not 0 < len(key) <= KEY_MOST:
            raise Problem(422, "invalid", f"1 to {KEY_MOST} characters", FIELD)
        return _once(caller().user_id, key, lambda: view(**parts))

    wrapper.__annotations__ = {**view.__annotations__, "header": Keyed}
    return wrapper  # type: ignore[return-value]


def _once(owner: str, key: str, work: Callable[[], Response]) -> Response:
    store = gateway().store
    # Kept for the view, which reads it too.
    request.get_data()
    asked = Made(body_digest(request.method, request.path, read_json()), now_ms())
    mine = _text(asked)
    kept = store.begin_request(owner, key, mine, KEPT_S)
    if kept != mine:
        there = _read(kept)
        if there.digest != asked.digest:
            raise Problem(422, "idempotency_key_reused", "this key belongs to another request", FIELD)
        if there.status:
            return Response(there.body, there.status, mimetype="application/json")
        if now_ms() - there.at < WORKING_MS or not store.swap_request(owner, key, kept, mine, KEPT_S):
            raise Problem(409, "request_under_way", "the same request is being worked on", headers={"Retry-After": "1"})
    try:
        answer = work()
    except BaseException:
        store.swap_request(owner, key, mine, None, KEPT_S)
        raise
    done = replace(asked, status=answer.status_code, body=answer.get_data(as_text=True)) if answer.status_code < 300 else None
    store.swap_request(owner, key, mine, _text(done) if done else None, KEPT_S)
    return answer


def _text(made: Made) -> str:
    return msgspec.json.encode(made).decode()
