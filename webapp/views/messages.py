"""Sending, and looking at what was sent."""

import time
from typing import Any

import msgspec
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import ValidationError

from chat4all.model.callers import MANAGE
from chat4all.model.conversations import Membership
from chat4all.model.drafts import Accepted, Draft, LegDraft, Refused
from chat4all.model.ids import is_uuid, key_in_batch
from chat4all.model.messages import (
    INTERNAL,
    Message,
)
from chat4all.telemetry import metrics
from webapp.queries.history_pages import page_of, place_of
from webapp.queries.timeline import Timeline
from webapp.requests import rate_limits
from webapp.requests.access import visible
from webapp.requests.api_docs import MESSAGES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import given_key, keyed
from webapp.requests.problems import Problem, problem_of
from webapp.requests.responses import answer
from webapp.requests.tracing import headers
from webapp.requests.validation import checked, documented, invalid, read_json
from webapp.schemas.message_models import (
    AcceptedOut,
    Batch,
    Keyed,
    LegIn,
    MessageIn,
    MessageOut,
    MessagePath,
    MessageQuery,
    Messages,
    PageQuery,
    RawOut,
    RawQuery,
    Results,
)
from webapp.schemas.models import ConversationPath
from webapp.views import auth

api = APIBlueprint(
    "messages", __name__, abp_tags=[MESSAGES], abp_security=SECURED, abp_responses=problems(400, 401, 404, 413, 422, 429, 503)
)
api.before_request(auth.require)

BATCH_MOST = 500
POLL_S = 0.05


def draft_of(given: MessageIn, key: str | None = None) -> Draft:
    """The message as the accepting side takes it; `key` is its Idempotency-Key."""
    return Draft(
        payload=given.payload,
        message_id=given.message_id,
        conversation_id=given.conversation_id,
        to=given.to,
        sender=given.sender,
        channels=given.channels,
        metadata=given.metadata,
        key=key,
        reply_to=given.reply_to or "",
        adapt=given.adapt,
        outside_window=None if given.outside_window is True else given.outside_window,
        holds=given.outside_window is True,
        expires_in=given.expires_in or 0,
        visibility=INTERNAL if given.visibility == INTERNAL else "",
        via=given.via,
        route=tuple(map(_leg, given.route)) if given.route is not None else None,
        send_at=given.send_at or 0,
    )


def _leg(given: LegIn) -> LegDraft:
    return LegDraft(given.channel, given.account_id, given.until or "", given.within_s, given.payload)


@api.post("/v1/messages", responses={"202": AcceptedOut, **problems(403, 409)})
@checked
def send(header: Keyed, body: MessageIn) -> Response:
    """Send a message. 202 means durable. The same message_id, or Idempotency-Key, again is the same message.

    With `send_at` it is sent later, and its status is scheduled.
    """
    accepted = gateway().acceptor.accept(caller(), [draft_of(body, header.key)], headers())[0]
    if isinstance(accepted, Refused):
        raise problem_of(accepted)
    return answer(_accepted(accepted), 202)


def _read_batch(key: str | None) -> list[Draft | Problem]:
    """The drafts of a batch; a Problem in the place of each that is none. Its key names each message by its place."""
    given = read_json()
    if not isinstance(given, dict) or given.keys() != {"messages"} or not isinstance(given["messages"], list):
        raise Problem(422, "invalid", "an object with the one field messages, a list", "messages")
    if not 0 < len(given["messages"]) <= BATCH_MOST:
        raise Problem(422, "invalid", f"1 to {BATCH_MOST} messages", "messages")
    places = [key and key_in_batch(key, number) for number in range(len(given["messages"]))]
    return [_read_one(each, number) for each, number in zip(given["messages"], places, strict=True)]


def _read_one(given: Any, key: str | None) -> Draft | Problem:
    try:
        read = MessageIn.model_validate(given)
        return draft_of(read, key if read.message_id is None else None)
    except ValidationError as error:
        problem = invalid(error)
        metrics.REFUSED.of_reason(problem.code).add()
        named = given.get("message_id") if isinstance(given, dict) else ""
        problem.more = {"message_id": named if isinstance(named, str) else ""}
        return problem


@api.post("/v1/messages:batch", responses={"200": Results})
@keyed
@documented(Batch)
def send_batch() -> Response:
    """Send up to 500 messages. Each has its own result; a wrong one does not touch the others.

    Under an Idempotency-Key the messages without a message_id have one by their place in the batch.
    """
    read = _read_batch(given_key())
    if len(read) > 1:
        rate_limits.check(caller().stored_id, len(read) - 1)
    outcomes = iter(gateway().acceptor.accept(caller(), [each for each in read if isinstance(each, Draft)], headers()))
    return answer({"results": [_result(each if isinstance(each, Problem) else next(outcomes)) for each in read]})


def _result(outcome: Problem | Refused | Accepted) -> dict[str, Any]:
    if isinstance(outcome, Accepted):
        return _accepted(outcome)
    body = (outcome if isinstance(outcome, Problem) else problem_of(outcome)).body()
    return {"message_id": body.get("message_id", ""), "status": "error", "error": body}


def _accepted(accepted: Accepted) -> dict[str, str]:
    return {"status": accepted.status, "message_id": accepted.message_id, "conversation_id": accepted.conversation_id}


@api.get("/v1/messages/<message_id>", responses={"200": MessageOut, **problems(409)})
@checked
def show(path: MessagePath, query: MessageQuery) -> Response:
    """A message with its state, each delivery's state, and how each came to it. `wait`: until it is stored.

    An id means something within its conversation: where the caller reads several that have it, say which.
    """
    membership, message = one(path.message_id, query.conversation_id, query.wait)
    return answer(timeline().shape(membership, [message], caller(), asked_original(query.original))[0])


def one(message_id: str, conversation_id: str | None, wait: float) -> tuple[Membership, Message]:
    """The message that is meant, where the caller may read it. Problem 404 for none, 409 for several, 422 for no id."""
    for name, given in (("message_id", message_id), ("conversation_id", conversation_id)):
        if given is not None and not is_uuid(given):
            raise Problem(422, "malformed_uuid", f"a {name} is a UUID", name)
    wanted = (message_id.lower(), (conversation_id or "").lower())
    found = _find(*wanted) or (_await(*wanted, wait) if wait else [])
    if not found:
        raise Problem(404, "unknown_message", "there is no such message, or it is not stored yet")
    if len(found) > 1:
        names = sorted(membership.conversation.conversation_id for membership, _ in found)
        why = "several conversations have a message with this id: name one as conversation_id"
        raise Problem(409, "ambiguous_message_id", why, "conversation_id", conversations=names)
    return found[0]


def _await(message_id: str, conversation_id: str, seconds: float) -> list[tuple[Membership, Message]]:
    """Look again and again for so long; not at all where half of this process's threads do so already."""
    with gateway().message_waits.turn(seconds) as granted:
        until = time.monotonic() + granted
        found: list[tuple[Membership, Message]] = []
        while not found and time.monotonic() < until:
            time.sleep(POLL_S)
            found = _find(message_id, conversation_id)
        return found


def _find(message_id: str, conversation_id: str) -> list[tuple[Membership, Message]]:
    """The stored messages with this id that the caller may read: in this conversation, or wherever they are."""
    store, who = gateway().store, caller()
    places = {each.conversation_id: each.seq for each in store.places_of(message_id)}
    if conversation_id:
        places = {name: seq for name, seq in places.items() if name == conversation_id}
    memberships = store.memberships(list(places), who.user_id) if places else {}
    readable = [
        name for name, each in memberships.items() if who.sees_all or any(who.user_id == m.user_id for m in each.members)
    ]
    kept = store.messages([(name, places[name]) for name in readable]) if readable else {}
    found = [(memberships[name], message) for (name, _), message in kept.items()]
    found = [each for each in found if who.is_team or not each[1].is_internal]
    return [each for each in found if who.sees_all or each[0].may_read(who.user_id, each[1].members_version)]


@api.get("/v1/messages/<message_id>/raw", responses={"200": RawOut, **problems(403, 409)})
@checked
def raw(path: MessagePath, query: RawQuery) -> Response:
    """What the provider sent of a message that has no type here, as far as it was kept: for scope manage."""
    auth.need(MANAGE)
    _, message = one(path.message_id, query.conversation_id, 0)
    kept = gateway().store.raw(message.conversation_id, message.message_id)
    if kept is None:
        raise Problem(404, "no_raw", "nothing of what a provider sent is kept beside this message")
    names = {"message_id": message.message_id, "conversation_id": message.conversation_id}
    return answer({**names, "raw": _as_json(kept)})


def _as_json(kept: bytes) -> Any:
    """What a provider sent; as text where that was cut or is none."""
    try:
        return msgspec.json.decode(kept)
    except (msgspec.DecodeError, RecursionError):
        return kept.decode(errors="replace")


@api.get("/v1/conversations/<conversation_id>/messages", responses={"200": Messages})
@checked
def history(path: ConversationPath, query: PageQuery) -> Response:
    """What was said, oldest first: after `since`, or before `before`, or the latest."""
    membership = visible(path.conversation_id)
    if query.since is not None and query.before is not None:
        raise Problem(422, "invalid", "since or before, not both", "since")
    store = gateway().store
    conversation_id = membership.conversation.conversation_id
    after = place_of(store, conversation_id, query.since, "since")
    before = place_of(store, conversation_id, query.before, "before")
    page = page_of(store, membership, caller(), after, before, query.limit)
    shaped = {"messages": timeline().shape(membership, page.messages, caller(), asked_original(query.original))}
    return answer(shaped | ({"next": page.next} if page.next is not None else {}))


def asked_original(original: bool) -> bool:
    """Whether to show what was said first. Problem 403 without scope manage: people took it back."""
    if original:
        auth.need(MANAGE)
    return original


def timeline() -> Timeline:
    """What shapes messages, on this request's store."""
    here = gateway()
    return Timeline(here.store, here.people, here.acceptor.partitions, here.channels)
