"""To whom a broadcast goes: contacts with a tag, or those at the addresses of a list; and where each of them is told."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from chat4all.model.broadcasts import ACCEPTED, SKIPPED, Broadcast, Result
from chat4all.model.contacts import REVOKED
from chat4all.model.conversations import Identity
from chat4all.ports import MessageStore
from chat4all.services.contacts.contact_book import Contact, ContactBook
from chat4all.services.directory import People


class Turn(Struct, frozen=True):
    """Somebody's turn. `result`: who and where they are, and of a turn that was put off, when it was to come.

    `why`: why they are not told at all; empty: they may be.
    """

    result: Result
    why: str = ""
    time_zone: str = ""

    @property
    def turn(self) -> str:
        """As of `Result`."""
        return self.result.turn


class Audience:
    """Reads audiences, page by page. Thread-safe."""

    def __init__(self, store: MessageStore, people: People) -> None:
        self._store, self._people = store, people
        self._contacts = ContactBook(store)

    def page(self, broadcast: Broadcast, limit: int) -> list[str]:
        """The next of the audience, as `Result.turn` names them. Fewer than `limit`: nobody comes after them."""
        if broadcast.tag:
            return self._store.contact_page(broadcast.tag, broadcast.after, limit)
        return self._store.audience(broadcast.broadcast_id, limit, broadcast.after)

    def turns(self, broadcast: Broadcast, fresh: Sequence[str], due: Mapping[str, int]) -> list[Turn]:
        """The turns of those who are new, and of those whose turn was put off to a time that has come."""
        wanted = dict.fromkeys(fresh, 0) | dict(due)
        return self._tagged(broadcast, wanted) if broadcast.tag else self._listed(broadcast, wanted)

    def _tagged(self, broadcast: Broadcast, wanted: Mapping[str, int]) -> list[Turn]:
        found = self._contacts.named(list(wanted))
        turns = []
        for user_id, due_at in wanted.items():
            result = Result(user_id, SKIPPED, due_at=due_at)
            contact = found.get(user_id)
            # Who is in the list several times, merged as they are, has one turn.
            if contact and contact.family.stands_for_all(user_id, broadcast.tag):
                turns.append(_of_contact(broadcast, contact, result))
            elif due_at:
                turns.append(Turn(result, "left_audience"))
        return turns

    def _listed(self, broadcast: Broadcast, wanted: Mapping[str, int]) -> list[Turn]:
        owners = self._store.owners([(broadcast.channel, each) for each in wanted])
        known = {place[1]: each.user_id for place, each in owners.items()}
        contacts = self._contacts.named(list(dict.fromkeys(known.values())))
        reached = self._reached(broadcast, contacts.values())
        turns = []
        for address, due_at in wanted.items():
            place = f"{broadcast.channel}:{address}"
            result = Result(known.get(address, ""), SKIPPED, address=place, due_at=due_at, by_address=True)
            contact = contacts.get(result.contact_id)
            if contact is None:
                turns.append(Turn(result))
            elif reached.setdefault(contact.user.user_id, address) != address:
                turns.append(Turn(result, "same_person"))
            else:
                turns.append(_told_there(broadcast, contact, result))
        return turns

    def _reached(self, broadcast: Broadcast, contacts: Iterable[Contact]) -> dict[str, str]:
        """By contact, at which address of theirs it was said already: who is in a list with several is told once."""
        several = {each.user.user_id: places for each in contacts if len(places := _places(broadcast, each)) > 1}
        asked = [each.address for places in several.values() for each in places]
        kept = self._store.results_of(broadcast.broadcast_id, asked) if asked else {}
        said = {address for address, each in kept.items() if each.outcome == ACCEPTED}
        return {name: each.address for name, places in several.items() for each in places if each.address in said}


def _places(broadcast: Broadcast, contact: Contact) -> list[Identity]:
    return [each for each in contact.addresses if each.channel == broadcast.channel and each.verified]


def _of_contact(broadcast: Broadcast, contact: Contact, result: Result) -> Turn:
    """Told where they wrote last."""
    places = _places(broadcast, contact)
    if not places:
        return Turn(result, "no_address")
    newest: Identity = max(places, key=lambda each: each.last_wrote_at)
    named = Result(result.contact_id, SKIPPED, address=f"{newest.channel}:{newest.address}", due_at=result.due_at)
    return _told_there(broadcast, contact, named)


def _told_there(broadcast: Broadcast, contact: Contact, result: Result) -> Turn:
    why = "opted_out" if contact.profile.consent(broadcast.channel) == REVOKED else ""
    return Turn(result, why, contact.profile.time_zone)
