"""Decides to which conversation an inbound message belongs.

A conversation takes a message only from a member: from the user who has the address now. So nobody gets what was meant for
another user, whatever was linked, sent or replied to before an address changed its owner.
"""

from collections.abc import Mapping, Sequence

from chat4all.model.conversations import Identity, Membership
from chat4all.model.ids import contact_conversation_id, private_conversation_id
from chat4all.ports import Arrived, MessageStore
from chat4all.services.directory import Address, People
from chat4all.services.inbound.in_flight import under_way
from chat4all.services.inbound.inbound_message import Arrival


class Places:
    """Finds and founds conversations for arrivals, many at once."""

    def __init__(self, store: MessageStore, people: People, partitions: int) -> None:
        self._store = store
        self._people = people
        self._partitions = partitions

    def place(self, arrivals: Sequence[Arrival]) -> list[Membership]:
        """Give each arrival its conversation; those that had to be founded."""
        candidates = self._candidates(arrivals)
        known = self._store.memberships(list({each for ids in candidates for each in ids}))
        pairs: dict[str, tuple[str, str]] = {}
        chosen: list[str] = []
        for arrival, ids in zip(arrivals, candidates, strict=True):
            taken = [each for each in ids if each in known and known[each].has(arrival.owner)]
            home, spare = ids[-2:]
            found = taken[0] if taken else spare if home in known else home
            if found not in known:
                pairs[found] = (self._people.inbox(arrival.inbound.channel), arrival.owner)
            chosen.append(found)
        founded = self._people.found_pairs(pairs) if pairs else {}
        known.update(founded)
        for arrival, conversation_id in zip(arrivals, chosen, strict=True):
            arrival.membership = known[conversation_id]
        return list(founded.values())

    def _candidates(self, arrivals: Sequence[Arrival]) -> list[list[str]]:
        """For each arrival its possible conversations, best first. The last is free for whoever owns the address now."""
        replied = self._replied_to(arrivals)
        places = list({place for arrival in arrivals for place in arrival.places})
        linked, last = self._store.links(places), self._store.last_conversations(places)
        owned = self._store.identities(list({arrival.owner for arrival in arrivals}))
        lost = {
            arrival.owner: arrival.places
            for arrival in arrivals
            if arrival.message_id not in replied and not any(place in linked or place in last for place in arrival.places)
        }
        begun = under_way(self._store, self._partitions, lost)
        return [self._ranked(arrival, replied, linked, last, begun, owned[arrival.owner]) for arrival in arrivals]

    def _ranked(
        self,
        arrival: Arrival,
        replied: Mapping[str, str],
        linked: Mapping[Address, str],
        last: Mapping[Address, str],
        begun: Mapping[str, str],
        owned: Sequence[Identity],
    ) -> list[str]:
        inbound = arrival.inbound
        others = [each.address for each in owned if each.channel == inbound.channel and each.address != inbound.address]
        return [
            *([replied[arrival.message_id]] if arrival.message_id in replied else []),
            *(linked[place] for place in arrival.places if place in linked),
            *(last[place] for place in arrival.places if place in last),
            *([begun[arrival.owner]] if arrival.owner in begun else []),
            *(contact_conversation_id(inbound.channel, inbound.account, each) for each in [*others, inbound.address]),
            private_conversation_id(self._people.inbox(inbound.channel), arrival.owner),
        ]

    def _replied_to(self, arrivals: Sequence[Arrival]) -> dict[str, str]:
        """By message_id, the conversation of the message replied to: only if that one went to this very person's address."""
        asked = {
            arrival.message_id: (arrival.inbound.channel, arrival.inbound.account, arrival.inbound.reply_to)
            for arrival in arrivals
            if arrival.inbound.reply_to
        }
        keys = self._store.handles(list(set(asked.values()))) if asked else {}
        rows = self._store.deliveries(list(keys.values())) if keys else {}
        replied = {}
        for arrival in arrivals:
            key = keys.get(asked.get(arrival.message_id, ("", "", "")))
            row = rows.get(key) if key else None
            if row and (row.key.lane.channel, row.address) in arrival.places:
                replied[arrival.message_id] = row.conversation_id
        return replied

    def keep_to_first(self, arrivals: Sequence[Arrival]) -> None:
        """What was brought before is the same message, from the same person, in the same conversation.

        Two webhooks may name one person by two addresses that nobody knows to be one's; an address may have a new owner
        since, who must not get there.
        """
        ours = [Arrived(each.conversation_id, each.message_id, each.owner) for each in arrivals]
        wanted = [
            (each.inbound.channel, each.inbound.account, each.inbound.provider_id, mine)
            for each, mine in zip(arrivals, ours, strict=True)
        ]
        kept = self._store.register_inbound(wanted)
        moved = []
        for arrival, first, mine in zip(arrivals, kept, ours, strict=True):
            arrival.follow(first)
            if (first.conversation_id, first.sender or arrival.owner) != (mine.conversation_id, mine.sender):
                moved.append((arrival, first))
        if not moved:
            return
        known = self._store.memberships(list({first.conversation_id for _, first in moved}))
        stored = self._store.registered([(first.conversation_id, arrival.message_id) for arrival, first in moved])
        for arrival, first in moved:
            sender, home = first.sender or arrival.owner, known.get(first.conversation_id)
            if (first.conversation_id, arrival.message_id) in stored and sender != arrival.owner:
                arrival.repeat = True
            elif home and home.has(sender):
                arrival.membership, arrival.owner = home, sender
            else:
                arrival.repeat = (first.conversation_id, arrival.message_id) in stored
