"""Decides to which conversation an inbound message belongs.

A conversation takes a message only from a member: from the user who has the address now. So nobody gets what was meant for
another user, whatever was linked, sent or replied to before an address changed its owner.
"""

from collections.abc import Collection, Mapping, Sequence

from chat4all.model.conversations import Identity, Membership
from chat4all.model.ids import contact_conversation_id, private_conversation_id
from chat4all.model.merges import Family
from chat4all.ports import Arrived, MessageStore, Spoken
from chat4all.services.acceptance.frozen_messages import addresses_of
from chat4all.services.contacts.families import alike
from chat4all.services.directory import People
from chat4all.services.inbound.in_flight import under_way
from chat4all.services.inbound.inbound_message import Arrival

NOTHING = ("", "", "")


class ConversationMatch:
    """Finds and founds conversations for arrivals, many at once."""

    def __init__(self, store: MessageStore, people: People, partitions: int) -> None:
        self._store = store
        self._people = people
        self._partitions = partitions

    def place(self, arrivals: Sequence[Arrival]) -> list[Membership]:
        """Give each arrival its conversation; those that had to be founded.

        Most people go on where they were last. Only for those who do not it is asked what else they might mean.
        """
        families = self._people.standing.families({arrival.owner for arrival in arrivals})
        named = self._named(arrivals, families)
        known = self._memberships({each for ids in named for each in ids})
        lost = []
        for arrival, ids in zip(arrivals, named, strict=True):
            taken = _taken(arrival, ids, known, families)
            if taken:
                arrival.membership = taken
            else:
                lost.append((arrival, not ids))
        return self._place_lost(lost, known, families) if lost else []

    def _named(self, arrivals: Sequence[Arrival], families: Mapping[str, Family]) -> list[list[str]]:
        """For each arrival the conversations that it, a link or the last message names, best first."""
        replied = self._replied_to(arrivals, families)
        places = list({place for arrival in arrivals for place in arrival.inbound.places})
        linked = self._store.links(places)
        last = {place: Spoken.parse(text) for place, text in self._store.last_conversations(places).items()}
        for arrival in arrivals:
            arrival.spoken = next((last[place] for place in arrival.inbound.places if place in last), None)
        return [
            [
                *([replied[arrival.message_id]] if arrival.message_id in replied else []),
                *(linked[place] for place in arrival.inbound.places if place in linked),
                *(last[place].conversation_id for place in arrival.inbound.places if place in last),
            ]
            for arrival in arrivals
        ]

    def _place_lost(
        self, lost: Sequence[tuple[Arrival, bool]], known: dict[str, Membership], families: Mapping[str, Family]
    ) -> list[Membership]:
        """Those whom nothing led anywhere. True: nothing was named; then a message under way to them may say it."""
        owned = addresses_of(self._store, {arrival.owner for arrival, _ in lost}, families)
        unnamed = [arrival for arrival, is_unnamed in lost if is_unnamed]
        asked = {each: arrival.inbound.places for arrival in unnamed for each in alike(families, arrival.owner)}
        begun = under_way(self._store, self._partitions, asked)
        candidates = [self._homes(arrival, begun, owned[arrival.owner], alike(families, arrival.owner)) for arrival, _ in lost]
        known.update(self._memberships({each for ids in candidates for each in ids} - known.keys()))
        pairs: dict[str, tuple[str, str]] = {}
        chosen: list[tuple[Arrival, str]] = []
        for (arrival, _), ids in zip(lost, candidates, strict=True):
            taken = _taken(arrival, ids, known, families)
            home, spare = ids[-2:]
            found = taken.conversation.conversation_id if taken else spare if home in known else home
            if found not in known:
                pairs[found] = (self._people.inbox(arrival.inbound.channel), arrival.owner)
            chosen.append((arrival, found))
        founded = self._people.found_pairs(pairs) if pairs else {}
        known.update(founded)
        for arrival, conversation_id in chosen:
            arrival.membership = known[conversation_id]
        return list(founded.values())

    def _homes(self, arrival: Arrival, begun: Mapping[str, str], owned: Sequence[Identity], same: Sequence[str]) -> list[str]:
        """A contact's own conversations, best first. The last is free for whoever owns the address now.

        `same`: all who are this person, whose addresses are `owned`.
        """
        inbound = arrival.inbound
        there = [each for each in owned if each.channel == inbound.channel and each.address != inbound.address]
        others = [each.address for each in there if each.user_id == arrival.owner]
        of_same = [each.address for each in there if each.user_id != arrival.owner]
        spare = private_conversation_id(self._people.inbox(inbound.channel), arrival.owner)
        home, *theirs = (
            contact_conversation_id(inbound.channel, inbound.account, each) for each in (inbound.address, *of_same)
        )
        own = (contact_conversation_id(inbound.channel, inbound.account, each) for each in others)
        # What they have themselves comes first, so that each address stays where it was; else where the same person is.
        mine = [*own, home, *((spare, *theirs) if theirs else ())]
        return [*(begun[each] for each in same if each in begun), *mine, *((home,) if theirs else ()), spare]

    def _memberships(self, ids: Collection[str]) -> dict[str, Membership]:
        return dict(self._store.memberships(list(ids))) if ids else {}

    def _replied_to(self, arrivals: Sequence[Arrival], families: Mapping[str, Family]) -> dict[str, str]:
        """By message_id, the conversation of the message that it answers or is about.

        Only if that one went to this very person's address, or came from this person.
        """
        asked = {arrival.message_id: name for arrival in arrivals if (name := _named_by(arrival))}
        keys = self._store.handles(list(set(asked.values()))) if asked else {}
        rows = self._store.deliveries(list(keys.values())) if keys else {}
        own = set(asked.values()) - keys.keys()
        arrived = self._store.arrived(list(own)) if own else {}
        replied = {}
        for arrival in arrivals:
            name = asked.get(arrival.message_id, NOTHING)
            row, before = rows.get(keys[name]) if name in keys else None, arrived.get(name)
            if row and (row.key.lane.channel, row.address) in arrival.inbound.places:
                replied[arrival.message_id] = row.conversation_id
            elif before and before.sender in alike(families, arrival.owner):
                replied[arrival.message_id] = before.conversation_id
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


def _named_by(arrival: Arrival) -> tuple[str, str, str] | None:
    """What a provider calls the message that this one answers, or is about; None: it names none."""
    inbound = arrival.inbound
    name = inbound.reply_to or inbound.about
    return (inbound.channel, inbound.account, name) if name else None


def _taken(
    arrival: Arrival, ids: Sequence[str], known: Mapping[str, Membership], families: Mapping[str, Family]
) -> Membership | None:
    """The first of these that takes the message: its writer is a member there, or one with a member, and writes as that one."""
    same = alike(families, arrival.owner)
    for each in ids:
        writer = next(filter(known[each].has, same), "") if each in known else ""
        if writer:
            arrival.owner = writer
            return known[each]
    return None
