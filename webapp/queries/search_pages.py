"""Pages of what search finds. The index says where; what is there now, and whether the caller may read it, the store says."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.content import Content
from chat4all.model.conversations import Identity, User
from chat4all.model.merges import Family
from chat4all.model.messages import Message
from chat4all.model.modifiers import as_it_is_now, readable
from chat4all.model.search_terms import Snippet, Term, has, is_called, people_terms, searched, snippet
from chat4all.ports import Hit, MessageStore, Search, SearchIndex
from chat4all.services.acceptance.frozen_messages import addresses_of
from chat4all.services.contacts.families import families
from chat4all.services.directory import Address, described
from chat4all.services.modified import modifications_of
from webapp.queries.history_pages import shown
from webapp.requests.problems import Problem

# Places that are looked up at once: most of them are shown.
AT_ONCE = 50
# A list has come to its end.
OVER = -1


class Cursor(Struct, frozen=True, array_like=True):
    """Where both lists go on: 0 at the beginning."""

    messages: int = 0
    contacts: int = 0

    @classmethod
    def parse(cls, after: str) -> "Cursor":
        """That of a `next`. Problem 422 for anything else."""
        if not after:
            return cls()
        try:
            return msgspec.json.decode(urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=cls)
        except (ValueError, msgspec.MsgspecError):
            raise Problem(422, "invalid", "the `next` of a page of this search", "after") from None

    @property
    def next(self) -> str | None:
        """What asks for the page after it; None: there is none."""
        if self.messages == OVER and self.contacts == OVER:
            return None
        return urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()


class Said(Struct, frozen=True):
    """A message that was found, as it is now, and where its words are."""

    message: Message
    payload: Content
    snippet: Snippet


class SaidPage(Struct, frozen=True):
    """Newest first. `next`: the index's cursor to go on after. `is_cut`: the time was over."""

    found: list[Said]
    next: int = OVER
    is_cut: bool = False


def messages_with(
    store: MessageStore, index: SearchIndex, caller: Caller, search: Search, limit: int, limit_s: float
) -> SaidPage:
    """The next messages with these words that the caller may read."""
    until = monotonic() + limit_s
    found: list[tuple[int, Said]] = []
    while (left := until - monotonic()) > 0:
        hits = index.find(search, AT_ONCE, left)
        found += _read(store, caller, search.terms, hits.found)
        if len(found) > limit:
            return SaidPage([each for _, each in found[:limit]], found[limit - 1][0])
        if len(hits.found) < AT_ONCE and not hits.is_cut:
            return SaidPage([each for _, each in found])
        if hits.found:
            search = replace(search, before=hits.found[-1].cursor)
    return SaidPage([each for _, each in found], search.before or OVER, is_cut=True)


def _read(store: MessageStore, caller: Caller, terms: Sequence[Term], hits: Sequence[Hit]) -> list[tuple[int, Said]]:
    """What is at these places, with the cursor of each: if it still has the words, and the caller may read it."""
    kept = store.messages([(each.conversation_id, each.seq) for each in hits]) if hits else {}
    there = store.memberships(sorted({place[0] for place in kept}), caller.user_id) if kept else {}
    mine = {
        place: message
        for place, message in kept.items()
        if message.conversation_id in there and shown(message, there[message.conversation_id], caller)
    }
    known = modifications_of(store, list(mine.values())) if mine else {}
    found = []
    for hit in hits:
        place = (hit.conversation_id, hit.seq)
        message = mine.get(place)
        if message is None:
            continue
        since = known.get(place, ())
        since = since if caller.sees_all else readable(since, there[hit.conversation_id], caller.user_id)
        payload = as_it_is_now(message, since).payload
        if payload is not None and has(text := searched(payload), terms):
            found.append((hit.cursor, Said(message, payload, snippet(text, terms))))
    return found


class Contacts(Struct, frozen=True):
    """Users that were found, by when they were first seen; and the index's cursor to go on after."""

    users: list[User]
    identities: Mapping[str, Sequence[Identity]]
    next: int = OVER


def contacts_called(
    store: MessageStore, index: SearchIndex, asked: str, parse: Callable[[str], Address], after: int, limit: int
) -> Contacts:
    """The next users that are called so, or have such an address. First whoever has exactly this id or address."""
    terms = people_terms(asked)
    rows = index.find_people(terms, after, limit + 1)
    exact = _exactly(store, asked, parse) if not after else []
    names = list(dict.fromkeys([*exact, *(user_id for _, user_id in rows[:limit])]))
    found = families(store, names)
    same = {found[each].root: found[each] for each in names}
    users = store.users([each for family in same.values() for each in family.members])
    owned = addresses_of(store, list(same), same)
    wanted = {found[each].root for each in exact}

    def is_meant(root: str, family: Family) -> bool:
        known = [users[each] for each in family.members if each in users]
        return root in users and (root in wanted or is_called(*described(known, owned[root]), terms))

    return Contacts(
        [family.called(users) for root, family in same.items() if is_meant(root, family)],
        owned,
        rows[limit - 1][0] if len(rows) > limit else OVER,
    )


def _exactly(store: MessageStore, asked: str, parse: Callable[[str], Address]) -> list[str]:
    try:
        place = parse(asked)
    except ValueError:
        return list(store.users([asked]))
    owner = store.owners([place]).get(place)
    return [owner.user_id] if owner else []
