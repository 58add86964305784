"""Messages that are to be sent later, as people look at them, change and cancel them: each by compare-and-set.

Only what waits can be changed. Whoever is told that it was changed or cancelled may rely on that: it is not sent otherwise.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import MANAGE, SEND, Caller
from chat4all.model.clock import now_ms
from chat4all.model.deferred_records import CANCELLED, WAITING, DeferredRecord
from chat4all.model.drafts import Sendable
from chat4all.model.events import encode
from chat4all.model.scheduled_messages import (
    EVERY,
    SCHEDULED,
    STATES,
    ScheduledMessage,
    read_scheduled,
    record_id_of,
)
from chat4all.ports import MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.acceptance.scheduled_events import scheduled_event
from chat4all.services.acceptance.scheduling import time_fault
from chat4all.services.refusals import Conflict, NoSuch, Wrong

# So many are looked at for one page: whoever asks for few of many goes on after the last one.
LOOKED_AT_MOST = 2_000
AT_ONCE = 200

Place = tuple[int, str]


class Wanted(Struct, frozen=True):
    """Which of them. Empty, or 0: any. `since`, `until`: when they are sent (ms UTC), the second is not among them."""

    sender: str = ""
    conversation_id: str = ""
    since: int = 0
    until: int = 0

    def fits(self, record: DeferredRecord, said: ScheduledMessage) -> bool:
        """Whether this is one of them."""
        return (
            self.sender in ("", said.sender)
            and self.conversation_id in ("", said.conversation_id)
            and record.due_at >= self.since
            and (not self.until or record.due_at < self.until)
        )


class Schedule:
    """Of one workspace. Thread-safe. `clock`: ms UTC."""

    def __init__(self, store: MessageStore, acceptor: Acceptor, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._acceptor, self._clock = store, acceptor, clock

    def get(self, caller: Caller, message_id: str) -> DeferredRecord:
        """It, as it is now, also for a while after it ended. NoSuch: there is none that the caller may see."""
        name = record_id_of(message_id)
        record = self._store.deferred_records([name]).get(name)
        if record is None or not _may_see(caller, read_scheduled(record)):
            raise NoSuch(message_id)
        return record

    def page(self, caller: Caller, wanted: Wanted, after: Place, limit: int) -> tuple[list[DeferredRecord], Place | None]:
        """The next ones that wait, by time, and the place behind which there may be more. Others' are for scope manage."""
        found: list[DeferredRecord] = []
        place = max(after, (wanted.since - 1, ""))
        for number, record in enumerate(self._behind(place)):
            if wanted.until and record.due_at >= wanted.until:
                break
            if len(found) == limit or number == LOOKED_AT_MOST:
                return found, place
            said, place = read_scheduled(record), record.place
            if wanted.fits(record, said) and (caller.has(MANAGE) or _is_own(caller, said)):
                found.append(record)
        return found, None

    def _behind(self, place: Place) -> Iterator[DeferredRecord]:
        while page := self._store.open_records(SCHEDULED, AT_ONCE, place, EVERY):
            yield from page
            if len(page) < AT_ONCE:
                return
            place = page[-1].place

    def change(self, caller: Caller, message_id: str, send_at: int = 0, payload: Sendable | None = None) -> DeferredRecord:
        """Have it be sent at another time (0: as before), or say something else (None: the same). Tells readers.

        Wrong: what of it cannot be. Conflict: it does not wait any more.
        """
        while True:
            there, said = self._own(caller, message_id)
            _check_waits(there)
            draft = replace(said.draft, payload=payload or said.draft.payload, send_at=send_at or there.due_at)
            if draft == replace(said.draft, send_at=there.due_at):
                return self._published(there)
            wrong = time_fault(send_at, self._clock()) or self._acceptor.fault_when_kept(said.caller, draft, said.digest)
            if wrong:
                raise _refusal(wrong.status, wrong.code, wrong.detail, wrong.field)
            changed = there.changed(self._clock(), draft.send_at, replace(said, draft=draft).body)
            if self._store.put_deferred_records([changed])[0]:
                return self._published(changed)

    def cancel(self, caller: Caller, message_id: str) -> DeferredRecord:
        """Have it not be sent. Repeating it changes nothing. Tells readers. Conflict: it is being sent, or was."""
        while True:
            there, _ = self._own(caller, message_id)
            if there.state == CANCELLED:
                return self._published(there)
            _check_waits(there)
            cancelled = there.to(CANCELLED, self._clock())
            if self._store.put_deferred_records([cancelled])[0]:
                return self._published(cancelled)

    def _own(self, caller: Caller, message_id: str) -> tuple[DeferredRecord, ScheduledMessage]:
        """As `get`, of what the caller may change, and what it says."""
        there = self.get(caller, message_id)
        said = read_scheduled(there)
        if not caller.has(SEND) and not _is_own(caller, said):
            raise NotYours(said.message_id)
        return there, said

    def _published(self, record: DeferredRecord) -> DeferredRecord:
        """Tell readers of it: before whoever changed it is answered. Who gets no answer says it again, and it is told again."""
        self._acceptor.append([encode(scheduled_event(record, self._acceptor.event_partitions))])
        return record


class NotYours(Exception):
    """Somebody else is to say it."""


def _is_own(caller: Caller, said: ScheduledMessage) -> bool:
    return caller.user_id in (said.sender, said.caller.user_id)


def _may_see(caller: Caller, said: ScheduledMessage) -> bool:
    return caller.has(MANAGE) or _is_own(caller, said) or (caller.has(SEND) and not said.draft.is_internal)


def _check_waits(there: DeferredRecord) -> None:
    if there.state != WAITING:
        raise Conflict("too_late", f"it is {STATES[there.state]}: only what waits can be changed or cancelled")


def _refusal(status: int, code: str, detail: str, field: str) -> Exception:
    return Conflict(code, detail) if status == 409 else Wrong(field, detail, code)
