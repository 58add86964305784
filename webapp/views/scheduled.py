"""Messages that are to be sent later: what waits, another time or other words for it, and calling it off."""

from typing import Any

import msgspec
from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.clock import from_rfc3339, rfc3339
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.ids import is_uuid
from chat4all.model.scheduled_messages import STATES, read_scheduled, record_id_of
from chat4all.services.schedule import NotYours, Place, Schedule, Wanted
from webapp.requests.api_docs import MESSAGES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.refusals import answer_refusals
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.scheduled_models import (
    ScheduledChange,
    ScheduledMessages,
    ScheduledOut,
    ScheduledPath,
    ScheduledQuery,
)
from webapp.views import auth

api = APIBlueprint(
    "scheduled", __name__, abp_tags=[MESSAGES], abp_security=SECURED, abp_responses=problems(400, 401, 404, 422, 429, 503)
)
api.before_request(auth.require)
answer_refusals(api, "message")
api.register_error_handler(
    NotYours,
    lambda _: Problem(403, "not_the_sender", "only who sends it changes or cancels it, or a client with scope send").response(),
)


@api.get("/v1/scheduled-messages", responses={"200": ScheduledMessages})
@checked
def list_scheduled(query: ScheduledQuery) -> Response:
    """What waits to be sent, by time: the caller's own, and for a client with scope manage everybody's."""
    wanted = Wanted(
        query.sender,
        (query.conversation_id or "").lower(),
        _time(query.since, "since"),
        _time(query.until, "until"),
    )
    found, behind = _schedule().page(caller(), wanted, _place(query.after), query.limit)
    following = {"next": f"{behind[0]}.{_message_id(behind[1])}"} if behind else {}
    return answer({"scheduled_messages": [_shape(each) for each in found]} | following)


@api.get("/v1/scheduled-messages/<message_id>", responses={"200": ScheduledOut})
@checked
def get_scheduled(path: ScheduledPath) -> Response:
    """One of them; for 30 days also what became of it."""
    return answer(_shape(_schedule().get(caller(), _id(path))))


@api.patch("/v1/scheduled-messages/<message_id>", responses={"200": ScheduledOut, **problems(403, 409)})
@checked
def change_scheduled(path: ScheduledPath, body: ScheduledChange) -> Response:
    """Send it at another time, or say something else. 409 `too_late`: it is being sent, or does not wait any more."""
    return answer(_shape(_schedule().change(caller(), _id(path), body.send_at or 0, body.payload)))


@api.delete("/v1/scheduled-messages/<message_id>", responses={"200": ScheduledOut, **problems(403, 409)})
@checked
def cancel_scheduled(path: ScheduledPath) -> Response:
    """Have it not be sent. Repeating it changes nothing. 409 `too_late`: it is being sent, or was."""
    return answer(_shape(_schedule().cancel(caller(), _id(path))))


def _schedule() -> Schedule:
    return Schedule(gateway().store, gateway().acceptor, gateway().clock)


def _id(path: ScheduledPath) -> str:
    if not is_uuid(path.message_id):
        raise Problem(422, "malformed_uuid", "a message_id is a UUID", "message_id")
    return path.message_id.lower()


def _time(given: str | None, field: str) -> int:
    try:
        return max(0, from_rfc3339(given)) if given is not None else 0
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "an RFC 3339 time with its zone (write + as %2B)", field) from None


def _place(after: str) -> Place:
    """Of a record, by how a page named it."""
    if not after:
        return -1, ""
    at, _, message_id = after.partition(".")
    if not (at.isascii() and at.isdigit() and len(at) < 16 and is_uuid(message_id)):
        raise Problem(422, "invalid", "the `next` of a page", "after")
    return int(at), record_id_of(message_id)


def _message_id(record_id: str) -> str:
    """The message of a record."""
    return record_id.partition(":")[2]


def _shape(record: DeferredRecord) -> dict[str, Any]:
    said = read_scheduled(record)
    draft = said.draft
    by = said.caller.user_id
    more = {
        "scheduled_by": by if by != said.sender else "",
        "to": draft.to,
        "channels": draft.channels,
        "via": draft.via,
        "reply_to": draft.reply_to,
        "metadata": draft.metadata,
        "reason": record.why,
    }
    return without_blanks(more) | {
        "message_id": said.message_id,
        "conversation_id": said.conversation_id,
        "state": STATES[record.state],
        "send_at": rfc3339(record.due_at),
        "sender": said.sender,
        "payload": msgspec.to_builtins(draft.payload),
        "created_at": rfc3339(record.created_at),
        "changed_at": rfc3339(record.changed_at),
    }
