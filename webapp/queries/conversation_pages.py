"""Pages of a reader's conversations: by id, or latest first. Never all of them for one page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from msgspec import Struct

from chat4all.model.conversations import Membership
from chat4all.ports import MessageStore, Span
from chat4all.ports.listing import EVERYBODY
from webapp.requests.problems import Problem

LAST = 2**62


class Listed(Struct, frozen=True):
    """A page of conversations, each with when something was said last (ms UTC), and what asks for the page after it."""

    memberships: list[Membership]
    active_at: dict[str, int]
    next: str | None = None


class _Cursor(Struct, frozen=True, order=True, array_like=True):
    """A conversation's place in the order by activity: both numbers are negative, so that the latest is the first."""

    slot: int
    at: int
    conversation_id: str


def by_id(store: MessageStore, reader: str, after: str, limit: int) -> Listed:
    """The next conversations of this reader, "" for everybody's."""
    names = store.conversation_page(reader, after, limit + 1)
    more = names[limit - 1] if len(names) > limit else None
    shown = _seen(store, reader, names[:limit])
    return Listed(shown, _active_at(store, [each.conversation.conversation_id for each in shown]), more)


def by_activity(store: MessageStore, reader: str, after: str, limit: int) -> Listed:
    """The same, latest first. Where something is said while pages are read, the conversation moves to the front."""
    last = _cursor(after)
    slot = -last.slot if last else LAST
    found: list[_Cursor] = []
    while len(found) <= limit and (rows := store.active(reader, slot, limit + 1)):
        at = _active_at(store, [name for _, name in rows])
        places = [_Cursor(-row, -at[name], name) for row, name in rows if name in at]
        found += [each for each in places if last is None or each > last]
        slot = rows[-1][0] - 1
    page = sorted(found)[:limit]
    shown = _seen(store, reader, [each.conversation_id for each in page])
    return Listed(shown, {each.conversation_id: -each.at for each in page}, _encoded(page[-1]) if len(found) > limit else None)


def _seen(store: MessageStore, reader: str, names: list[str]) -> list[Membership]:
    """Those of these that exist for the reader: they are or were in them."""
    there = store.memberships(names, reader)
    found = [there[name] for name in names if name in there]
    return [each for each in found if reader == EVERYBODY or any(stay.user_id == reader for stay in each.members)]


def _active_at(store: MessageStore, names: list[str]) -> dict[str, int]:
    """When something was said last in each, else when it was founded."""
    pages = store.pages([Span(name, None, LAST, 1) for name in names]) if names else []
    at = {name: page[-1].accepted_at for name, page in zip(names, pages, strict=True) if page}
    silent = store.memberships([name for name in names if name not in at])
    return at | {name: each.conversation.created_at for name, each in silent.items()}


def _encoded(cursor: _Cursor) -> str:
    return urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def _cursor(after: str) -> _Cursor | None:
    if not after:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=_Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise Problem(422, "invalid", "the `next` of a page in this order", "after") from None
