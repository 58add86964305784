"""Accepting messages: every check, and freezing a draft into a record. Used by REST and gRPC alike; ports are passed in.

It works on batches: each step looks up what all drafts of a batch need in one call. A draft that is refused leaves the batch
without affecting the others. A message that is stored already is answered before anything is checked that may have changed
since: a sender who repeats it after a lost answer must not be told that it was refused.
"""

import time
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
from chat4all.model.content import Album, Content, Media
from chat4all.model.conversations import Membership, User
from chat4all.model.drafts import Accepted, Draft, Refused, name_of
from chat4all.model.events import encode
from chat4all.model.failures import Failure, Temporary, Unknown
from chat4all.model.files import StoredFile
from chat4all.model.messages import Message
from chat4all.model.records import EVENTS, INCOMING, STATUS, NewRecord, Position, incoming_record, is_too_large, status_record
from chat4all.ports import Channel, EventLog, MessageStore
from chat4all.services.acceptance import attachments
from chat4all.services.acceptance.adaptation import is_native
from chat4all.services.acceptance.conversation_events import conversation_record
from chat4all.services.acceptance.draft_checks import Fault, fault, shape_fault
from chat4all.services.acceptance.draft_placement import Placement
from chat4all.services.acceptance.draft_work import (
    RETRY_AFTER_S,
    Work,
    going_now,
    pending,
    refuse_all,
    still_open,
)
from chat4all.services.acceptance.frozen_messages import Proposal, frozen
from chat4all.services.acceptance.human_turns import refuse_bots
from chat4all.services.acceptance.reader_positions import position_fault
from chat4all.services.acceptance.recipients import Via
from chat4all.services.acceptance.route_checks import ways_of
from chat4all.services.acceptance.scheduling import Scheduling, answered
from chat4all.services.acceptance.shut_windows import keep_to_windows
from chat4all.services.acceptance.template_checks import check_templates
from chat4all.services.acceptance.unreached import refuse_unreached
from chat4all.services.accounts.live import accounts_of
from chat4all.services.contacts.contact_events import ContactNews
from chat4all.services.directory import People
from chat4all.settings import Settings
from chat4all.telemetry import metrics, tracing

__all__ = ["Accepted", "Acceptor", "Caller", "Draft", "Frozen", "Refused"]


Made = tuple[list[tuple[Work, NewRecord]], list[Membership]]


class Frozen(Struct, frozen=True):
    """A message that was looked at and is not appended yet. `founds`: the conversation that was founded for it."""

    message: Message
    founds: Membership | None = None


class Acceptor:
    """Accepts messages and positions. One per process, opened after fork; every method may be called from many threads."""

    def __init__(self, store: MessageStore, log: EventLog, settings: Settings, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._log = log
        self._settings = settings
        self._channels = channels
        self.people = People(store, channels)
        self._placement = Placement(store, self.people)
        self._scheduling = Scheduling(store, settings)
        self.partitions = log.topic(INCOMING).partitions
        self.status_partitions = log.topic(STATUS).partitions
        self.event_partitions = log.topic(EVENTS).partitions
        self._news = ContactNews(store, self.event_partitions)

    def accept(
        self, caller: Caller, drafts: Sequence[Draft], headers: Mapping[str, str] | None = None
    ) -> list[Accepted | Refused]:
        """One answer per draft, in order. Accepted means durable. An outage is a Refused with status 503, never raised.

        `headers` is the request's trace context (`chat4all.telemetry.tracing`), which every record goes on with.
        """
        begun = time.perf_counter()
        works = [Work(caller, draft) for draft in drafts]
        try:
            made, founded = self._looked_at(caller, works)
            self._scheduling.keep(caller, [work for work in still_open(works) if work.is_later and work.message])
        except Failure as failure:
            if not isinstance(failure, Temporary | Unknown):
                raise
            refuse_all(pending(works), "unavailable", f"{failure.reason}: nothing was accepted")
        else:
            self._append(works, made, founded, dict(headers or {}))
        _count(works, time.perf_counter() - begun)
        return [work.refused or answered(work) for work in works]

    def freeze(self, caller: Caller, due: Sequence[tuple[Draft, str]]) -> list[Frozen | Accepted | Refused]:
        """What becomes of drafts whose time has come, with their digests: frozen, but not appended yet; Accepted: it was.

        Temporary: an outage, nothing is said of any.
        """
        works = [Work(caller, replace(draft, send_at=0), digest) for draft, digest in due]
        _, founded = self._looked_at(caller, works, is_new=False)
        by_id = {each.conversation.conversation_id: each for each in founded}
        answers: list[Frozen | Accepted | Refused] = []
        for work in works:
            if work.refused or not work.message:
                answers.append(work.refused or answered(work))
            else:
                answers.append(Frozen(work.message, by_id.get(work.conversation_id)))
        return answers

    def append_frozen(self, frozen: Sequence[Frozen]) -> None:
        """Append these, however often: each is once by its id. Raises as the log does."""
        if not frozen:
            return
        founded = {each.founds.conversation.conversation_id: each.founds for each in frozen if each.founds}
        news, new = self._news_of_founded(list(founded.values()))
        messages = [each.message for each in frozen]
        with tracing.sending(INCOMING, {}, [(each.message_id, each.conversation_id) for each in messages]) as sent:
            made = [incoming_record(each, self.partitions, more) for each, more in zip(messages, sent.headers, strict=True)]
            self.append(news + made)
        self.people.told_of(each.user_id for each in new)
        metrics.ACCEPTED.add(len(frozen))

    def fault_when_kept(self, caller: Caller, draft: Draft, digest: str) -> Refused | None:
        """What is wrong with what waits and is to say something else, or at another time; None: nothing that is known now."""
        work = Work(caller, draft, digest)
        self._looked_at(caller, [work], is_new=False)
        return work.refused

    def _looked_at(self, caller: Caller, works: Sequence[Work], is_new: bool = True) -> Made:
        """What is to be appended now, and the conversations that were founded for that. Who is refused leaves the batch.

        Of what is sent later that is left to when it is due which may be otherwise then: windows, who answers, who is blocked.
        """
        for work in works:
            work.apply(shape_fault(caller, work.draft, self._settings))
        places = self._placement.parse(works)
        owners = self._placement.owners(places.values())
        self._placement.answer_known(still_open(works), places, owners)
        if is_new:
            self._scheduling.answer_known(still_open(works))
            self._scheduling.check_times(still_open(works))
        for work in still_open(works):
            work.apply(fault(work.draft, self._settings, self._channels))
        proposed = self._placement.place(caller, still_open(works), places, owners)
        if is_new:
            self._scheduling.note_taken(still_open(works))
        refuse_bots(self._store, caller, going_now(works))
        files = self._find_files(caller, still_open(works))
        self._freeze(still_open(works))
        refuse_unreached(self.people, going_now(works))
        keep_to_windows(self._store, self.people, caller, going_now(works))
        check_templates(self._store, still_open(works))
        self._hold_files(still_open(works), files)
        self._drop_repeats(still_open(works))
        made = [(work, record) for work, record in self._records(still_open(works)) if not work.is_later]
        return made, self._found([work for work, _ in made], proposed)

    def append(self, records: Sequence[NewRecord]) -> None:
        """Make records durable within the time limit. Temporary: they are not. Unknown: they may be."""
        self._log.append(records, self._settings.append_timeout_s)

    def acknowledge(
        self, caller: Caller, conversation_id: str, kind: str, up_to: int, headers: Mapping[str, str] | None = None
    ) -> Refused | None:
        """Note how far the caller has come: `kind` is delivered or read, `up_to` a seq. None means durable."""
        try:
            refused = position_fault(self._store, caller, conversation_id, kind, up_to)
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

    def fault_of(self, draft: Draft) -> Fault | None:
        """What is wrong with what is said, whoever says it to whomever; None: nothing that is known beforehand."""
        return fault(draft, self._settings, self._channels)

    # The steps of accept, in order.

    def _find_files(self, caller: Caller, works: Sequence[Work]) -> dict[str, StoredFile]:
        files = attachments.found(self._store, works)
        for work in works:
            drafts = work.file_drafts
            missing = [draft for draft in drafts if not self._may_carry(caller, work, files.get(draft.file_id))]
            if missing:
                self._refuse_file(work, drafts.index(missing[0]))
            elif drafts:
                work.payload = _with_files(work.payload, files)
        return files

    def _may_carry(self, caller: Caller, work: Work, file: StoredFile | None) -> bool:
        return file is not None and attachments.may_carry(work, file) and self._may_know(caller, work, file)

    def _may_know(self, caller: Caller, work: Work, file: StoredFile) -> bool:
        """Else who came later would get an older file by sending it."""
        membership = work.membership
        return caller.sees_all or bool(membership and attachments.may_know(self._store, file, membership, work.sender))

    def _refuse_file(self, work: Work, number: int = 0) -> None:
        place = f"payload.items.{number}.file_id" if isinstance(work.payload, Album) else "payload.file_id"
        work.refuse(422, "unknown_file", "there is no such complete file in this conversation", place)

    def _hold_files(self, works: Sequence[Work], files: Mapping[str, StoredFile]) -> None:
        """References are taken before the record is appended: one too many is found by the sweep, one too few by nobody."""
        carrying = [work for work in works if work.file_drafts and work.message and not work.is_taken]
        for work, holds in zip(carrying, attachments.hold(self._store, carrying, files), strict=True):
            if not holds:
                self._refuse_file(work)

    def _freeze(self, works: Sequence[Work]) -> None:
        """Resolve what may change later: recipients and their addresses, the sender's name, the membership's version."""
        placed = [work for work in works if work.membership]
        proposals = [_proposal(work, work.membership, self._channels) for work in works if work.membership]
        made = frozen(self._store, self.people, proposals)
        for work, message in zip(placed, made, strict=True):
            if len(message.recipients) > self._settings.members_limit:
                work.refuse(422, "too_many_recipients", f"at most {self._settings.members_limit} addresses", "channels")
            elif not work.draft.adapt and (refusing := self._refusing(message)):
                work.refuse(422, "not_supported", f"{refusing} carries no {name_of(work.draft.payload)} like this", "payload")
            else:
                work.message = message

    def _refusing(self, message: Message) -> str:
        """The first channel that would need it adapted; empty: all carry it as it is."""
        said = [(message.payload, each) for each in message.recipients]
        said += [(leg.payload or message.payload, each) for leg in message.route for each in leg.recipients]
        reached = ((payload, each) for payload, each in said if each.address)
        limits = ((payload, each.channel, self._channels[each.channel].limits.at(each.address)) for payload, each in reached)
        return next((name for payload, name, allowed in limits if not is_native(payload, allowed)), "")

    def _drop_repeats(self, works: Sequence[Work]) -> None:
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

    def _records(self, works: Sequence[Work]) -> list[tuple[Work, NewRecord]]:
        """What is to be appended of each."""
        made = [(work, incoming_record(work.message, self.partitions, {})) for work in works if work.message]
        for work, record in made:
            if is_too_large(record):
                work.refuse(413, "message_too_large", "with its recipients and metadata it is too large for one record")
        return [(work, record) for work, record in made if not work.refused]

    def _found(self, works: Sequence[Work], proposed: Sequence[Membership]) -> list[Membership]:
        """Found the conversations in which something is said. Comes last: what is refused leaves no empty one behind."""
        needed = {work.conversation_id for work in works}
        return self.people.found([each for each in proposed if each.conversation.conversation_id in needed])

    def _append(
        self,
        works: Sequence[Work],
        kept: Sequence[tuple[Work, NewRecord]],
        founded: Sequence[Membership],
        headers: dict[str, str],
    ) -> None:
        """One call for the whole batch, so that it waits once. News of founded conversations travel with it."""
        records, new = self._news_of_founded(founded)
        records += [encode(each) for each in self._scheduling.news(works, self.event_partitions)]
        if not records and not kept:
            return
        try:
            names = [(work.message_id, work.conversation_id) for work, _ in kept]
            with tracing.sending(INCOMING, headers, names) as sent:
                self.append(records + [each.carrying(more) for (_, each), more in zip(kept, sent.headers, strict=True)])
            self.people.told_of(each.user_id for each in new)
        except Unknown:
            refuse_all(pending(works), "outcome_unknown", "outcome unknown, retry with this message_id")
        except Temporary as failure:
            waiting = [work for work in pending(works) if work.record]
            refuse_all(waiting, "outcome_unknown", "it may wait to be sent later; retry with this message_id")
            refuse_all(pending(works), "unavailable", f"{failure.reason}: nothing was accepted")

    def _news_of_founded(self, founded: Sequence[Membership]) -> tuple[list[NewRecord], list[User]]:
        """What readers are told of these, and the contacts that they hear of by that."""
        new = self.people.newcomers(member for each in founded for member in each.now())
        records = [conversation_record(each, self.event_partitions) for each in founded]
        return records + [encode(each) for each in self._news.of(made=new)], new


def _proposal(work: Work, membership: Membership, channels: Mapping[str, Channel]) -> Proposal:
    draft = work.draft
    # It was there when the draft was looked at; one that went since is passed over.
    via = accounts_of(channels).place_of(draft.via) if draft.via else None
    return Proposal(
        message_id=work.message_id,
        sender=work.sender,
        payload=work.payload,
        membership=membership,
        digest=work.digest,
        metadata=draft.metadata,
        channels=draft.channels,
        limited=work.limited,
        reply_to=draft.reply_to.lower(),
        visibility=draft.visibility,
        via=Via(*via) if via else None,
        route=ways_of(draft, channels),
    )


def _count(works: Sequence[Work], took: float) -> None:
    alive = len(going_now(works))
    if alive:
        metrics.ACCEPTED.add(alive)
    for work in works:
        if work.refused:
            metrics.REFUSED.of_reason(work.refused.code).add()
    metrics.ACCEPT_SECONDS.of()(took)


def _with_files(payload: Content, files: Mapping[str, StoredFile]) -> Content:
    """What a draft became, with all that must be known of its files."""
    match payload:
        case Media():
            return attachments.frozen(files[payload.file_id], payload.text, payload.kind)
        case Album():
            return replace(
                payload, items=tuple(attachments.frozen(files[each.file_id], "", each.kind) for each in payload.items)
            )
    return payload
