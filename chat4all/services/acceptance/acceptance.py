"""Accepting messages: every check, and freezing a draft into a record. Used by REST and gRPC alike; ports are passed in.

It works on batches: each step looks up what all drafts of a batch need in one call. A draft that is refused leaves the batch
without affecting the others. A message that is stored already is answered before anything is checked that may have changed
since: a sender who repeats it after a lost answer must not be told that it was refused.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from uuid import uuid4

from chat4all.model.callers import SEND, Caller
from chat4all.model.clock import now_ms
from chat4all.model.conversations import Membership, UserKind
from chat4all.model.drafts import Accepted, Draft, FileDraft, Refused, TextDraft
from chat4all.model.failures import Failure, Temporary, Unknown
from chat4all.model.files import StoredFile
from chat4all.model.ids import contact_id, keyed_message_id
from chat4all.model.messages import (
    Message,
    Payload,
    Text,
    body_digest,
)
from chat4all.model.records import EVENTS, INCOMING, STATUS, NewRecord, Position, incoming_record, is_too_large, status_record
from chat4all.ports import Channel, EventLog, MessageStore
from chat4all.services.acceptance import attachments
from chat4all.services.acceptance.conversation_events import conversation_record
from chat4all.services.acceptance.draft_checks import Fault, fault, shape_fault
from chat4all.services.acceptance.frozen_messages import Proposal, frozen
from chat4all.services.directory import (
    Address,
    People,
)
from chat4all.settings import Settings
from chat4all.telemetry import metrics, tracing

__all__ = ["Accepted", "Acceptor", "Caller", "Draft", "FileDraft", "Refused", "TextDraft"]

RETRY_AFTER_S = 1
KINDS = ("delivered", "read")
NOBODY = "there is no such user; writing to a contact first needs scope send"
# Of who calls; there is one as long as a token names no other.
WORKSPACE = "default"


class _Work:
    """One draft on its way: what is known of it so far. `message` stays None when nothing is left to append."""

    __slots__ = ("conversation_id", "digest", "draft", "is_taken", "limited", "membership", "message", "message_id", "pair",
                 "payload", "refused", "sender", "stored")  # fmt: skip

    def __init__(self, caller: Caller, draft: Draft) -> None:
        self.draft = draft
        self.sender = draft.sender or caller.user_id
        self.message_id = _message_id(caller, draft)
        self.conversation_id = (draft.conversation_id or "").lower()
        self.digest = _digest(self.sender, draft)
        self.is_taken = False
        self.limited: list[str] | None = None
        self.pair: tuple[str, str] | None = None
        self.membership: Membership | None = None
        self.payload: Payload = Text(draft.payload.text)
        self.message: Message | None = None
        self.stored = False
        self.refused: Refused | None = None

    @property
    def file_draft(self) -> FileDraft | None:
        """The file that it wants to carry."""
        return self.draft.payload if isinstance(self.draft.payload, FileDraft) else None

    def refuse(self, status: int, code: str, detail: str, field: str = "", retry_after: int = 0) -> None:
        """Take this draft out of the batch."""
        self.refused = Refused(status, code, detail, field, self.message_id, self.conversation_id, retry_after)

    def refuse_taken(self) -> None:
        """Its id belongs to another body."""
        if self.draft.key:
            self.refuse(422, "idempotency_key_reused", "this key belongs to another request", "Idempotency-Key")
        else:
            self.refuse(409, "message_id_conflict", "this message_id belongs to another body", "message_id")


class Acceptor:
    """Accepts messages and positions. One per process, opened after fork; every method may be called from many threads."""

    def __init__(self, store: MessageStore, log: EventLog, settings: Settings, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._log = log
        self._settings = settings
        self._channels = channels
        self.people = People(store, channels)
        self.partitions = log.topic(INCOMING).partitions
        self.status_partitions = log.topic(STATUS).partitions
        self.event_partitions = log.topic(EVENTS).partitions

    def accept(
        self, caller: Caller, drafts: Sequence[Draft], headers: Mapping[str, str] | None = None
    ) -> list[Accepted | Refused]:
        """One answer per draft, in order. Accepted means durable. An outage is a Refused with status 503, never raised.

        `headers` is the request's trace context (`chat4all.telemetry.tracing`), which every record goes on with.
        """
        begun = time.perf_counter()
        works = [_Work(caller, draft) for draft in drafts]
        for work in works:
            _apply(work, shape_fault(caller, work.draft, self._settings))
        try:
            places = self._parse(works)
            owners = self._owners(places.values())
            self._answer_known(_open(works), places, owners)
            for work in _open(works):
                _apply(work, fault(work.draft, self._settings, self._channels))
            founded = self._place(caller, _open(works), places, owners)
            files = self._find_files(caller, _open(works))
            self._freeze(_open(works))
            self._hold_files(_open(works), files)
            self._drop_repeats(_open(works))
        except Failure as failure:
            if not isinstance(failure, Temporary | Unknown):
                raise
            _refuse_all(_pending(works), "unavailable", f"{failure.reason}: nothing was accepted")
        else:
            self._append(works, founded, dict(headers or {}))
        _count(works, time.perf_counter() - begun)
        return [work.refused or Accepted(work.message_id, work.conversation_id) for work in works]

    def append(self, records: Sequence[NewRecord]) -> None:
        """Make records durable within the time limit. Temporary: they are not. Unknown: they may be."""
        self._log.append(records, self._settings.append_timeout_s)

    def acknowledge(
        self, caller: Caller, conversation_id: str, kind: str, up_to: int, headers: Mapping[str, str] | None = None
    ) -> Refused | None:
        """Note how far the caller has come: `kind` is delivered or read, `up_to` a seq. None means durable."""
        try:
            refused = self._check_position(caller, conversation_id, kind, up_to)
            if refused:
                return refused
            position = Position(conversation_id, caller.user_id, kind, up_to, now_ms())
            record = status_record(position, self.status_partitions, dict(headers or {}))
            self.append([record])
        except Unknown:
            return Refused(503, "outcome_unknown", "outcome unknown, say it again", retry_after=RETRY_AFTER_S)
        except Temporary as failure:
            return Refused(503, "unavailable", failure.reason, retry_after=RETRY_AFTER_S)
        return None

    def _check_position(self, caller: Caller, conversation_id: str, kind: str, up_to: int) -> Refused | None:
        if kind not in KINDS:
            return Refused(422, "invalid", f"one of {', '.join(KINDS)}", "kind")
        membership = self._store.memberships([conversation_id], caller.user_id).get(conversation_id)
        if membership is None or not any(each.user_id == caller.user_id for each in membership.members):
            return Refused(404, "unknown_conversation", "there is no such conversation")
        if not membership.has(caller.user_id):
            return Refused(403, "not_a_member", "you are no member of this conversation any more")
        if not 0 <= up_to <= self._store.last_seqs([conversation_id]).get(conversation_id, -1):
            return Refused(422, "position_in_the_future", "no message has come that far", "up_to")
        return None

    # The steps of accept, in order.

    def _parse(self, works: Sequence[_Work]) -> dict[str, Address]:
        """The addresses in the drafts' `to`, by how they were written."""
        places: dict[str, Address] = {}
        for work in _open(works):
            for text in work.draft.to or ():
                if ":" in text and text not in places:
                    try:
                        places[text] = self.people.parse_address(text)
                    except ValueError as error:
                        work.refuse(422, "bad_address", str(error), "to")
        return places

    def _owners(self, places: Iterable[Address]) -> dict[Address, str]:
        wanted = list(dict.fromkeys(places))
        return {place: each.user_id for place, each in self._store.owners(wanted).items()} if wanted else {}

    def _answer_known(self, works: Sequence[_Work], places: Mapping[str, Address], owners: Mapping[Address, str]) -> None:
        """Answer what is stored already. A body that differs is told so later, to who may know that the id is taken."""
        asked = [(work, home) for work in works if work.draft.message_id for home in self._homes(work, places, owners)]
        kept = self._store.registered([(home, work.message_id) for work, home in asked]) if asked else {}
        for work, home in asked:
            first = kept.get((home, work.message_id))
            if first and first.digest == work.digest:
                work.conversation_id, work.stored = home, True
            work.is_taken = (work.is_taken or bool(first)) and not work.stored
        for work in works:
            if work.draft.key:
                self._answer_keyed(work)

    def _homes(self, work: _Work, places: Mapping[str, Address], owners: Mapping[Address, str]) -> list[str]:
        """The conversations that the draft may be for, as far as that can be said without founding anything.

        Of an address that of its owner, and that of the contact that was made for it: it may have changed hands since.
        """
        if work.conversation_id or not work.draft.to:
            return [work.conversation_id] if work.conversation_id else []
        place = places.get(work.draft.to[0])
        others = [owners.get(place, ""), contact_id(*place)] if place else [work.draft.to[0]]
        return list(dict.fromkeys(self.people.pair_id(work.sender, each, place) for each in others if each))

    def _answer_keyed(self, work: _Work) -> None:
        """Its id is this client's alone, wherever it was said: so a key means one message, in one conversation."""
        for first in self._store.places_of(work.message_id):
            if first.digest == work.digest:
                work.conversation_id, work.stored = first.conversation_id, True
            else:
                work.refuse_taken()

    def _place(
        self, caller: Caller, works: Sequence[_Work], places: Mapping[str, Address], owners: Mapping[Address, str]
    ) -> list[Membership]:
        """Find each draft's conversation; those that had to be founded."""
        self._find_partners(works, places, owners)
        self._check_pairs(caller, _open(works))
        wanted = {work.conversation_id for work in _open(works)}
        known = self._store.memberships(list(wanted)) if wanted else {}
        missing = {}
        for work in _open(works):
            if work.pair and work.conversation_id not in known and self._may_found(caller, work):
                missing[work.conversation_id] = work.pair
        founded = self.people.found_pairs(missing) if missing else {}
        known.update(founded)
        for work in _open(works):
            self._enter(caller, work, known.get(work.conversation_id))
        return list(founded.values())

    def _find_partners(self, works: Sequence[_Work], places: Mapping[str, Address], owners: Mapping[Address, str]) -> None:
        """Turn `to` into users, and without a conversation into that of the pair. A stranger becomes a contact."""
        wanted = (places.get(work.draft.to[0]) for work in works if work.draft.to and not work.conversation_id)
        strangers = {place: "" for place in wanted if place and place not in owners}
        owners = {**owners, **self.people.owners(strangers)} if strangers else owners
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
                pairs[pair] = self.people.pair_id(*pair, places.get(to[0]))
            work.conversation_id = pairs[pair]

    def _check_pairs(self, caller: Caller, works: Sequence[_Work]) -> None:
        pairs = [work for work in works if work.pair]
        users = self.people.users(each for work in pairs for each in work.pair or ())
        for work in pairs:
            sender, other = work.pair or ("", "")
            if sender == other:
                work.refuse(422, "invalid", "a message to oneself has no conversation", "to")
            elif sender not in users:
                work.refuse(422, "unknown_user", "there is no such user", "from")
            elif other not in users:
                work.refuse(422, "unknown_user", NOBODY, "to")

    def _may_found(self, caller: Caller, work: _Work) -> bool:
        """A contact is written to first by those who may know addresses only: its id follows from the address.

        For others there is no such user: else anybody could find out whether a number is a contact's.
        """
        other = self.people.users([work.pair[1]])[work.pair[1]] if work.pair else None
        if other and other.kind is UserKind.CONTACT and not caller.has(SEND):
            work.refuse(422, "unknown_user", NOBODY, "to")
            return False
        return True

    def _enter(self, caller: Caller, work: _Work, membership: Membership | None) -> None:
        if work.refused:
            return
        if membership is None or not caller.may_see(membership):
            work.refuse(404, "unknown_conversation", "there is no such conversation", "conversation_id")
        elif not membership.has(work.sender):
            work.refuse(403, "not_a_member", "the sender is no member of this conversation", "from")
        elif work.limited is not None and not set(work.limited) <= set(membership.now()):
            work.refuse(422, "not_a_member", "somebody in to is no member of this conversation", "to")
        work.membership = membership

    def _find_files(self, caller: Caller, works: Sequence[_Work]) -> dict[str, StoredFile]:
        files = attachments.found(self._store, works)
        for work in works:
            draft = work.file_draft
            file = files.get(draft.file_id) if draft else None
            if draft and file and attachments.may_carry(work, file) and self._may_know(caller, work, file):
                work.payload = attachments.frozen(file, draft.text)
            elif draft:
                self._refuse_file(work)
        return files

    def _may_know(self, caller: Caller, work: _Work, file: StoredFile) -> bool:
        """Else who came later would get an older file by sending it."""
        membership = work.membership
        return caller.sees_all or bool(membership and attachments.may_know(self._store, file, membership, work.sender))

    def _refuse_file(self, work: _Work) -> None:
        work.refuse(422, "unknown_file", "there is no such complete file in this conversation", "payload.file_id")

    def _hold_files(self, works: Sequence[_Work], files: Mapping[str, StoredFile]) -> None:
        """References are taken before the record is appended: one too many is found by the sweep, one too few by nobody."""
        carrying = [work for work in works if work.file_draft and work.message and not work.is_taken]
        for work, holds in zip(carrying, attachments.hold(self._store, carrying, files), strict=True):
            if not holds:
                self._refuse_file(work)

    def _freeze(self, works: Sequence[_Work]) -> None:
        """Resolve what may change later: recipients and their addresses, the sender's name, the membership's version."""
        placed = [work for work in works if work.membership]
        made = frozen(self._store, self.people, [_proposal(work, work.membership) for work in works if work.membership])
        for work, message in zip(placed, made, strict=True):
            if len(message.recipients) > self._settings.members_limit:
                work.refuse(422, "too_many_recipients", f"at most {self._settings.members_limit} addresses", "channels")
            else:
                work.message = message

    def _drop_repeats(self, works: Sequence[_Work]) -> None:
        """What stands twice in the batch is appended once. Comes last: a copy of what was refused is no repeat of anything."""
        digests: dict[tuple[str, str], str] = {}
        for work in works:
            place = (work.conversation_id, work.message_id)
            if work.is_taken or digests.get(place, work.digest) != work.digest:
                work.refuse_taken()
            elif place in digests:
                work.message = None
            else:
                digests[place] = work.digest

    def _append(self, works: Sequence[_Work], founded: Sequence[Membership], headers: dict[str, str]) -> None:
        """One call for the whole batch, so that it waits once. News of founded conversations travel with it."""
        made = [(work, incoming_record(work.message, self.partitions, {})) for work in _open(works) if work.message]
        for work, record in made:
            if is_too_large(record):
                work.refuse(413, "message_too_large", "with its recipients and metadata it is too large for one record")
        kept = [(work, record) for work, record in made if not work.refused]
        records = [conversation_record(each, self.event_partitions) for each in founded]
        if not records and not kept:
            return
        try:
            names = [(work.message_id, work.conversation_id) for work, _ in kept]
            with tracing.sending(INCOMING, headers, names) as sent:
                self.append(records + [each.carrying(more) for (_, each), more in zip(kept, sent.headers, strict=True)])
        except Unknown:
            _refuse_all(_pending(works), "outcome_unknown", "outcome unknown, retry with this message_id")
        except Temporary as failure:
            _refuse_all(_pending(works), "unavailable", f"{failure.reason}: nothing was accepted")


def _proposal(work: _Work, membership: Membership) -> Proposal:
    draft = work.draft
    return Proposal(
        message_id=work.message_id,
        sender=work.sender,
        payload=work.payload,
        membership=membership,
        digest=work.digest,
        metadata=draft.metadata,
        channels=draft.channels,
        limited=work.limited,
    )


def _message_id(caller: Caller, draft: Draft) -> str:
    if draft.key:
        return keyed_message_id(WORKSPACE, caller.user_id, draft.key)
    return (draft.message_id or str(uuid4())).lower()


def _digest(sender: str, draft: Draft) -> str:
    """Of all that the sender chose. Under a key of theirs also whom it is for: there the id does not depend on that."""
    payload = draft.payload
    chosen = payload if isinstance(payload, FileDraft) else Text(payload.text)
    where = ((draft.conversation_id, draft.to),) if draft.key else ()
    return body_digest(sender, chosen, draft.channels, _limit(draft), draft.metadata, *where)


def _apply(work: _Work, wrong: Fault | None) -> None:
    if wrong:
        work.refuse(wrong.status, wrong.code, wrong.detail, wrong.field)


def _limit(draft: Draft) -> list[str] | None:
    """To whom the sender limited the message, as they wrote it: owners of addresses may change between two tries."""
    return sorted(set(draft.to)) if draft.conversation_id and draft.to else None


def _alive(works: Sequence[_Work]) -> list[_Work]:
    return [work for work in works if not work.refused]


def _open(works: Sequence[_Work]) -> list[_Work]:
    """Those that are neither refused nor answered yet."""
    return [work for work in works if not work.refused and not work.stored]


def _pending(works: Sequence[_Work]) -> list[_Work]:
    """Those that waited for the log: what is stored already stays accepted."""
    return [work for work in works if not work.stored]


def _count(works: Sequence[_Work], took: float) -> None:
    alive = len(_open(works))
    if alive:
        metrics.ACCEPTED.add(alive)
    for work in works:
        if work.refused:
            metrics.REFUSED.of_reason(work.refused.code).add()
    metrics.ACCEPT_SECONDS.of()(took)


def _refuse_all(works: Sequence[_Work], code: str, detail: str) -> None:
    for work in works:
        if not work.refused:
            work.refuse(503, code, detail, retry_after=RETRY_AFTER_S)
