"""Outgoing webhooks: endpoints of a team's own backend. A secret is shown once, headers' values never."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from flask import Response

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.event_envelope import batch_of, envelope
from chat4all.model.events import decode
from chat4all.model.failures import RangeLost
from chat4all.model.ids import made_id
from chat4all.model.records import EVENTS, Range, Record
from chat4all.ports.webhooks import Filter, Webhook, WebhookCall
from chat4all.services.dead_letters import instant
from chat4all.services.refusals import Taken
from chat4all.services.webhooks.endpoints import Wanted
from chat4all.services.webhooks.secrets import Secrets
from webapp.requests.api_docs import WEBHOOKS, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import given_key, keyed, once, reused
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import PagedQuery
from webapp.schemas.webhook_models import (
    CallsOut,
    CallsQuery,
    NewWebhook,
    NewWebhookOut,
    RecoveryAsked,
    RecoveryOut,
    Rotation,
    WebhookChange,
    WebhookFilter,
    WebhookOut,
    WebhookPath,
    WebhooksOut,
    WebhookTestOut,
)
from webapp.views import auth

READ_S = 5.0
# Calls whose events are read at once, bytes that are read for a page, and bytes that are shown of one request.
READ_AT_ONCE = 20
READ_MOST = 16 << 20
SHOWN_MOST = 64 << 10

api = auth.for_managers("webhooks", WEBHOOKS, "webhook")


@api.post("/v1/webhooks", responses={"201": NewWebhookOut})
@keyed
@checked
def create_webhook(body: NewWebhook) -> Response:
    """Make an endpoint, which is told what happens from now on. Its secret is told only now."""
    wanted = Wanted(body.url, tuple(body.events), _filter(body.filter), body.headers, body.throttle, body.batch)
    key, by = given_key(), caller().user_id
    try:
        # Nothing that holds the secret is kept for a repetition: the endpoint is found again by its id.
        webhook, secrets = gateway().endpoints.create(wanted, by, made_id("webhook", by, key) if key else str(uuid4()))
    except Taken:
        raise reused() from None
    auth.security.warning("webhook_created", webhook_id=webhook.webhook_id, by=by)
    return _secret(webhook, secrets, 201)


@api.get("/v1/webhooks", responses={"200": WebhooksOut})
@checked
def list_webhooks(query: PagedQuery) -> Response:
    """All endpoints, by id."""
    page = gateway().endpoints.page(query.limit, query.after)
    more = {"next": page[-1].webhook_id} if len(page) == query.limit else {}
    return answer({"webhooks": [_shape(each) for each in page]} | more)


@api.get("/v1/webhooks/<webhook_id>", responses={"200": WebhookOut})
@checked
def get_webhook(path: WebhookPath) -> Response:
    """An endpoint."""
    return answer(_shape(gateway().endpoints.get(path.webhook_id)))


@api.patch("/v1/webhooks/<webhook_id>", responses={"200": WebhookOut})
@checked
def change_webhook(path: WebhookPath, body: WebhookChange) -> Response:
    """Make something else of it. What is left out stays."""

    def changed(old: Webhook) -> Wanted:
        return Wanted(
            old.url if body.url is None else body.url,
            old.events if body.events is None else tuple(body.events),
            old.filter if body.filter is None else _filter(body.filter),
            body.headers,
            old.throttle if body.throttle is None else body.throttle,
            old.batch if body.batch is None else body.batch,
        )

    return answer(_shape(gateway().endpoints.change(path.webhook_id, changed)))


@api.delete("/v1/webhooks/<webhook_id>", responses={"204": None})
@checked
def delete_webhook(path: WebhookPath) -> Response:
    """Tell it nothing more, and forget its secrets."""
    gateway().endpoints.delete(path.webhook_id)
    auth.security.warning("webhook_deleted", webhook_id=path.webhook_id, by=caller().user_id)
    return Response(status=204)


@api.post("/v1/webhooks/<webhook_id>/rotate", responses={"200": NewWebhookOut})
@checked
def rotate_webhook(path: WebhookPath, body: Rotation) -> Response:
    """Give it another secret, told only now. The one before it signs too, for as long as you say."""
    webhook, secrets = gateway().endpoints.rotate(path.webhook_id, body.old_valid_s)
    auth.security.warning("webhook_rotated", webhook_id=path.webhook_id, by=caller().user_id)
    return _secret(webhook, secrets)


@api.post("/v1/webhooks/<webhook_id>/enable", responses={"200": WebhookOut})
@checked
def enable_webhook(path: WebhookPath) -> Response:
    """Tell it of what happens from now on. What it missed: `recover`."""
    return answer(_shape(gateway().endpoints.enable(path.webhook_id)))


@api.post("/v1/webhooks/<webhook_id>/disable", responses={"200": WebhookOut})
@checked
def disable_webhook(path: WebhookPath) -> Response:
    """Tell it nothing more, until it is enabled."""
    return answer(_shape(gateway().endpoints.disable(path.webhook_id, "by_hand")))


@api.post("/v1/webhooks/<webhook_id>/test", responses={"202": WebhookTestOut, **problems(409)})
@once
@checked
def test_webhook(path: WebhookPath) -> Response:
    """Have it called with an event `webhook.test`, whatever it asks for. The log of calls shows what came of it."""
    return answer({"event_id": gateway().endpoints.test(path.webhook_id)}, 202)


@api.post("/v1/webhooks/<webhook_id>/recover", responses={"202": RecoveryOut, **problems(409)})
@once
@checked
def recover_webhook(path: WebhookPath, body: RecoveryAsked) -> Response:
    """Tell it once more what happened between two times, as far as the log has it: in order, under the same ids."""
    now = now_ms()
    since = _instant("since", body.since, now)
    until = _instant("until", body.until, now) if body.until else now + 1
    begun = gateway().endpoints.recover(path.webhook_id, since, until)
    made = {"recovery_id": begun[0].recovery_id} if begun else {}
    return answer({**made, "events": sum(each.until - each.position for each in begun)}, 202)


@api.get("/v1/webhooks/<webhook_id>/deliveries", responses={"200": CallsOut})
@checked
def webhook_deliveries(path: WebhookPath, query: CallsQuery) -> Response:
    """The log of calls to it, the newest first, with what was sent and what was answered."""
    here = gateway()
    here.endpoints.get(path.webhook_id)
    calls = here.store.webhook_calls(path.webhook_id, query.limit, query.after)
    more = {"next": calls[-1].call_id} if len(calls) == query.limit else {}
    sent = _sent(calls)
    return answer({"deliveries": [_call(each, sent) for each in calls]} | more)


def _instant(field: str, text: str, now: int) -> int:
    try:
        return instant(text, now)
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "an RFC 3339 time, or 90m, 24h, 7d ago", field) from None


def _filter(asked: WebhookFilter) -> Filter:
    return Filter(tuple(asked.channels), tuple(asked.accounts), tuple(asked.conversations), tuple(asked.labels))


def _secret(webhook: Webhook, secrets: Secrets, status: int = 200) -> Response:
    response = answer(_shape(webhook) | {"secret": secrets.secret}, status)
    response.headers.update(auth.NEVER_KEPT)
    return response


def _shape(webhook: Webhook) -> dict[str, Any]:
    asked, names = webhook.filter, gateway().endpoints.header_names(webhook)
    filtered = {
        "channels": asked.channels,
        "accounts": asked.accounts,
        "conversations": asked.conversations,
        "labels": asked.labels,
    }
    shown = {
        "reason": webhook.reason,
        "failing_since": rfc3339(webhook.failing_since) if webhook.failing_since else "",
    }
    return (
        without_blanks(shown)
        | ({"sealed": True} if names is None else {})
        | {
            "webhook_id": webhook.webhook_id,
            "url": webhook.url,
            "events": list(webhook.events),
            "filter": without_blanks({name: list(some) for name, some in filtered.items()}),
            "header_names": names or [],
            "throttle": webhook.throttle,
            "batch": webhook.batch,
            "status": webhook.status,
            "created_at": rfc3339(webhook.created_at),
            "changed_at": rfc3339(webhook.changed_at),
        }
    )


def _call(call: WebhookCall, sent: Mapping[str, str]) -> dict[str, Any]:
    shown = {
        "conversation_id": call.conversation_id,
        "error": call.error,
        "manual": call.manual,
        "request": sent.get(call.call_id, ""),
        "response": call.answer,
    }
    return without_blanks(shown) | {
        "call_id": call.call_id,
        "at": rfc3339(call.at),
        "event_id": call.event_id,
        "type": call.type,
        "number": call.number,
        "status": call.status,
        "took_ms": call.took_ms,
    }


def _sent(calls: Sequence[WebhookCall]) -> dict[str, str]:
    """What was sent, by call, made again from the events; of what the log has forgotten nothing, nor beyond so many bytes."""
    found: dict[str, str] = {}
    ends = gateway().log.ends(EVENTS) if any(each.offset >= 0 for each in calls) else {}
    left = [each for each in calls if each.offset >= 0 and each.offset >= ends[each.partition][0]]
    size = 0
    while left and size < READ_MOST:
        some, left = left[:READ_AT_ONCE], left[READ_AT_ONCE:]
        places = {place for each in some for place in _places(each)}
        try:
            records = gateway().log.read(EVENTS, [Range(*each, each[1]) for each in sorted(places)], READ_S)
        except RangeLost:
            # It was forgotten between the two questions.
            return found
        kept = {(each.partition, each.offset): each for each in records}
        found |= {each.call_id: _body([kept[place] for place in _places(each) if place in kept]) for each in some}
        size += sum(len(each.value) for each in kept.values())
    return found


def _places(call: WebhookCall) -> list[tuple[int, int]]:
    return [(call.partition, each) for each in (call.offset, *call.more)]


def _body(records: Sequence[Record]) -> str:
    try:
        said = [envelope(decode(each)) for each in records]
        return (said[0] if len(said) == 1 else batch_of(said)).body[:SHOWN_MOST].decode(errors="replace") if said else ""
    except ValueError:
        return ""
