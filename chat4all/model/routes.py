"""Routes: one leg takes over from another towards one person. Pure rules; no I/O.

Every leg after the first is a record of its own, in the conversation of the first, with an id that follows from message, person
and leg. What a person gets is what became of their legs together.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.content import Content
from chat4all.model.deliveries import (
    ARRIVED,
    ENDS,
    RANK,
    SUPERSEDED,
    WITHDRAWALS,
    Facts,
    State,
    best,
    folded,
    state,
)
from chat4all.model.ids import leg_message_id
from chat4all.model.messages import Leg, Message, Recipient
from chat4all.model.slots import slots

# What is known of each part that goes to one person by one leg, in order.
Parts = Sequence[Facts]


class Step(Struct, frozen=True):
    """The next leg of one person. `record`: its message, accepted when it is appended. `due_at`: when it begins at the latest,
    ms UTC; 0: only when the leg before FAILED.
    """

    record: Message
    due_at: int


def first_rows(message: Message) -> dict[str, int]:
    """The index of the first row of each person of a record, by user."""
    return {each.recipient.user_id: each.index for each in reversed(list(slots(message)))}


def next_legs(message: Message) -> Iterator[Step]:
    """What follows this record, for each of its people. Of the last leg nothing does."""
    number = message.leg + 1
    if number >= len(message.route):
        return
    within_ms = message.route[message.leg].within_ms
    for place, person in enumerate(message.recipients):
        due_at = message.accepted_at + within_ms if within_ms else 0
        yield Step(_leg(message, place, person, number), due_at)


def _leg(message: Message, place: int, person: Recipient, number: int) -> Message:
    """The record of a leg for the person at this place."""
    leg, said = message.route[number], message.resend_id or message.message_id
    return replace(
        message,
        message_id=leg_message_id(message.conversation_id, said, person.user_id, number),
        recipients=(leg.recipients[place],),
        payload=leg.payload or _said(message),
        renditions=leg.renditions,
        resend_of=message.resend_of or message.seq,
        resend_id=said,
        resend_index=message.resend_index if message.leg else first_rows(message)[person.user_id],
        first_channel=message.first_channel or person.channel,
        route=_route_of(message, place),
        leg=number,
        overlaps=False,
        seq=0,
        trace="",
    )


def _route_of(message: Message, place: int) -> tuple[Leg, ...]:
    """The route of one person. What the message says stands at the first leg: a later one may say something else."""
    first, *later = message.route
    return (replace(first, payload=_said(message)), *(replace(each, recipients=(each.recipients[place],)) for each in later))


def _said(message: Message) -> Content:
    """What the message itself says: the record of a later leg has it at the first one."""
    return message.route[0].payload or message.payload


def later_legs(message: Message) -> Iterator[Message]:
    """The records of all later legs that a message may come to, of each of its people in turn, without their places."""
    for place, person in enumerate(message.recipients):
        for number in range(1, len(message.route)):
            yield _leg(message, place, person, number)


def has_reached(parts: Parts, until: str) -> bool:
    """Whether a leg has come as far as was asked."""
    now = state(folded(parts)) if parts else State.PENDING
    return now in ARRIVED and RANK[now] >= RANK[State(until)]


def has_ended_all(parts: Parts) -> bool:
    """Whether the message itself is not to be sent any more: no leg follows."""
    return any(each.refused_reason in WITHDRAWALS - {SUPERSEDED} for each in parts if state(each) in ENDS)


def may_have_come(parts: Parts) -> bool:
    """Whether the person may have got something by this leg."""
    return any(_may_have_come(each) for each in parts)


def _may_have_come(facts: Facts) -> bool:
    doubtful = facts.attempts - facts.refusals
    # Of what is over the last attempt is accounted for: it was refused, or not made.
    return doubtful > 1 if state(facts) in ENDS else bool(doubtful or facts.sent_at)


def of_legs(legs: Sequence[Parts], count: int) -> State:
    """What a person has of a message, by what is known of the legs that were begun, in order, of so many in all.

    A leg that is over says nothing of the person while another may follow. What was SENT once does not become PENDING again.
    """
    states = [state(folded(parts)) for parts in legs if parts]
    came = [each for each in states if each in ARRIVED]
    if came:
        return best(came)
    is_last = len(states) == count or any(has_ended_all(parts) for parts in legs)
    if is_last and states and all(each in ENDS for each in states):
        return State.FAILED
    return State.SENT if any(each.sent_at for parts in legs for each in parts) else State.PENDING
