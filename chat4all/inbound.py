"""What providers bring: inbound messages find their conversation, receipts take the road from its start.

A conversation takes an inbound message only from a member: whoever owns the address now. So nobody captures what was
meant for another, whatever was linked, sent or replied to before an address changed its owner.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all import editing, metrics, tracing
from chat4all.accepting import Acceptor
from chat4all.announcing import conversation_record
from chat4all.attaching import announced, brought
from chat4all.conversations import Identity, Membership, User
from chat4all.deliveries import DeliveryKey
from chat4all.failures import Permanent
from chat4all.files import StoredFile
from chat4all.messages import (
    File,
    Message,
    Payload,
    Recipient,
    Text,
    body_digest,
    contact_conversation_id,
    first_message_id,
    private_conversation_id,
    provider_message_id,
)
from chat4all.moving import follow
from chat4all.people import Address, now_ms
from chat4all.ports import Arrived, Channel, Inbound, MessageStore, Moved, Update
from chat4all.recipients import freeze, speaker
from chat4all.records import INCOMING, NewRecord, ProviderReceipt, incoming_record, is_too_large, status_record
from chat4all.renditions import rendered
from chat4all.under_way import sent_by_us, under_way


class Brought(Struct, frozen=True):
    """Counts of messages and receipts that are now durable. `files`: ids of those that a worker is to fetch."""

    messages: int
    receipts: int
    files: tuple[str, ...] = ()

    def joined(self, more: "Brought") -> "Brought":
        """Both together."""
        return Brought(self.messages + more.messages, self.receipts + more.receipts, self.files + more.files)


class _Arrival:
    """One inbound message on its way to its conversation."""

    __slots__ = ("edits", "file", "inbound", "is_old", "membership", "message_id", "owner", "repeat")

    def __init__(self, inbound: Inbound, owner: str) -> None:
        self.inbound = inbound
        self.owner = owner
        self.message_id = provider_message_id(inbound.channel, inbound.account, inbound.provider_id)
        self.membership: Membership
        self.file: StoredFile | None = None
        self.repeat = False
        self.is_old = False
        self.edits = ""

    @property
    def conversation_id(self) -> str:
        """Where it goes, as far as is known."""
        return self.membership.conversation.conversation_id

    @property
    def digest(self) -> str:
        """Of what the provider brought, never of what we made of it: else a repetition could look like another message."""
        given = self.inbound
        if self.is_old:
            return body_digest(given.channel, given.address, _payload(self))
        return body_digest("inbound", given.text, given.reply_to, given.mime_type, given.filename)

    def follow(self, first: Arrived) -> None:
        """Take the id that was decided first. Older code decided the conversation only, and had another recipe for ids."""
        given = self.inbound
        self.is_old = not first.message_id
        self.message_id = first.message_id or first_message_id(given.channel, given.account, given.provider_id)

    @property
    def places(self) -> list[Address]:
        """The person's addresses, the one written from first."""
        return _places(self.inbound)


class Arrivals:
    """Accepts updates of channels. One per process; every method may be called from many threads."""

    def __init__(self, store: MessageStore, acceptor: Acceptor) -> None:
        self._store = store
        self._acceptor = acceptor
        self._people = acceptor.people

    def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str] | None = None) -> Brought:
        """Make everything durable, in one call of the log unless an address moves between two messages.

        Temporary or Unknown: the provider must bring it again.
        """
        brought = Brought(0, 0)
        for some in _runs(updates):
            for each in (each for each in some if isinstance(each, Moved)):
                follow(self._store, each.channel, each.account, each.address, each.to)
            brought = brought.joined(self._accept(some, headers))
        return brought

    def _accept(self, updates: Sequence[Update], headers: Mapping[str, str] | None) -> Brought:
        updates = self._own_echoes(updates)
        inbound = [each for each in updates if isinstance(each, Inbound)]
        receipts = [each for each in updates if isinstance(each, ProviderReceipt)]
        carried = dict(headers or {})
        records, messages = self._inbound_records(inbound) if inbound else ([], [])
        records += [status_record(each, self._acceptor.status_partitions, carried) for each in receipts]
        if records or messages:
            self._append(records, messages, carried)
        kinds = [(each.channel, "message") for each in inbound] + [(each.channel, "receipt") for each in receipts]
        for (channel, kind), number in Counter(kinds).items():
            metrics.PROVIDER_UPDATES.of(channel, kind).add(number)
        files = tuple(each.payload.file_id for each in messages if isinstance(each.payload, File))
        return Brought(len(messages), len(receipts), files)

    def _append(self, records: list[NewRecord], messages: Sequence[Message], headers: dict[str, str]) -> None:
        partitions = self._acceptor.partitions
        with tracing.sending(INCOMING, headers, [(each.message_id, each.conversation_id) for each in messages]) as sent:
            pairs = zip(messages, sent.headers, strict=True)
            records = records + [incoming_record(each, partitions, carried) for each, carried in pairs]
            if any(map(is_too_large, records)):
                raise Permanent("message_too_large")
            self._acceptor.append(records)

    def _inbound_records(self, inbound: Sequence[Inbound]) -> tuple[list[NewRecord], list[Message]]:
        """What must be known besides the messages, and the messages."""
        known = self._store.owners(_distinct(inbound)) if inbound else {}
        inbound = self._late(inbound, known)
        owners = self._owners(inbound, known)
        wrote = _by_time(each for each in inbound if not each.is_echo)
        self._people.rename({owners[each.channel, each.address]: each.sender_name for each in wrote})
        arrivals = [_Arrival(each, owners[each.channel, each.address]) for each in inbound]
        founded = self._place(arrivals)
        self._keep_to_first(arrivals)
        self._look_at_edits([each for each in arrivals if each.inbound.edits and not each.repeat])
        self._store.note_wrote({(each.channel, each.address): each.at for each in wrote})
        self._bring_files([each for each in arrivals if not each.repeat])
        messages = self._messages([each for each in arrivals if not each.repeat])
        return [conversation_record(each, self._acceptor.event_partitions) for each in founded], messages

    def _own_echoes(self, updates: Sequence[Update]) -> list[Update]:
        """The updates, with what we sent ourselves as the receipt that it is: providers tell it back to us too."""
        echoes = [each for each in updates if isinstance(each, Inbound) and each.is_echo]
        if not echoes:
            return list(updates)
        known = self._store.handles([(each.channel, each.account, each.provider_id) for each in echoes])
        owners = self._store.owners([(each.channel, each.address) for each in echoes])
        found: list[Update] = []
        for each in updates:
            if not (isinstance(each, Inbound) and each.is_echo):
                found.append(each)
            elif (each.channel, each.account, each.provider_id) not in known:
                owner = owners.get((each.channel, each.address))
                key = sent_by_us(self._store, self._acceptor.partitions, owner.user_id, each) if owner else None
                found.append(_receipt(each, key) if key else each)
        return found

    def _look_at_edits(self, edits: Sequence[_Arrival]) -> None:
        """Which message each edits. One that changes nothing is no news."""
        if not edits:
            return
        named = [(each.inbound.channel, each.inbound.account, each.inbound.edits) for each in edits]
        for each, original in zip(
            edits, editing.originals(self._store, edits, [provider_message_id(*name) for name in named]), strict=True
        ):
            each.edits = original
            if not editing.is_news(self._store, each, original):
                each.repeat = True
                metrics.PROVIDER_UPDATES.of(each.inbound.channel, "passed_over").add()

    def _late(self, inbound: Sequence[Inbound], known: dict[Address, Identity]) -> list[Inbound]:
        """What was written from an address before its owner left it is theirs, though it comes after the news."""
        free = [(each.channel, each.address) for each in inbound if not any(place in known for place in _places(each))]
        left = self._store.forwards(free) if free else {}
        if not left:
            return list(inbound)
        known.update(self._store.owners([(channel, to) for (channel, _), to in left.items()]))
        found = []
        for each in inbound:
            to = left.get((each.channel, each.address), "")
            now_there = known.get((each.channel, to))
            is_late = now_there is not None and each.at <= now_there.since
            found.append(replace(each, address=to) if is_late else each)
        return found

    def _owners(self, inbound: Sequence[Inbound], owned: Mapping[Address, Identity]) -> dict[Address, str]:
        """Whose each address is. A second address of a known person becomes theirs too; a stranger becomes a contact."""
        known = {place: each.user_id for place, each in owned.items()}
        new: dict[Address, str] = {}
        for each in inbound:
            if not any(place in known for place in _places(each)):
                new.setdefault((each.channel, each.address), each.sender_name)
        if new:
            known.update(self._people.owners(new))
        claims = {}
        for each in inbound:
            first, *others = _places(each)
            owner = known.get(first) or next(known[place] for place in others if place in known)
            if first not in known:
                claims[first] = Identity(*first, owner, now_ms())
            # Unverified, so that nothing is sent to one person twice.
            claims.update({other: Identity(*other, owner, now_ms(), verified=False) for other in others if other not in known})
        if claims:
            known.update(self._people.claim(list(claims.values())))
        return known

    def _place(self, arrivals: Sequence[_Arrival]) -> list[Membership]:
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

    def _candidates(self, arrivals: Sequence[_Arrival]) -> list[list[str]]:
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
        begun = under_way(self._store, self._acceptor.partitions, lost)
        return [self._ranked(arrival, replied, linked, last, begun, owned[arrival.owner]) for arrival in arrivals]

    def _ranked(
        self,
        arrival: _Arrival,
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

    def _replied_to(self, arrivals: Sequence[_Arrival]) -> dict[str, str]:
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

    def _keep_to_first(self, arrivals: Sequence[_Arrival]) -> None:
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

    def _bring_files(self, arrivals: Sequence[_Arrival]) -> None:
        """Register the files that come with messages. A worker fetches them; the message does not wait."""
        bringing = [each for each in arrivals if each.inbound.media]
        for each in bringing:
            each.file = brought(each.inbound, each.message_id, each.conversation_id, each.owner)
        if bringing:
            self._store.add_files([each.file for each in bringing if each.file])
            metrics.UPLOADS.of("provider", "begun").add(len(bringing))

    def _messages(self, arrivals: Sequence[_Arrival]) -> list[Message]:
        users = self._people.users(each for arrival in arrivals for each in arrival.membership.now())
        identities = self._store.identities(list(users)) if users else {}
        channels = self._people.channels
        now = now_ms()
        messages = []
        for arrival in arrivals:
            inbound, membership = arrival.inbound, arrival.membership
            payload = _payload(arrival)
            name = "" if inbound.is_echo else _speaker(arrival, users[arrival.owner])
            reached = () if inbound.is_echo else _recipients(membership, arrival.owner, users, identities, channels)
            recipients, renditions = rendered(payload, name, reached, channels)
            messages.append(
                Message(
                    message_id=arrival.message_id,
                    conversation_id=arrival.conversation_id,
                    sender=self._people.inbox(inbound.channel) if inbound.is_echo else arrival.owner,
                    payload=payload,
                    members_version=membership.version,
                    accepted_at=now,
                    recipients=recipients,
                    metadata=_metadata(arrival),
                    digest=arrival.digest,
                    sender_name=name,
                    renditions=renditions,
                )
            )
        return messages


def _recipients(
    membership: Membership,
    owner: str,
    users: Mapping[str, User],
    identities: Mapping[str, Sequence[Identity]],
    channels: Mapping[str, Channel],
) -> tuple[Recipient, ...]:
    """Everybody else whom it reaches outside."""
    others = [each for each in membership.now() if each != owner]
    return tuple(recipient for each in others for recipient in freeze(users[each], identities[each], None, channels))


def _metadata(arrival: _Arrival) -> dict[str, Any]:
    """app: who wrote it, where it was the account itself, in the provider's app. edits: the message that it replaces."""
    app = {"app": "provider"} if arrival.inbound.is_echo else {}
    return {"channel": arrival.inbound.channel, **app, **({"edits": arrival.edits} if arrival.edits else {})}


def _speaker(arrival: _Arrival, user: User) -> str:
    """Who of those that share the address wrote; else as in every group."""
    return arrival.inbound.speaker or speaker(arrival.membership, user, arrival.inbound.sender_name)


def _receipt(echo: Inbound, key: DeliveryKey) -> ProviderReceipt:
    """An echo of ours proves that the provider took it, and says under which id."""
    return ProviderReceipt(echo.channel, echo.account, echo.provider_id, "sent", echo.at, reference=str(key))


def _runs(updates: Sequence[Update]) -> list[list[Update]]:
    """The updates, cut before each address that moves."""
    runs: list[list[Update]] = [[]]
    for each in updates:
        if isinstance(each, Moved):
            runs.append([])
        runs[-1].append(each)
    return runs


def _payload(arrival: _Arrival) -> Payload:
    if arrival.file:
        return announced(arrival.file, arrival.inbound.text)
    return Text(arrival.inbound.text or "(empty message)")


def _by_time(inbound: Iterable[Inbound]) -> list[Inbound]:
    return sorted(inbound, key=lambda each: each.at)


def _places(inbound: Inbound) -> list[Address]:
    both = (inbound.address, inbound.also_known_as)
    return [(inbound.channel, each) for each in dict.fromkeys(both) if each]


def _distinct(inbound: Iterable[Inbound]) -> list[Address]:
    return list({place for each in inbound for place in _places(each)})
