"""Search: where something was said, and who is called so."""

from time import perf_counter
from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import MANAGE
from chat4all.model.clock import from_rfc3339, rfc3339
from chat4all.model.content import kinds, type_of
from chat4all.model.search_terms import terms
from chat4all.ports import Search, SearchIndex
from chat4all.telemetry import metrics
from webapp.queries.search_pages import OVER, Contacts, Cursor, Said, SaidPage, contacts_called, messages_with
from webapp.requests.access import visible
from webapp.requests.api_docs import SEARCH, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem, busy
from webapp.requests.responses import answer
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.search_models import SearchOut, SearchQuery
from webapp.views import auth
from webapp.views.users import shape as shape_user

MESSAGES, CONTACTS = "messages", "contacts"

api = APIBlueprint(
    "search",
    __name__,
    abp_tags=[SEARCH],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 409, 422, 429, 503),
)
api.before_request(auth.require)


@api.get("/v1/search", responses={"200": SearchOut})
@checked
def search(query: SearchQuery) -> Response:
    """Find messages by their words, and contacts by name and address. Without case and accents, and by the stems of words.

    Messages: those that the caller may read; a client with scope manage finds them in all conversations, and notes too.
    Contacts: for scope manage.
    """
    begun, index, wanted, after = perf_counter(), _index(), _wanted(query.within), Cursor.parse(query.after)
    with gateway().search_waits.turn() as limit_s:
        if not limit_s:
            raise busy("many searches are under way; try again")
        said = SaidPage([])
        if MESSAGES in wanted:
            asked = _asked(query, after)
            said = said if after.messages == OVER else _messages(index, asked, query.limit, limit_s)
        people = Contacts([], {})
        if CONTACTS in wanted:
            people = people if after.contacts == OVER else _contacts(index, query, after)
    body: dict[str, Any] = {}
    if MESSAGES in wanted:
        body["messages"] = [_message(each) for each in said.found]
    if CONTACTS in wanted:
        body["contacts"] = [shape_user(each, people.identities) for each in people.users]
    follows = Cursor(said.next, people.next).next
    metrics.SEARCH_SECONDS.of()(perf_counter() - begun)
    partial = said.is_cut or not index.feeding().is_complete
    return answer(body | without_blanks({"partial": partial, "next": follows}))


def _index() -> SearchIndex:
    found = gateway().search
    if found is None:
        raise Problem(409, "search_off", "search is off: whoever runs this can set CHAT4ALL_SEARCH, say to sqlite:search.db")
    return found


def _wanted(within: str) -> set[str]:
    wanted = set(within.split(","))
    if not wanted <= {MESSAGES, CONTACTS}:
        raise Problem(422, "invalid", "messages, contacts, or both with a comma", "in")
    if CONTACTS in wanted:
        auth.need(MANAGE)
    return wanted


def _asked(query: SearchQuery, after: Cursor) -> Search:
    """The question to the index. Problem 422 that names what is wrong with it."""
    try:
        wanted = terms(query.q)
    except ValueError as error:
        raise Problem(422, "invalid", str(error), "q") from None
    types = tuple(query.type.split(",")) if query.type else ()
    if unknown := [each for each in types if each not in kinds()]:
        raise Problem(422, "invalid", f"no type {unknown[0]!r}; known: {', '.join(kinds())}", "type")
    since, until = _time(query.since, "from"), _time(query.until, "to")
    if until and since >= until:
        raise Problem(422, "invalid", "later than `from`", "to")
    return Search(wanted, _conversations(query), since, until, types, caller().is_team, after.messages)


def _conversations(query: SearchQuery) -> list[str] | None:
    """Where the caller may look; None: everywhere."""
    if query.conversation is not None:
        return [visible(query.conversation).conversation.conversation_id]
    return None if caller().has(MANAGE) else gateway().store.conversations_of(caller().user_id)


def _time(given: str | None, field: str) -> int:
    if given is None:
        return 0
    try:
        return max(0, from_rfc3339(given))
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "an RFC 3339 time with its zone (write + as %2B)", field) from None


def _messages(index: SearchIndex, asked: Search, limit: int, limit_s: float) -> SaidPage:
    if asked.conversations is not None and not asked.conversations:
        return SaidPage([])
    return messages_with(gateway().store, index, caller(), asked, limit, limit_s)


def _contacts(index: SearchIndex, query: SearchQuery, after: Cursor) -> Contacts:
    here = gateway()
    try:
        return contacts_called(here.store, index, query.q, here.people.parse_address, after.contacts, query.limit)
    except ValueError as error:
        raise Problem(422, "invalid", str(error), "q") from None


def _message(found: Said) -> dict[str, Any]:
    message = found.message
    shown = {
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "sender": message.sender,
        "accepted_at": rfc3339(message.accepted_at),
        "type": type_of(found.payload),
        "snippet": {
            "text": found.snippet.text,
            "marks": [{"start": start, "end": end} for start, end in found.snippet.marks],
        },
    }
    return shown | without_blanks({"visibility": message.visibility})
