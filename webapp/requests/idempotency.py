"""Requests that create something, repeated under the same Idempotency-Key: done once, answered alike for a day.

Messages are not among them: their id follows from the key, so they need no row and are known for as long as they are kept.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from flask import Response, request
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.messages import body_digest
from chat4all.services.acceptance.draft_checks import KEY_MOST
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.validation import read_json
from webapp.schemas.message_models import Keyed

View = TypeVar("View", bound=Callable[..., Any])

KEPT_S = 86_400
# Longer than any request may take that does not say again and again that it is under way: whoever began it has died.
WORKING_MS = 60_000
BEAT_MS = 15_000
FIELD = "Idempotency-Key"


class Made(Struct, frozen=True, omit_defaults=True):
    """A request by the digest of what was asked, when it was begun, and its answer; status 0: it is being worked on.

    `by`: whose work it is, of several that came in the same moment.
    """

    digest: str
    at: int
    status: int = 0
    body: str = ""
    by: str = ""


_read = msgspec.json.Decoder(Made).decode


def once(view: View) -> View:
    """A view that is carried out once for each key of its caller. What is refused may be said again, mended."""

    @wraps(view)
    def wrapper(**parts: Any) -> Any:
        key = given_key()
        if key is None:
            return view(**parts)
        # Kept for the view, which reads it too.
        said = read_json() if request.get_data() else None
        this = Repeatable(caller().user_id, key, body_digest(request.method, request.path, said))
        return this.begun() or this.done(lambda: view(**parts))

    return keyed(wrapper)  # type: ignore[return-value]


def keyed(view: View) -> View:
    """A view that reads its key for itself: this is for the document only."""
    view.__annotations__ = {**view.__annotations__, "header": Keyed}
    return view


def given_key() -> str | None:
    """The request's key, if it has one. Problem 422 when it makes no sense."""
    key = request.headers.get(FIELD)
    if key is not None and not 0 < len(key) <= KEY_MOST:
        raise Problem(422, "invalid", f"1 to {KEY_MOST} characters", FIELD)
    return key


def reused() -> Problem:
    """Something else was said under this key before."""
    return Problem(422, "idempotency_key_reused", "this key belongs to another request", FIELD)


class Repeatable:
    """A request under a key of its owner's: `begun`, and unless that has an answer, `done`.

    `owner`: whose key it is; the same key of another owner is another key. `digest`: of all that was asked, as far as it is
    known at the beginning.
    """

    def __init__(self, owner: str, key: str, digest: str) -> None:
        self._store, self._owner, self._key, self._clock = gateway().store, owner, key, gateway().clock
        self._mine = Made(digest, self._clock(), by=uuid4().hex)

    def begun(self) -> Response | None:
        """What was answered before; None when the work is this request's. Problem 422 `reused`, 409 while it is worked on."""
        mine = _text(self._mine)
        kept = self._store.begin_request(self._owner, self._key, mine, KEPT_S)
        if kept == mine:
            return None
        there = _read(kept)
        if there.digest != self._mine.digest:
            raise reused()
        if there.status:
            return Response(there.body, there.status, mimetype="application/json")
        if self._clock() - there.at < WORKING_MS or not self._store.swap_request(self._owner, self._key, kept, mine, KEPT_S):
            raise Problem(409, "request_under_way", "the same request is being worked on", headers={"Retry-After": "1"})
        return None

    def goes_on(self) -> None:
        """To be called during long work: says from time to time that nobody died."""
        if self._clock() - self._mine.at >= BEAT_MS:
            later = replace(self._mine, at=self._clock())
            if self._swap(later):
                self._mine = later

    def done(self, work: Callable[[], Response]) -> Response:
        """Do it, and keep the answer; a refusal or an error leaves the key free."""
        try:
            answer = work()
        except BaseException:
            self._swap(None)
            raise
        answered = replace(self._mine, status=answer.status_code, body=answer.get_data(as_text=True))
        self._swap(answered if answer.status_code < 300 else None)
        return answer

    def _swap(self, made: Made | None) -> bool:
        return self._store.swap_request(self._owner, self._key, _text(self._mine), _text(made) if made else None, KEPT_S)


def _text(made: Made) -> str:
    return msgspec.json.encode(made).decode()
