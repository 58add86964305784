"""Pages of a reader's conversations: by id, or latest first. Never all of them for one page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from chat4all.model.conversations import Membership
from chat4all.model.handling import Wanted
from chat4all.ports import MessageStore, Span
from chat4all.ports.listing import EVERYBODY
from webapp.requests.bounds import BOUNDS
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


def by_activity(
    store: MessageStore,
    reader: str,
    after: str,
    limit: int,
    wanted: Wanted | None = None,
    most: int = BOUNDS.conversations,
    unread: Callable[[list[str]], set[str]] | None = None,
) -> Listed:
    """The same, latest first; `wanted`: only these; `unread`: those of some that fit for what is unread in them.

    A page may then have fewer, or none, with more to come. `most`: so many are looked at.

    Where something is said while pages are read, the conversation moves to the front.
    """
    last = _cursor(after)
    slot = -last.slot if last else LAST
    lists = wanted.lists if wanted else [reader]
    found: list[_Cursor] = []
    looked_at = 0
    while len(found) <= limit and looked_at < most and (rows := _active(store, lists, slot, limit + 1)):
        looked_at += len(rows)
        names = {name: row for row, name, _ in (_fitting(store, wanted, rows) if wanted else rows)}
        if unread:
            fitting = unread(list(names))
            names = {name: row for name, row in names.items() if name in fitting}
        at = _active_at(store, list(names))
        places = [_Cursor(-row, -at[name], name) for name, row in names.items() if name in at]
        found += [each for each in places if last is None or each > last]
        slot = rows[-1][0] - 1
    page = sorted(found)[:limit]
    shown = _seen(store, reader, [each.conversation_id for each in page])
    follows = page[-1] if len(found) > limit else _Cursor(-slot, -LAST, "") if rows else None
    return Listed(shown, {each.conversation_id: -each.at for each in page}, _encoded(follows) if follows else None)


def _active(store: MessageStore, lists: Sequence[str], up_to: int, limit: int) -> list[tuple[int, str, str]]:
    """(slot, conversation, list), newest slot first, from slot `up_to` down: whole slots, until there are `limit`."""
    pages = [store.active(each, up_to, limit) for each in lists]
    # A list that gave a full page was read down to its last slot only.
    lowest = max((page[-1][0] for page in pages if len(page) >= limit), default=0)
    rows = [(*row, name) for name, page in zip(lists, pages, strict=True) for row in page if row[0] >= lowest]
    return sorted(rows, key=lambda row: (-row[0], row[1]))


def _fitting(store: MessageStore, wanted: Wanted, rows: Sequence[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Those that are as wanted now: a list may hold one that has just left it."""
    handled = store.handlings([name for _, name, _ in rows])
    return [row for row in rows if wanted.fits(handled[row[1]]) and row[2] in handled[row[1]].lists]


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
