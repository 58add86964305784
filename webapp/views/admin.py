"""REST calls for operators. Their answers hold no texts or addresses of people, except a webhook that was kept as it came."""

from base64 import b64encode
from datetime import date
from itertools import islice
from typing import Annotated, Any, Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field

from chat4all.model.callers import ADMIN
from chat4all.model.clock import DAY_MS, now_ms, rfc3339
from chat4all.ports import DeadLetter
from chat4all.services.accounts.live import accounts_of
from chat4all.services.dead_letters import Wanted, instant, record_of, scan
from webapp.requests.api_docs import SECURED, problems
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import (
    answer,
)
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import RequestBody, RequestParams, ResponseModel, Time
from webapp.views import auth

OPERATION = Tag(name="operation", description="What operators look at: scope admin")

api = APIBlueprint(
    "admin", __name__, abp_tags=[OPERATION], abp_security=SECURED, abp_responses=problems(401, 403, 422, 429, 503)
)
api.before_request(auth.require)
api.before_request(lambda: auth.need(ADMIN))

# A filter that hardly anything passes ends its page after so many letters; `next` goes on from there.
DAYS_MOST = 366

When = Annotated[str, Field(max_length=64)]


Place = Annotated[str, Field(max_length=64, pattern=r"^([0-9]{1,15}_[0-9a-f-]{36})?$")]


class LettersAsked(RequestParams):
    """Which letters. `day` is a UTC day; `since` and `until` are times, days, or how long ago (90m, 24h, 7d)."""

    day: Annotated[date | None, Field(description="In place of since and until")] = None
    since: Annotated[When, Field(description="From then on; 24h where nothing is given")] = ""
    until: Annotated[When, Field(description="Before then; left out: now")] = ""
    channel: Annotated[str, Field(max_length=64)] = ""
    reason: Annotated[str, Field(max_length=64)] = ""
    stage: Annotated[str, Field(max_length=64)] = ""


class LettersQuery(LettersAsked):
    """The same by page: `after` is the `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=200)] = 100
    after: Place = ""


class OldLettersQuery(LettersAsked):
    """As it was before lists were paged alike."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    next: Annotated[Place, Field(description="From the page before")] = ""


class LetterOut(ResponseModel):
    """What could not be processed or delivered. `record` is topic:partition:offset, `delivery` what replays take."""

    letter_id: str
    stage: str
    reason: str
    record: str = ""
    attempts: int
    first_at: Time
    at: Time
    channel: str = ""
    account: Annotated[str, Field(description="Whom a webhook was for, where that is none of ours")] = ""
    delivery: str = ""
    message_id: str = ""
    conversation_id: str = ""


class Letters(ResponseModel):
    """A page, by time. It may be short, or empty, and there is more as long as there is a `next`."""

    dead_letters: list[LetterOut]
    next: str | None = None


class LetterPath(RequestParams):
    """Names a letter."""

    letter_id: Annotated[str, Field(max_length=64)]


class KeptOut(LetterOut):
    """A letter with what the provider sent, as text, or in base64 where it is none. People's words may be in it."""

    body: str
    body_encoding: Literal["utf-8", "base64"]


class ReplayIn(RequestBody):
    """`dry_run`: only say what would be read in it now."""

    dry_run: bool = False


class Replayed(ResponseModel):
    """What was read in a webhook that had been kept; what was accepted before is the same message, once."""

    letter_id: str
    dry_run: bool
    messages: int
    receipts: int
    unreadable: Annotated[list[str], Field(description="Why parts of it still make no sense")]
    unclaimed: Annotated[list[str], Field(description="Accounts that it is for and that are still not ours")]


@api.get("/v1/admin/dead-letters", responses={"200": Letters})
@checked
def dead_letters_of_old(query: OldLettersQuery) -> Response:
    """The same as GET /v1/dead-letters, by its older name and with its older way of paging."""
    return _page(query, query.limit, query.next)


@api.get("/v1/dead-letters", responses={"200": Letters})
@checked
def dead_letters(query: LettersQuery) -> Response:
    """What could not be processed, delivered or read, oldest first. What was sent again since is still here."""
    return _page(query, query.limit, query.after)


@api.get("/v1/dead-letters/<letter_id>", responses={"200": KeptOut, **problems(404)})
@checked
def dead_letter(path: LetterPath) -> Response:
    """A letter with the webhook that it is about. Stages unreadable and unclaimed only: others have none."""
    kept = gateway().store.kept_webhook(path.letter_id)
    if kept is None:
        raise _nothing_kept()
    letter, body = kept
    try:
        said = {"body": body.decode(), "body_encoding": "utf-8"}
    except UnicodeDecodeError:
        said = {"body": b64encode(body).decode(), "body_encoding": "base64"}
    return answer(_shown(letter) | said)


@api.post("/v1/dead-letters/<letter_id>/replay", responses={"200": Replayed, **problems(400, 404, 413)})
@checked
def replay_dead_letter(path: LetterPath, body: ReplayIn) -> Response:
    """Read a kept webhook again. After an upgrade that knows more, or once the account that it is for is ours."""
    served, kept = gateway(), gateway().store.kept_webhook(path.letter_id)
    known = kept is not None and kept[0].channel in served.channels
    channel = accounts_of(served.channels).reading(kept[0].channel, kept[0].account) if kept and known else None
    handled = served.webhooks.again(channel, path.letter_id, body.dry_run) if channel else None
    if handled is None:
        raise _nothing_kept()
    for file_id in handled.files:
        served.waker.wake_file("fetch_media", file_id)
    reasons = {name: list(each) for name, each in (("unreadable", handled.unreadable), ("unclaimed", handled.unclaimed))}
    counts = {"messages": handled.messages, "receipts": handled.receipts}
    return answer({"letter_id": path.letter_id, "dry_run": body.dry_run, **counts, **reasons})


def _nothing_kept() -> Problem:
    return Problem(404, "unknown_letter", "there is no letter of this id that has a webhook; deliveries: see `replay delivery`")


def _page(query: LettersAsked, limit: int, after: str) -> Response:
    wanted = _wanted(query)
    bounds = gateway().bounds
    letters = scan(gateway().store, wanted.since, wanted.until, _after(after, wanted.until), bounds.letters_at_once)
    found: list[DeadLetter] = []
    for looked, letter in enumerate(islice(letters, bounds.letters), 1):
        if wanted.has(letter):
            found.append(letter)
        if len(found) == limit or looked == bounds.letters:
            return answer({"dead_letters": [_shown(each) for each in found], "next": f"{letter.at}_{letter.letter_id}"})
    return answer({"dead_letters": [_shown(each) for each in found]})


def _wanted(query: LettersAsked) -> Wanted:
    if query.day and (query.since or query.until):
        raise Problem(422, "invalid", "day, or since and until, not both", "day")
    now = now_ms()
    if query.day:
        since = _instant("day", query.day.isoformat(), now)
        until = since + DAY_MS
    else:
        until = _instant("until", query.until, now) if query.until else now + 1
        since = _instant("since", query.since, now) if query.since else until - DAY_MS
    if until - since > DAYS_MOST * DAY_MS:
        raise Problem(422, "invalid", f"at most {DAYS_MOST} days at once", "since")
    return Wanted(since, until, query.channel, query.reason, query.stage)


def _instant(field: str, text: str, now: int) -> int:
    try:
        at = instant(text, now)
        rfc3339(at)
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "an RFC 3339 time (write + as %2B), a day, or 90m, 24h, 7d ago", field) from None
    return at


def _after(given: str, until: int) -> tuple[int, str]:
    at, _, letter_id = given.partition("_")
    return min(int(at or 0), until), letter_id


def _shown(letter: DeadLetter) -> dict[str, Any]:
    """A letter without its `detail`: that may quote what a stage stumbled over."""
    shown = {
        "record": record_of(letter),
        "channel": letter.channel,
        "account": letter.account,
        "delivery": letter.delivery,
        "message_id": letter.message_id,
        "conversation_id": letter.conversation_id,
    }
    return without_blanks(shown) | {
        "letter_id": letter.letter_id,
        "stage": letter.stage,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "first_at": rfc3339(letter.first_at or letter.at),
        "at": rfc3339(letter.at),
    }
