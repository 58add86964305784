"""What follows a delivery that did not arrive: the next leg of its route, or its message once more.

Both are records that were deferred. When one is due, it is decided here whether it is still wanted. What is appended is once by
its message's id, whoever appends it.
"""

from collections.abc import Container, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Deletion
from chat4all.model.deferred_records import WAITING, DeferredRecord
from chat4all.model.deliveries import ENDS, SUPERSEDED, Delivery, Facts, State, Withdrawn, folded, state
from chat4all.model.messages import Message
from chat4all.model.routes import Parts as PartFacts
from chat4all.model.routes import has_ended_all, has_reached, may_have_come
from chat4all.ports import MessageStore
from chat4all.services.resends import append_messages
from chat4all.services.withdrawals import withdraw
from chat4all.telemetry import metrics
from tasks.deferred_records import Release, Releaser
from tasks.outcomes.delivery_metrics import moved
from tasks.outcomes.events import learned, state_event, tell
from tasks.outcomes.late_failures import read_resend
from tasks.outcomes.legs import LEG, Waiting, owner_of, read_waiting
from tasks.resources import Parts

# Of one person in one conversation; of more nobody looks which is the first.
OPEN_MOST = 100
LATER_MS = 1000


class Due(Struct, frozen=True):
    """A leg that waits, with what is known of the deliveries of the leg before it."""

    record: DeferredRecord
    waiting: Waiting
    before: PartFacts

    @property
    def leg(self) -> Message:
        """The leg's message."""
        return self.waiting.message

    @property
    def is_over(self) -> bool:
        """Whether the leg before is over, and did not arrive."""
        return state(folded(self.before)) in ENDS

    @property
    def is_settled(self) -> bool:
        """Whether it will not begin: the leg before has come far enough, or nobody wants the message sent any more."""
        return has_ended_all(self.before) or has_reached(self.before, self.leg.route[self.leg.leg - 1].until)

    def waits_for(self, other: "Due") -> bool:
        """Whether another leg of this person has to begin first."""
        return other.leg.resend_of < self.leg.resend_of and other.leg.leg <= self.leg.leg and not other.is_settled


class LegReleaser(Releaser):
    """Begins the next legs of routes."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._store = parts, parts.store

    def release(self, records: Sequence[DeferredRecord]) -> list[Release]:
        """Begin those whose leg before FAILED, or has not come far enough in its time. Those of one person in order of seq."""
        now, begun, later = now_ms(), list[Message](), list[DeferredRecord]()
        done = {each.record_id for each in records}
        due = sorted(self._looked_at(records), key=lambda due: (due.leg.resend_of, due.leg.leg))
        wanted = [each for each in due if self._is_wanted(each)]
        others = self._others(wanted)
        for each in wanted:
            first = _first_to_begin(each, others, done)
            if first:
                due_at = max(now, first.due_at) + LATER_MS
                name = f"{each.leg.message_id}:{due_at}"
                later.append(replace(each.record, record_id=name, due_at=due_at, state=WAITING, version=1, changed_at=now))
                done.discard(each.record.record_id)
            elif leg := self._taking_over(each, now):
                begun.append(leg)
        self._store.put_deferred_records(later)
        append_messages(self._parts.log, self._parts.partitions, begun)
        return [Release()] * len(records)

    def _looked_at(self, records: Sequence[DeferredRecord]) -> list[Due]:
        """With the facts of the legs before. What was begun before, or whose leg before has lost its rows, needs nothing."""
        waiting = [(each, read_waiting(each)) for each in records]
        begun = self._store.registered([_name(each.message) for _, each in waiting])
        rows = self._store.deliveries([key for _, each in waiting for key in each.keys])
        return [
            Due(record, each, facts)
            for record, each in waiting
            if _name(each.message) not in begun and (facts := [rows[key].facts for key in each.keys if key in rows])
        ]

    def _is_wanted(self, due: Due) -> bool:
        if due.is_over:
            return not has_ended_all(due.before)
        # Without a limit it begins only when the leg before FAILED; and of one that FAILED some good news came since.
        if not due.waiting.is_timer or not due.leg.route[due.leg.leg - 1].within_ms:
            return False
        return not due.is_settled and not is_deleted(self._store, (due.leg.conversation_id, due.leg.resend_of))

    def _others(self, wanted: Sequence[Due]) -> dict[str, list[Due]]:
        """All legs that wait of these people in these conversations, by owner, in the order in which they are due."""
        owners = list({owner_of(each.leg) for each in wanted})
        there = self._store.open_records_of(LEG, owners, OPEN_MOST) if owners else {}
        found: dict[str, list[Due]] = {}
        for each in self._looked_at([record for some in there.values() for record in some]):
            found.setdefault(owner_of(each.leg), []).append(each)
        return found

    def _taking_over(self, due: Due, now: int) -> Message | None:
        """The leg as it begins. What was not sent of the one before is withdrawn first; then nothing of it begins any more."""
        before, keys = due.before, due.waiting.keys
        if not due.is_over:
            withdraw(self._store, keys, Withdrawn(now, SUPERSEDED, due.leg.message_id))
            rows = self._store.deliveries(keys)
            before = [rows[key].facts for key in keys if key in rows]
            if has_reached(before, due.leg.route[due.leg.leg - 1].until):
                return None
        metrics.LEGS_BEGUN.of(due.leg.recipients[0].channel, "failed" if due.is_over else "time").add()
        return replace(due.leg, accepted_at=now_ms(), overlaps=may_have_come(before))


def _first_to_begin(due: Due, others: Mapping[str, Sequence[Due]], done: Container[str]) -> DeferredRecord | None:
    """The leg of an earlier message to the same person that has to begin before this one. None of `done` is waited for."""
    theirs = others.get(owner_of(due.leg), ())
    return next((each.record for each in theirs if each.record.record_id not in done and due.waits_for(each)), None)


class LateReleaser(Releaser):
    """Sends again what the provider took and failed later."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._store = parts, parts.store

    def release(self, records: Sequence[DeferredRecord]) -> list[Release]:
        """Those that have not arrived since. What was deleted meanwhile is not sent again: that was the end of it."""
        resends = [read_resend(each) for each in records]
        rows = self._store.deliveries([each.key for each in resends])
        waiting = [each for each in resends if each.key in rows and state(rows[each.key].facts) is State.SENT]
        gone = {each.key for each in waiting if is_deleted(self._store, (each.message.conversation_id, each.message.resend_of))}
        self._fail([rows[key] for key in gone])
        left = [each.message for each in waiting if each.key not in gone]
        # One that is held says when its window was shut.
        again = [each if each.holds else replace(each, accepted_at=now_ms()) for each in left]
        append_messages(self._parts.log, self._parts.partitions, again)
        for each in again:
            metrics.LATE_RESENDS.of(each.recipients[0].channel).add()
        return [Release()] * len(records)

    def _fail(self, rows: Sequence[Delivery]) -> None:
        if not rows:
            return
        now = now_ms()
        facts = {row.key: Facts(failed_at=now, failed_reason=row.facts.bounced_reason) for row in rows}
        events = [state_event(row.seen(facts[row.key]), now, self._parts.partitions) for row in rows]
        self._store.record(facts, changes=learned(events, now))
        moved((row, row.seen(facts[row.key])) for row in rows)
        tell(self._store, self._parts.log, events, now)


def is_deleted(store: MessageStore, place: tuple[str, int]) -> bool:
    """Whether the message at this (conversation, seq) was deleted."""
    return any(isinstance(each.content, Deletion) for each in store.modifications([place]).get(place, ()))


def _name(message: Message) -> tuple[str, str]:
    return message.conversation_id, message.message_id
