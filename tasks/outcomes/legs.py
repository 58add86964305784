"""What the end of a leg brings: the next one, and whether readers are told of it.

The next leg of a route is a record that waits in the store. fan_out writes it, due when the leg before has had its time, before
its progress moves. Who writes that a leg FAILED writes it once more, due now, before anything moves past that.
`tasks/follow_ups` appends them, once by the message's id (docs/decisions/routes.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.deliveries import ENDS, SUPERSEDED, Delivery, DeliveryKey, Facts, State, folded, state
from chat4all.model.messages import Message
from chat4all.model.records import ProviderReceipt
from chat4all.model.routes import Step, next_legs, of_legs
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import MessageStore
from chat4all.services.legs import begun_legs

LEG = "leg"
# A leg without a time limit ends with its deliveries, which live for a day unless the deployment says otherwise. Then its next
# one is looked at all the same.
NO_LIMIT_MS = 8 * DAY_MS


class Waiting(Struct, frozen=True):
    """The body of such a record: the leg's message, and the deliveries of the leg before it (`DeliveryKey` as text).

    `is_timer`: that leg has had its time when it is due; else it is there because that leg FAILED.
    """

    message: Message
    before: tuple[str, ...]
    is_timer: bool

    @property
    def keys(self) -> list[DeliveryKey]:
        """The deliveries of the leg before."""
        return [DeliveryKey.parse(each) for each in self.before]


def read_waiting(record: DeferredRecord) -> Waiting:
    """What waits in a record of the kind LEG."""
    return msgspec.convert(record.body, Waiting)


def owner_of(message: Message) -> str:
    """What the waiting legs of one person in one conversation have in common."""
    return f"{message.conversation_id} {message.recipients[0].user_id}"


def timers(message: Message, rows: Sequence[Delivery]) -> list[DeferredRecord]:
    """The next leg of each person of this record, due when this leg has had its time. `rows`: those of the record."""
    return [
        _record(step, rows, step.record.message_id, step.due_at or message.accepted_at + NO_LIMIT_MS, True)
        for step in next_legs(message)
    ]


def _record(step: Step, rows: Sequence[Delivery], record_id: str, due_at: int, is_timer: bool) -> DeferredRecord:
    leg = step.record
    before = tuple(str(row.key) for row in rows if row.user_id == leg.recipients[0].user_id)
    body: dict[str, Any] = msgspec.to_builtins(Waiting(leg, before, is_timer))
    return DeferredRecord(record_id, LEG, due_at, body, leg.accepted_at, owner_of(leg))


def take_over(store: MessageStore, rows: Iterable[Delivery], at: int) -> None:
    """Have the next legs of those that FAILED begin now. Repeating it is once. Reads nothing where no leg failed."""
    failed = {row.key: row for row in rows if row.has_next and state(row.facts) is State.FAILED}
    if not failed:
        return
    said = store.messages(list({(row.conversation_id, row.key.seq) for row in failed.values()}))
    records: dict[str, DeferredRecord] = {}
    for row in failed.values():
        message = said.get((row.conversation_id, row.key.seq))
        siblings = [replace(row, key=key) for key in row.siblings()]
        for step in next_legs(message) if message else ():
            if step.record.recipients[0].user_id == row.user_id:
                record_id = f"{step.record.message_id}:failed"
                records[record_id] = _record(step, siblings, record_id, at, False)
    store.put_deferred_records(list(records.values()))


def audible(store: MessageStore, rows: Sequence[Delivery]) -> list[Delivery]:
    """What readers hear of these: that a leg is over says nothing of its person while another leg may reach them.

    Where one that was superseded is the last to end, its person is FAILED: that is told of the route's last leg, whose end was
    not told when it came.
    """
    doubtful = [row for row in rows if row.legs > 1 and state(row.facts) in ENDS]
    if not doubtful:
        return list(rows)
    persons = _persons(store, doubtful)
    heard = [persons.get(row.key, row) for row in rows]
    return list({row.key: row for row in heard if row}.values())


def _persons(store: MessageStore, rows: Sequence[Delivery]) -> dict[DeliveryKey, Delivery | None]:
    """Of which row readers hear that the person of each of these legs is FAILED, by all legs that were begun; None: they
    are not. Without a route: absent.
    """
    first = {row.key: (row.conversation_id, row.first_seq or row.key.seq) for row in rows}
    said = {place: each for place, each in store.messages(list(set(first.values()))).items() if each.route}
    begun = begun_legs(store, list(said.values()))
    legs = {
        row.key: [keys_of(each, row) for each in (said[place], *begun[place])]
        for row in rows
        if (place := first[row.key]) in said
    }
    kept = store.deliveries(list({key for some in legs.values() for keys in some for key in keys})) if legs else {}
    return {row.key: _of_person(row, kept, legs[row.key], len(said[first[row.key]].route)) for row in rows if row.key in legs}


def _of_person(
    row: Delivery, kept: Mapping[DeliveryKey, Delivery], legs: Sequence[list[DeliveryKey]], most: int
) -> Delivery | None:
    """By what is known of the rows of their legs, this one's as it is given."""
    known = [[each for key in keys if (each := row if key == row.key else kept.get(key))] for keys in legs]
    if of_legs([[each.facts for each in some] for some in known], most) is not State.FAILED:
        return None
    if row.facts.refused_reason != SUPERSEDED or state(row.facts) is not State.CANCELLED:
        return row
    last = next(some for some in reversed(known) if some)
    return replace(last[0], facts=folded([each.facts for each in last]))


def keys_of(leg: Message, row: Delivery) -> list[DeliveryKey]:
    """The deliveries of a leg to the person of this row."""
    return [delivery_key(leg, each, row.key.lane.partition) for each in slots(leg) if each.recipient.user_id == row.user_id]


def late_success(row: Delivery, receipt: ProviderReceipt) -> Facts:
    """A leg that was over has arrived all the same, while the next one took over: counted as a second send."""
    came = receipt.kind in ("delivered", "read") and row.legs > 1 and state(row.facts) in ENDS
    return Facts(resends=row.facts.resends + 1) if came else Facts()
