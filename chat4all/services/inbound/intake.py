"""Appends what providers send: inbound messages to their conversations, receipts to chat-status."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import ChatChange, Edit, files_of
from chat4all.model.conversations import Identity, User
from chat4all.model.display_names import cleaned
from chat4all.model.events import Event, encode
from chat4all.model.failures import Permanent
from chat4all.model.ids import provider_message_id
from chat4all.model.messages import Message
from chat4all.model.records import INCOMING, NewRecord, ProviderReceipt, incoming_record, is_too_large, status_record
from chat4all.model.workspaces import BETWEEN
from chat4all.ports import Deferred, Inbound, MessageStore, Moved, Named, Update
from chat4all.ports.templates import TemplateChange
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.acceptance.attachments import fetched_file
from chat4all.services.acceptance.conversation_events import conversation_record
from chat4all.services.acceptance.frozen_messages import Proposal, frozen
from chat4all.services.acceptance.recipients import speaker
from chat4all.services.accounts.live import accounts_of
from chat4all.services.contacts.consents import consented
from chat4all.services.contacts.contact_events import ContactNews, renamed
from chat4all.services.contacts.standing import reached
from chat4all.services.directory import Address
from chat4all.services.inbound import edits
from chat4all.services.inbound.address_changes import follow
from chat4all.services.inbound.conversation_match import ConversationMatch
from chat4all.services.inbound.deferral import Deferral
from chat4all.services.inbound.inbound_message import Arrival, origin_of, payload_of
from chat4all.services.inbound.learned_names import LearnedNames
from chat4all.services.inbound.opt_outs import opt_out
from chat4all.services.inbound.pointers import pointed
from chat4all.services.inbound.typed_answers import answers
from chat4all.services.inbound.whereabouts import located
from chat4all.services.templates import apply_changes, publish
from chat4all.services.windows import opened_windows
from chat4all.telemetry import metrics, tracing


class Counts(Struct, frozen=True):
    """Counts of messages and receipts that are now durable. `files`: ids of those that a worker is to fetch.

    `deferred`: how many are durable, and wait before they are messages.
    """

    messages: int
    receipts: int
    files: tuple[str, ...] = ()
    deferred: int = 0

    def joined(self, more: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.messages + more.messages, self.receipts + more.receipts, self.files + more.files, self.deferred + more.deferred
        )


class Arrivals:
    """Accepts updates of channels. One per process; every method may be called from many threads."""

    def __init__(self, store: MessageStore, acceptor: Acceptor) -> None:
        self._store = store
        self._acceptor = self.acceptor = acceptor
        self._people = acceptor.people
        self._places = ConversationMatch(store, acceptor.people, acceptor.partitions)
        self._names = LearnedNames(store)
        self._deferral = Deferral(store, acceptor.partitions)
        self._news = ContactNews(store, acceptor.event_partitions)

    def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str] | None = None) -> Counts:
        """Make everything durable, in one call of the log unless an address moves between two messages.

        Temporary or Unknown: the provider must bring it again.
        """
        counts = Counts(0, 0)
        for some in _runs(updates):
            named = [each for each in some if isinstance(each, Named)]
            self._tell(*self._people.introduce({each.places[0]: each.name for each in named if each.name}))
            self._names.learn(named)
            self._tell(consented(self._store, some))
            reached(self._store, some)
            for each in (each for each in some if isinstance(each, Moved)):
                follow(self._store, each.channel, each.account, each.address, each.to)
            counts = counts.joined(self._accept(some, headers))
        self._hear_of_templates([each for each in updates if isinstance(each, TemplateChange)])
        return counts

    def _tell(self, changed: Sequence[str], made: Sequence[User] = ()) -> None:
        """Readers hear what became of these contacts. Temporary or Unknown: it is told when that is brought again."""
        events = self._news.of(changed, made)
        if events:
            self._acceptor.append([encode(each) for each in events])
            self._news.settle(events)
            self._people.told_of(each.user_id for each in made)

    def _hear_of_templates(self, changes: Sequence[TemplateChange]) -> None:
        """What became of templates. Told before it counts as heard: the provider brings it again when nobody could be told."""
        changed = apply_changes(self._store, self._people.channels, changes) if changes else []
        publish(self._acceptor.append, self._acceptor.event_partitions, changed)
        for each in changes:
            metrics.PROVIDER_UPDATES.of(each.channel, "template").add()

    def _accept(self, updates: Sequence[Update], headers: Mapping[str, str] | None) -> Counts:
        sorted_ = self._deferral.sort(updates, now_ms())
        if sorted_.waiting:
            self._store.defer(sorted_.waiting)
            for each in sorted_.waiting:
                metrics.DEFERRED.of(each.update.channel, each.why).add()
        counts = self._append_all(sorted_.updates, headers)
        return replace(counts, deferred=len(sorted_.waiting))

    def look_again(self, waiting: Sequence[Deferred], now: int, done_ms: int) -> None:
        """Accept those of these whose time has come. `done_ms`: all that was appended before then has been stored (ms UTC).

        Temporary or Unknown: look at them once more. What was accepted then is the same message.
        """
        looked = self._deferral.look(waiting, now, done_ms)
        if looked.updates:
            self._append_all(looked.updates, None)
        if looked.again:
            self._store.defer(looked.again)
        self._store.forget_deferred(waiting)
        for labels in looked.outcomes:
            metrics.DEFERRED_ENDED.of(*labels).add()

    def _append_all(self, updates: Sequence[Update], headers: Mapping[str, str] | None) -> Counts:
        placed = located(self._store, [each for each in updates if isinstance(each, Inbound)])
        inbound = [each for each in placed if each.address]
        receipts = [_of_own(each) for each in updates if isinstance(each, ProviderReceipt)]
        carried = dict(headers or {})
        records, messages, news = self._inbound_records(inbound) if inbound else ([], [], [])
        records += [status_record(each, self._acceptor.status_partitions, carried) for each in receipts]
        if records or messages:
            self._append(records, messages, carried)
        self._news.settle(news)
        self._people.told_of(each.subject for each in news)
        for each in (each for each in placed if not each.address):
            metrics.PROVIDER_UPDATES.of(each.channel, "passed_over").add()
        kinds = [(each.channel, "message") for each in inbound] + [(each.channel, "receipt") for each in receipts]
        for (channel, kind), number in Counter(kinds).items():
            metrics.PROVIDER_UPDATES.of(channel, kind).add(number)
        files = tuple(file.file_id for each in messages for file in files_of(each.payload))
        return Counts(len(messages), len(receipts), files)

    def _append(self, records: list[NewRecord], messages: Sequence[Message], headers: dict[str, str]) -> None:
        partitions = self._acceptor.partitions
        with tracing.sending(INCOMING, headers, [(each.message_id, each.conversation_id) for each in messages]) as sent:
            pairs = zip(messages, sent.headers, strict=True)
            records = records + [incoming_record(each, partitions, carried) for each, carried in pairs]
            if any(map(is_too_large, records)):
                raise Permanent("message_too_large")
            self._acceptor.append(records)

    def _inbound_records(self, inbound: Sequence[Inbound]) -> tuple[list[NewRecord], list[Message], list[Event]]:
        """What must be known besides the messages, the messages, and what of the former is news of contacts."""
        known = self._store.owners(_distinct(inbound)) if inbound else {}
        inbound = self._late(inbound, known)
        owners = self._owners(inbound, known)
        inbound = self._by_both_names(inbound, known)
        wrote = _by_time(each for each in inbound if not (each.is_echo or each.is_history))
        changed = renamed(
            self._store, self._people.rename({owners[each.channel, each.address]: each.sender_name for each in wrote})
        )
        arrivals = [Arrival(each, owners[each.channel, each.address]) for each in inbound]
        changed += opt_out(self._store, arrivals)
        arrivals = self._without_blocked(arrivals)
        founded = self._places.place(arrivals)
        self._places.keep_to_first(arrivals)
        self._look_at_edits([each for each in arrivals if each.inbound.edits and not each.repeat])
        self._point([each for each in arrivals if not each.repeat])
        # That somebody came or went is no answer to anybody, and opens no window.
        wrote = [each for each in wrote if not isinstance(each.content, ChatChange)]
        self._store.note_wrote({(each.channel, each.address): each.at for each in wrote}, opened_windows(wrote, now_ms()))
        self._bring_files([each for each in arrivals if not each.repeat])
        raw = {(each.conversation_id, each.message_id): each.inbound.raw for each in arrivals if each.inbound.raw}
        if raw:
            self._store.put_raw(raw)
        messages = self._messages([each for each in arrivals if not each.repeat])
        news = self._news.of(changed, self._people.newcomers(owners.values()))
        records = [conversation_record(each, self._acceptor.event_partitions) for each in founded]
        return [*map(encode, news), *records], messages, news

    def _without_blocked(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Those whom the team does not block: what others write is not kept, and nobody is told of it."""
        standing = self._people.standing.of({each.owner for each in arrivals})
        blocked = {each for each, profile in standing.items() if profile.blocked_at}
        if not blocked:
            return arrivals
        dropped = [each for each in arrivals if each.owner in blocked and not each.inbound.is_echo]
        for channel, number in Counter(each.inbound.channel for each in dropped).items():
            metrics.PROVIDER_UPDATES.of(channel, "blocked").add(number)
        return [each for each in arrivals if each not in dropped]

    def _look_at_edits(self, changed: Sequence[Arrival]) -> None:
        """Which message each edits. One that changes nothing is no news."""
        if not changed:
            return
        named = [(each.inbound.channel, each.inbound.account, each.inbound.edits) for each in changed]
        for each, original in zip(
            changed, edits.originals(self._store, changed, [provider_message_id(*name) for name in named]), strict=True
        ):
            each.edits = original
            if not edits.is_news(self._store, each, original, self._people.clock()):
                each.repeat = True
                metrics.PROVIDER_UPDATES.of(each.inbound.channel, "passed_over").add()

    def _point(self, arrivals: Sequence[Arrival]) -> None:
        """What each points at, and which answers are written in words."""
        found = pointed(self._store, [(each.inbound, each.conversation_id) for each in arrivals])
        for arrival, points in zip(arrivals, found, strict=True):
            arrival.pointed = points
        chosen = answers(self._store, self._acceptor.partitions, arrivals)
        for arrival in arrivals:
            arrival.answer = chosen.get(arrival.message_id)

    def _late(self, inbound: Sequence[Inbound], known: dict[Address, Identity]) -> list[Inbound]:
        """What was written from an address before its owner left it is theirs, though it comes after the news."""
        free = [(each.channel, each.address) for each in inbound if not any(place in known for place in each.places)]
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
            if not any(place in known for place in each.places):
                new.setdefault((each.channel, each.address), each.sender_name)
        if new:
            known.update(self._people.owners(new))
        claims = {}
        for each in inbound:
            first, *others = each.places
            owner = known.get(first) or next(known[place] for place in others if place in known)
            if first not in known:
                claims[first] = Identity(*first, owner, now_ms())
            # Unverified, so that nothing is sent to one person twice.
            claims.update({other: Identity(*other, owner, now_ms(), verified=False) for other in others if other not in known})
        if claims:
            known.update(self._people.claim(list(claims.values())))
        return known

    def _by_both_names(self, inbound: Sequence[Inbound], known: Mapping[Address, Identity]) -> list[Inbound]:
        """Who writes from a learned address is found by the one that we write to: what was said to it is answered here."""
        aliases = {place: each.user_id for place, each in known.items() if not each.verified}
        alone = [each for each in inbound if not each.also_known_as and (each.channel, each.address) in aliases]
        if not alone:
            return list(inbound)
        owned = self._store.identities(list({aliases[each.channel, each.address] for each in alone}))
        found = []
        for each in inbound:
            owner = "" if each.also_known_as else aliases.get((each.channel, each.address), "")
            proved = [had.address for had in owned.get(owner, ()) if had.channel == each.channel and had.verified]
            found.append(replace(each, also_known_as=proved[0]) if proved else each)
        return found

    def _bring_files(self, arrivals: Sequence[Arrival]) -> None:
        """Register the files that come with messages. A worker fetches them; the message does not wait."""
        bringing = [each for each in arrivals if each.inbound.media]
        for each in bringing:
            each.file = fetched_file(each.inbound, each.message_id, each.conversation_id, each.owner, each.membership.version)
        if bringing:
            self._store.add_files([each.file for each in bringing if each.file])
            metrics.UPLOADS.of("provider", "begun").add(len(bringing))

    def _messages(self, arrivals: Sequence[Arrival]) -> list[Message]:
        users = self._people.users({each.owner for each in arrivals})
        return frozen(self._store, self._people, [self._proposal(each, users[each.owner]) for each in arrivals])

    def _proposal(self, arrival: Arrival, owner: User) -> Proposal:
        """An echo is the account's own words, which went out already: it goes out to nobody."""
        is_echo, accounts = arrival.inbound.is_echo, accounts_of(self._people.channels)
        return Proposal(
            message_id=arrival.message_id,
            sender=self._people.inbox(arrival.inbound.channel) if is_echo else arrival.owner,
            payload=payload_of(arrival),
            membership=arrival.membership,
            digest=arrival.digest,
            metadata=_metadata(arrival),
            limited=() if is_echo or arrival.inbound.is_history else None,
            name="" if is_echo else _speaker(arrival, owner),
            reply_to=arrival.pointed.reply_to,
            origin=origin_of(arrival.inbound, accounts.ours(arrival.inbound.channel, arrival.inbound.account)),
            forwarded=arrival.inbound.forwarded,
            referral=arrival.inbound.referral,
        )


def _metadata(arrival: Arrival) -> dict[str, Any]:
    """app: who wrote it, where it was the account itself, in the provider's app. edits: the message that it replaces.

    history: it was written before the account was connected.
    """
    inbound = arrival.inbound
    app = {"app": "provider"} if inbound.is_echo else {}
    edits = {"edits": arrival.edits} if arrival.edits and not isinstance(inbound.content, Edit) else {}
    history = {"history": True} if inbound.is_history else {}
    return {"channel": inbound.channel, **app, **edits, **history}


def _speaker(arrival: Arrival, user: User) -> str:
    """Who of those that share the address wrote; else as in every group."""
    return cleaned(arrival.inbound.speaker) or speaker(arrival.membership, user, arrival.inbound.sender_name)


def _runs(updates: Sequence[Update]) -> list[list[Update]]:
    """The updates, cut before each address that moves."""
    runs: list[list[Update]] = [[]]
    for each in updates:
        if isinstance(each, Moved):
            runs.append([])
        runs[-1].append(each)
    return runs


def _by_time(inbound: Iterable[Inbound]) -> list[Inbound]:
    return sorted(inbound, key=lambda each: each.at)


def _distinct(inbound: Iterable[Inbound]) -> list[Address]:
    return list({place for each in inbound for place in each.places})


def _of_own(receipt: ProviderReceipt) -> ProviderReceipt:
    """Without a reference that names another workspace: whoever signs a webhook may have made it up."""
    return replace(receipt, reference="") if BETWEEN in receipt.reference else receipt
