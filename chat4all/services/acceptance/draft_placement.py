"""Finds the conversation of each draft of a batch, and answers those that are stored already."""

from collections.abc import Iterable, Mapping, Sequence

from chat4all.model.callers import SEND, Caller
from chat4all.model.conversations import Membership, UserKind
from chat4all.model.ids import contact_id
from chat4all.ports import MessageStore
from chat4all.services.acceptance.draft_work import Work, still_open
from chat4all.services.contacts.families import alike
from chat4all.services.directory import Address, People

NOBODY = "there is no such user; writing to a contact first needs scope send"


class Placement:
    """Looks up what all drafts of a batch need in one call each. Thread-safe: it keeps nothing of a batch."""

    def __init__(self, store: MessageStore, people: People) -> None:
        self._store = store
        self._people = people

    def parse(self, works: Sequence[Work]) -> dict[str, Address]:
        """The addresses in the drafts' `to`, by how they were written."""
        places: dict[str, Address] = {}
        for work in still_open(works):
            for text in work.draft.to or ():
                if ":" in text and text not in places:
                    try:
                        places[text] = self._people.parse_address(text)
                    except ValueError as error:
                        work.refuse(422, "bad_address", str(error), "to")
        return places

    def owners(self, places: Iterable[Address]) -> dict[Address, str]:
        """Whose these addresses are, where they are anybody's."""
        wanted = list(dict.fromkeys(places))
        return {place: each.user_id for place, each in self._store.owners(wanted).items()} if wanted else {}

    def answer_known(self, works: Sequence[Work], places: Mapping[str, Address], owners: Mapping[Address, str]) -> None:
        """Answer what is stored already. A body that differs is told so later, to who may know that the id is taken."""
        asked = [(work, home) for work in works if work.draft.message_id for home in self._homes(work, places, owners)]
        kept = self._store.registered([(home, work.message_id) for work, home in asked]) if asked else {}
        for work, home in asked:
            first = kept.get((home, work.message_id))
            if first and first.digest == work.digest:
                work.conversation_id, work.is_same = home, True
            elif first and not work.is_stored:
                work.is_same = False
        for work in works:
            if work.draft.key:
                self._answer_keyed(work)

    def _homes(self, work: Work, places: Mapping[str, Address], owners: Mapping[Address, str]) -> list[str]:
        """The conversations that the draft may be for, as far as that can be said without founding anything.

        Of an address that of its owner, and that of the contact that was made for it: it may have changed hands since.
        """
        if work.conversation_id or not work.draft.to:
            return [work.conversation_id] if work.conversation_id else []
        place = places.get(work.draft.to[0])
        others = [owners.get(place, ""), contact_id(*place)] if place else [work.draft.to[0]]
        return list(dict.fromkeys(self._people.pair_id(work.sender, each, place) for each in others if each))

    def _answer_keyed(self, work: Work) -> None:
        """Its id is this client's alone, wherever it was said: so a key means one message, in one conversation."""
        for first in self._store.places_of(work.message_id):
            if first.digest == work.digest:
                work.conversation_id, work.is_same = first.conversation_id, True
            else:
                work.refuse_taken()

    def place(
        self, caller: Caller, works: Sequence[Work], places: Mapping[str, Address], owners: Mapping[Address, str]
    ) -> list[Membership]:
        """Find each draft's conversation; those that are still to be founded, by who goes on to send something there."""
        self._find_partners(works, places, owners)
        self._check_pairs(caller, still_open(works))
        wanted = {work.conversation_id for work in still_open(works)}
        known = self._store.memberships(list(wanted)) if wanted else {}
        missing = {}
        for work in still_open(works):
            if work.pair and work.conversation_id not in known and self._may_found(caller, work):
                missing[work.conversation_id] = work.pair
        proposed = self._people.proposed_pairs(missing)
        known.update({each.conversation.conversation_id: each for each in proposed})
        for work in still_open(works):
            self._find_members(work, known.get(work.conversation_id))
            self._enter(caller, work, known.get(work.conversation_id))
        return proposed

    def _find_partners(self, works: Sequence[Work], places: Mapping[str, Address], owners: Mapping[Address, str]) -> None:
        """Turn `to` into users, and without a conversation into that of the pair. A stranger becomes a contact."""
        wanted = (places.get(work.draft.to[0]) for work in works if work.draft.to and not work.conversation_id)
        strangers = {place: "" for place in wanted if place and place not in owners}
        owners = {**owners, **self._people.owners(strangers)} if strangers else owners
        pairs: dict[tuple[str, str], str] = {}
        for work in works:
            to = work.draft.to
            if to is None:
                continue
            users = [owners.get(places[text], "") if text in places else text for text in to]
            if work.conversation_id:
                work.limited = sorted(set(users))
                continue
            work.pair = pair = (work.sender, users[0])
            if pair not in pairs:
                pairs[pair] = self._people.pair_id(*pair, places.get(to[0]))
            work.conversation_id = pairs[pair]

    def _check_pairs(self, caller: Caller, works: Sequence[Work]) -> None:
        pairs = [work for work in works if work.pair]
        users = self._people.users(each for work in pairs for each in work.pair or ())
        for work in pairs:
            sender, other = work.pair or ("", "")
            if sender == other:
                work.refuse(422, "invalid", "a message to oneself has no conversation", "to")
            elif sender not in users:
                work.refuse(422, "unknown_user", "there is no such user", "from")
            elif other not in users:
                work.refuse(422, "unknown_user", NOBODY, "to")

    def _may_found(self, caller: Caller, work: Work) -> bool:
        """A contact is written to first by those who may know addresses only: its id follows from the address.

        For others there is no such user: else anybody could find out whether a number is a contact's.
        """
        other = self._people.users([work.pair[1]])[work.pair[1]] if work.pair else None
        if other and other.kind is UserKind.CONTACT and not caller.has(SEND):
            work.refuse(422, "unknown_user", NOBODY, "to")
            return False
        return True

    def _find_members(self, work: Work, membership: Membership | None) -> None:
        """Who is named, and no member, may be one with a contact who is."""
        others = [each for each in work.limited or () if membership and not membership.has(each)]
        found = self._people.standing.families(others) if others else {}
        if membership and found:
            here = [next(filter(membership.has, alike(found, each)), each) for each in work.limited or ()]
            work.limited = sorted(set(here))

    def _enter(self, caller: Caller, work: Work, membership: Membership | None) -> None:
        if work.refused:
            return
        if membership is None or not caller.may_see(membership):
            work.refuse(404, "unknown_conversation", "there is no such conversation", "conversation_id")
        elif not membership.has(work.sender) and not (work.draft.is_internal and work.sender == caller.user_id):
            work.refuse(403, "not_a_member", "the sender is no member of this conversation", "from")
        elif work.limited is not None and not set(work.limited) <= set(membership.now()):
            work.refuse(422, "not_a_member", "somebody in to is no member of this conversation", "to")
        work.membership = membership
