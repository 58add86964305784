"""Accepting what is to be sent later: until then it is a record that waits, under the message's id."""

import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import DAY_MS, now_ms, rfc3339
from chat4all.model.deferred_records import WAITING, DeferredRecord
from chat4all.model.drafts import Accepted
from chat4all.model.events import Event
from chat4all.model.scheduled_messages import (
    AHEAD_MOST_MS,
    BEHIND_MOST_MS,
    EVERY,
    SCHEDULED,
    STATES,
    ScheduledMessage,
    new_record,
    read_scheduled,
    record_id_of,
)
from chat4all.ports import MessageStore
from chat4all.services.acceptance.draft_checks import Fault
from chat4all.services.acceptance.draft_work import RETRY_AFTER_S, Work
from chat4all.services.acceptance.scheduled_events import scheduled_event
from chat4all.settings import Settings

# While nothing is scheduled in a workspace nobody looks for an id there; whether something is, is asked so often.
ASKED_S = 5.0


def time_fault(send_at: int, now: int) -> Fault | None:
    """What is wrong with a time to send at; None: nothing, or there is none."""
    if not send_at:
        return None
    if send_at < now - BEHIND_MOST_MS:
        return Fault(422, "invalid", f"a time to come: it is {rfc3339(now)} here", "send_at")
    if send_at > now + AHEAD_MOST_MS:
        return Fault(422, "invalid", f"at most {AHEAD_MOST_MS // DAY_MS} days ahead", "send_at")
    return None


class Scheduling:
    """What acceptance does with what is to be sent later, in one workspace. Thread-safe. `clock`: ms UTC."""

    def __init__(self, store: MessageStore, settings: Settings, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._asked, self._are_there = -ASKED_S, False

    def answer_known(self, works: Sequence[Work]) -> None:
        """Answer what is to be sent later and was accepted before. One read where there is any such draft."""
        later = [work for work in works if work.is_later]
        kept = self._kept(later)
        for work in later:
            record = kept.get(record_id_of(work.message_id))
            if record is None:
                continue
            said = read_scheduled(record)
            work.is_same = said.digest == work.digest
            if work.is_same:
                work.conversation_id, work.record = said.conversation_id, record

    def note_taken(self, works: Sequence[Work]) -> None:
        """Note of what is sent now whether its id belongs to something that is to be sent later in the same conversation."""
        now = [work for work in works if not work.is_later and (work.draft.message_id or work.draft.key)]
        if not now or not self._any():
            return
        kept = self._kept(now)
        for work in now:
            record = kept.get(record_id_of(work.message_id))
            if record and (work.draft.key or read_scheduled(record).conversation_id == work.conversation_id):
                work.is_same = False

    def check_times(self, works: Sequence[Work]) -> None:
        """Refuse what lies behind, or too far ahead, and what is one too many."""
        later = [work for work in works if work.is_later]
        for work in later:
            work.apply(time_fault(work.draft.send_at, self._clock()))
        left = [work for work in later if not work.refused]
        most = self._settings.scheduled_limit
        room = most - self._store.count_open_records(SCHEDULED, EVERY) if left else 0
        for work in left[max(0, room) :]:
            work.refuse(429, "quota_exceeded", f"{most} messages wait to be sent later: cancel some, or send fewer", "send_at")

    def keep(self, caller: Caller, works: Sequence[Work]) -> None:
        """Have these wait. Of two that come at once under one id the first is kept."""
        now = self._clock()
        made = [(work, new_record(_said(caller, work), work.draft.send_at, now)) for work in works]
        kept = self._store.put_deferred_records([record for _, record in made])
        for (work, record), is_kept in zip(made, kept, strict=True):
            if is_kept:
                work.record = record
        others = [work for work, _ in made if not work.record]
        self.answer_known(others)
        for work in others:
            if work.is_taken:
                work.refuse_taken()
            elif not work.record:
                work.refuse(503, "unavailable", "it changed hands just now: say it again", retry_after=RETRY_AFTER_S)

    def news(self, works: Sequence[Work], partitions: int) -> list[Event]:
        """What readers are told of what waits: also when it is said again, as who said it first may have died before."""
        records = [work.record for work in works if work.record and not work.refused]
        return [scheduled_event(each, partitions) for each in records if each.state == WAITING]

    def _kept(self, works: Sequence[Work]) -> dict[str, DeferredRecord]:
        ids = [record_id_of(work.message_id) for work in works]
        return self._store.deferred_records(ids) if ids else {}

    def _any(self) -> bool:
        """Whether something waits, as was asked a moment ago. What is said meanwhile under such an id is refused in the end."""
        if time.monotonic() - self._asked >= ASKED_S:
            self._are_there = bool(self._store.open_records(SCHEDULED, 1, owner=EVERY))
            self._asked = time.monotonic()
        return self._are_there


def _said(caller: Caller, work: Work) -> ScheduledMessage:
    draft = work.draft if work.draft.key else replace(work.draft, message_id=work.message_id)
    return ScheduledMessage(work.message_id, work.conversation_id, work.sender, caller, draft, work.digest)


def answered(work: Work) -> Accepted:
    """The answer to what was accepted."""
    status = STATES[work.record.state] if work.record else "accepted"
    return Accepted(work.message_id, work.conversation_id, status)
