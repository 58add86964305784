"""Figures about conversations and costs. For those who answer."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.clock import DAY_MS, from_rfc3339
from chat4all.model.reports import COST_DIMENSIONS, DAYS_MOST, DIMENSIONS, CostFigures, Figures, Sums
from webapp.queries.report_pages import END, Asked, Place, conversations_page, costs_page
from webapp.requests.api_docs import CONVERSATIONS, SECURED, problems
from webapp.requests.gateway import gateway
from webapp.requests.handlings import check_team
from webapp.requests.problems import Problem
from webapp.requests.responses import answer
from webapp.requests.validation import checked
from webapp.schemas.report_models import CostReportOut, CostReportQuery, ReportOut, ReportQuery
from webapp.views import auth

api = APIBlueprint(
    "reports", __name__, abp_tags=[CONVERSATIONS], abp_security=SECURED, abp_responses=problems(400, 401, 403, 422, 429, 503)
)
api.before_request(auth.require)
api.before_request(check_team)

# What a spreadsheet would take for a formula.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@api.get("/v1/reports/conversations", responses={"200": ReportOut})
@checked
def conversations(query: ReportQuery) -> Response:
    """How many conversations began, were answered and closed, and how long that took; and messages in and out."""
    here, asked = gateway(), _asked(query, DIMENSIONS)
    found, place = conversations_page(here.store, asked, _after(query.after), query.limit, here.bounds)
    return _shown(query, asked, Figures, found, place)


@api.get("/v1/reports/costs", responses={"200": CostReportOut})
@checked
def costs(query: CostReportQuery) -> Response:
    """How many deliveries their providers charge, by account, category and day."""
    here, asked = gateway(), _asked(query, COST_DIMENSIONS)
    partitions = here.acceptor.partitions
    found, place = costs_page(here.store, asked, _after(query.after), query.limit, here.bounds, partitions)
    return _shown(query, asked, CostFigures, found, place)


def _asked(query: ReportQuery, dimensions: Sequence[str]) -> Asked:
    asked = Asked(_at(query.since, "since"), _at(query.until, "until"), _by(query.by, dimensions))
    if not 0 < asked.until - asked.since <= DAYS_MOST * DAY_MS:
        raise Problem(422, "invalid", f"later than since, by at most {DAYS_MOST} days", "until")
    return asked


def _shown(
    query: ReportQuery,
    asked: Asked,
    figures: type[Sums],
    found: Mapping[tuple[str, ...], Sums],
    place: Place | None,
) -> Response:
    rows = [dict(zip(asked.by, key, strict=True)) | msgspec.structs.asdict(each) for key, each in found.items()]
    if query.format == "csv":
        return _csv([*asked.by, *figures.__struct_fields__], rows, place)
    return answer({"rows": rows} | ({"next": place.text} if place else {}))


def _at(text: str, field: str) -> int:
    try:
        return from_rfc3339(text, zone_needed=len(text) > len("2026-03-01"))
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "a day such as 2026-03-01, or a time such as 2026-03-01T12:00:00Z", field) from None


def _by(text: str, dimensions: Sequence[str]) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    wrong = next((each for each in names if each not in dimensions), None)
    if wrong is not None or len(set(names)) < len(names):
        raise Problem(422, "invalid", f"any of {', '.join(dimensions)}, each once, with commas between them", "by")
    return names


def _after(text: str) -> Place:
    try:
        return Place.parse(text) if text else Place(END)
    except ValueError:
        raise Problem(422, "invalid", "the `next` of a page of this report", "after") from None


def _csv(names: Sequence[str], rows: Sequence[dict[str, Any]], place: Place | None) -> Response:
    """The rows as a table with a head; where there are more, `Link` says where."""
    written = io.StringIO()
    table = csv.DictWriter(written, names)
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    made = Response(written.getvalue(), mimetype="text/csv")
    if place:
        made.headers["Link"] = f'<{request.path}?{urlencode(request.args.to_dict() | {"after": place.text})}>; rel="next"'
    return made


def _cell(value: Any) -> Any:
    """As a spreadsheet may open it: a name that looks like a formula is none."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value
