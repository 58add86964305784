"""Broadcasts: one message to all contacts with a tag, or to all addresses of a list."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from flask import Response, request

from chat4all.model.broadcasts import PAUSED, RUNNING, STOPPED, WAITING, Broadcast, Result
from chat4all.model.callers import SEND
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.ids import made_id
from chat4all.model.prices import Prices, Share
from chat4all.model.quiet_hours import QuietHours
from chat4all.services.broadcasts.estimate import Estimate, estimated
from chat4all.services.broadcasts.registry import BroadcastRegistry
from chat4all.services.refusals import Conflict, Taken, Wrong
from webapp.requests.api_docs import BROADCASTS
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import given_key, keyed, reused
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked, documented, read_body, read_json, validated, without_blanks
from webapp.schemas.broadcast_models import (
    AudienceAdded,
    BroadcastOut,
    BroadcastPath,
    BroadcastsOut,
    EstimateOut,
    MoreAudience,
    NewBroadcast,
    ResultsOut,
    ResultsQuery,
)
from webapp.schemas.models import PagedQuery
from webapp.views import auth

api = auth.for_managers("broadcasts", BROADCASTS, "broadcast")
api.before_request(lambda: auth.need(SEND))


@api.post("/v1/broadcasts", responses={"201": BroadcastOut})
@keyed
@checked
def create_broadcast(body: NewBroadcast) -> Response:
    """Write one. Nothing is sent before it is started."""
    key, by = given_key(), caller().user_id
    wanted = Broadcast(
        broadcast_id=made_id("broadcast", by, key) if key else str(uuid4()),
        name=body.name,
        payload=msgspec.to_builtins(body.payload),
        channel=body.channel,
        tag=body.audience.tag or "",
        rate=body.rate,
        created_by=by,
        created_at=now_ms(),
        sender=body.sender or "",
        quiet=QuietHours(quiet.begin, quiet.end, quiet.time_zone) if (quiet := body.quiet_hours) else None,
    )
    if body.audience.tag == "":
        raise Wrong("audience.tag", "a tag that contacts have")
    try:
        return answer(shape(_registry().create(wanted, body.audience.addresses or ())), 201)
    except Taken:
        raise reused() from None


@api.post("/v1/broadcasts/<broadcast_id>/audience", responses={"200": AudienceAdded})
@documented(MoreAudience)
@checked
def add_audience(path: BroadcastPath) -> Response:
    """Add to the addresses of a list, before it is started: as JSON, or as text/csv with a column `address`. Twice is once."""
    given = _csv(read_body()) if request.mimetype == "text/csv" else validated(MoreAudience, read_json()).addresses
    return answer({"addresses": _registry().add_audience(path.broadcast_id, given)})


def _csv(body: bytes) -> list[str]:
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        addresses = [row["address"] for row in rows]
    except (UnicodeDecodeError, csv.Error, KeyError):
        raise Wrong("addresses", "CSV in UTF-8 whose first line names a column: address") from None
    if None in addresses:
        raise Wrong("addresses", "an address in every line")
    return addresses


@api.get("/v1/broadcasts", responses={"200": BroadcastsOut})
@checked
def list_broadcasts(query: PagedQuery) -> Response:
    """All broadcasts by id."""
    found = gateway().store.broadcasts(query.limit + 1, query.after)
    page, more = page_after(found, query.after, query.limit, lambda each: each.broadcast_id)
    return answer({"broadcasts": [shape(each) for each in page]} | more)


@api.get("/v1/broadcasts/<broadcast_id>", responses={"200": BroadcastOut})
@checked
def get_broadcast(path: BroadcastPath) -> Response:
    """A broadcast, and how far it has come."""
    return answer(shape(_registry().get(path.broadcast_id)))


@api.get("/v1/broadcasts/<broadcast_id>/estimate", responses={"200": EstimateOut})
@checked
def estimate_broadcast(path: BroadcastPath) -> Response:
    """What it would cost now, by the prices that the operator keeps. An estimate: the provider's invoice counts.

    Of very many people the first are counted: `complete` is false then.
    """
    found = estimated(gateway().store, gateway().acceptor.people, _prices(), _registry().get(path.broadcast_id))
    return answer(_estimate(found))


@api.post("/v1/broadcasts/<broadcast_id>/start", responses={"200": BroadcastOut})
@checked
def start_broadcast(path: BroadcastPath) -> Response:
    """Begin, or go on after a pause where it was."""
    return answer(shape(_registry().change(path.broadcast_id, RUNNING)))


@api.post("/v1/broadcasts/<broadcast_id>/pause", responses={"200": BroadcastOut})
@checked
def pause_broadcast(path: BroadcastPath) -> Response:
    """Nobody else has their turn, from within two seconds on. What was accepted is sent."""
    return answer(shape(_registry().change(path.broadcast_id, PAUSED)))


@api.post("/v1/broadcasts/<broadcast_id>/stop", responses={"200": BroadcastOut})
@checked
def stop_broadcast(path: BroadcastPath) -> Response:
    """As a pause, for good; and what was accepted and not yet sent is CANCELLED as broadcast_stopped."""
    return answer(shape(_registry().change(path.broadcast_id, STOPPED)))


@api.get("/v1/broadcasts/<broadcast_id>/results", responses={"200": ResultsOut})
@checked
def list_results(path: BroadcastPath, query: ResultsQuery) -> Response:
    """What came of each contact's turn. How the messages fared stands at the messages."""
    _registry().get(path.broadcast_id)
    found = gateway().store.results(path.broadcast_id, query.limit + 1, query.after)
    page, more = page_after(found, query.after, query.limit, lambda each: each.turn)
    return answer({"results": [_result(each) for each in page]} | more)


def _prices() -> Prices:
    """Conflict where the table cannot be read: that is for an operator to mend."""
    place = gateway().settings.prices
    try:
        return Prices(Path(place).read_text() if place else "")
    except (OSError, ValueError) as error:
        raise Conflict("prices_unreadable", f"CHAT4ALL_PRICES: {error}") from None


def _estimate(found: Estimate) -> dict[str, Any]:
    priced = [(each, each.price) for each in found.shares if each.price]
    totals: dict[str, Decimal] = {}
    for each, price in priced:
        totals[price.currency] = totals.get(price.currency, Decimal(0)) + price.amount * each.messages
    return {
        "category": found.category,
        "messages": found.messages,
        "passed_over": found.passed_over,
        "unpriced": sum(each.messages for each in found.shares if not each.price),
        "complete": found.is_complete,
        "totals": [{"currency": currency, "amount": str(amount)} for currency, amount in sorted(totals.items())],
        "countries": [_share(each) for each in found.shares],
    } | (
        {"daily_budget": {"people_per_day": found.people_per_day, "left": found.left, "waits_days": found.waits_days}}
        if found.people_per_day
        else {}
    )


def _share(share: Share) -> dict[str, Any]:
    shown: dict[str, Any] = {"country": share.country, "messages": share.messages}
    if share.price:
        each = share.price
        shown |= {"price": str(each.amount), "currency": each.currency, "valid_from": each.valid_from}
        shown["amount"] = str(each.amount * share.messages)
    return shown


def _registry() -> BroadcastRegistry:
    return BroadcastRegistry(gateway().store, gateway().acceptor)


def _result(result: Result) -> dict[str, Any]:
    shown = msgspec.structs.asdict(result)
    del shown["by_address"]
    due_at = rfc3339(result.due_at) if result.outcome == WAITING else ""
    return without_blanks(shown | {"due_at": due_at})


def shape(broadcast: Broadcast) -> dict[str, Any]:
    """A broadcast as the API gives it."""
    each = broadcast
    times = {"started_at": each.begun_at, "ended_at": each.ended_at}
    quiet = {"from": each.quiet.begin, "until": each.quiet.end, "time_zone": each.quiet.time_zone} if each.quiet else {}
    said = {"quiet_hours": quiet, "name": each.name, "from": each.sender} | {
        name: rfc3339(at) for name, at in times.items() if at
    }
    is_waiting = each.state == RUNNING and each.waits_until
    waits = {"waits": {"reason": "daily_budget", "until": rfc3339(each.waits_until)}} if is_waiting else {}
    return (
        without_blanks(said)
        | waits
        | {
            "broadcast_id": each.broadcast_id,
            "state": each.state,
            "payload": each.payload,
            "channel": each.channel,
            "audience": {"tag": each.tag} if each.tag else {"listed": True},
            "rate": each.rate,
            "counts": {"accepted": each.accepted, "refused": each.refused, "skipped": each.skipped, "waiting": each.waiting}
            | ({"withdrawn": each.withdrawn} if each.withdrawn else {}),
            "created_at": rfc3339(each.created_at),
            "created_by": each.created_by,
        }
    )
