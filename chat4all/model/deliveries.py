"""Deliveries: one message to one address on one channel. Its facts, and the one function that computes its state from them.

Times are milliseconds UTC; 0 means: not known to have happened.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from chat4all.model.content import Content


class State(StrEnum):
    """What is known of a delivery or a message, as the API says it."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"
    READ = "READ"
    CANCELLED = "CANCELLED"


# FAILED and CANCELLED stand unless a later success is known; more facts never lower a state.
RANK = {State.PENDING: 0, State.SENT: 1, State.CANCELLED: 2, State.FAILED: 2, State.DELIVERED: 3, State.READ: 4}


# Behind every recipient of a message. Stores keep an index in 32 bits.
LAST_INDEX = 2**31 - 1
# And a seq in 64.
SEQS = 2**62


class Lane(Struct, frozen=True, order=True):
    """All deliveries of one channel that come from one partition of chat-incoming: the unit of exclusive work."""

    channel: str
    partition: int

    def __str__(self) -> str:
        return f"{self.channel}:{self.partition}"


class DeliveryKey(Struct, frozen=True, order=True):
    """Names a delivery: its lane, its message's seq, and its recipient's index in the message. Holds no address."""

    lane: Lane
    seq: int
    index: int

    def __str__(self) -> str:
        return f"{self.lane}:{self.seq}:{self.index}"

    def resend(self, seq: int) -> "DeliveryKey":
        """Where the record at `seq`, which sends this delivery again, has its own: a resend has one recipient."""
        return DeliveryKey(self.lane, seq, 0)

    @classmethod
    def parse(cls, text: str) -> "DeliveryKey":
        """The key that `str` wrote. ValueError when it is none of ours."""
        channel, partition, seq, index = text.split(":")
        key = cls(Lane(channel, int(partition)), int(seq), int(index))
        # Providers bring such texts back, and anybody may have made one up: what no store can hold is none of ours.
        if not (0 <= key.lane.partition <= LAST_INDEX and 0 <= key.index <= LAST_INDEX and 0 <= key.seq < SEQS):
            raise ValueError("out of bounds")
        return key


class Facts(Struct, frozen=True, omit_defaults=True):
    """What is known to be true of a delivery. A fact is only added, or grows; `merged` joins what two writers know.

    attempts, attempted_at: calls to the provider that were begun, and when the newest was. refusals: those of them that
    certainly did not send; a difference means an unknown outcome. resends: those that followed an unknown outcome and
    may have reached the person twice.
    sent_at, provider_id: the provider took it. Where one call made several messages there, their ids are `together`.
    refused_*: we gave up. failed_*: the provider said so later. bounced_*: it did, for a reason that passes, and a resend is
    on its way: what became of this one is what becomes of that.
    resent_as: the seq of the newest record that sends it again. priced_at, price: what the provider first said that it
    costs (`records.Cost` as text).
    """

    attempts: int = 0
    attempted_at: int = 0
    refusals: int = 0
    resends: int = 0
    sent_at: int = 0
    provider_id: str = ""
    refused_at: int = 0
    refused_reason: str = ""
    failed_at: int = 0
    failed_reason: str = ""
    delivered_at: int = 0
    read_at: int = 0
    resent_as: int = 0
    priced_at: int = 0
    price: str = ""
    bounced_at: int = 0
    bounced_reason: str = ""

    def merged(self, other: "Facts") -> "Facts":
        """The facts of both: the highest counts and attempts, the earliest events. Commutative, associative, idempotent."""
        sent = _first((self.sent_at, self.provider_id), (other.sent_at, other.provider_id))
        refused = _first((self.refused_at, self.refused_reason), (other.refused_at, other.refused_reason))
        priced = _first((self.priced_at, self.price), (other.priced_at, other.price))
        failed = _first((self.failed_at, self.failed_reason), (other.failed_at, other.failed_reason))
        bounced = _first((self.bounced_at, self.bounced_reason), (other.bounced_at, other.bounced_reason))
        return Facts(
            attempts=max(self.attempts, other.attempts),
            attempted_at=max(self.attempted_at, other.attempted_at),
            refusals=max(self.refusals, other.refusals),
            resends=max(self.resends, other.resends),
            sent_at=sent[0],
            provider_id=sent[1],
            refused_at=refused[0],
            refused_reason=refused[1],
            failed_at=failed[0],
            failed_reason=failed[1],
            delivered_at=_earliest(self.delivered_at, other.delivered_at),
            read_at=_earliest(self.read_at, other.read_at),
            resent_as=max(self.resent_as, other.resent_as),
            priced_at=priced[0],
            price=priced[1],
            bounced_at=bounced[0],
            bounced_reason=bounced[1],
        )

    @property
    def ended(self) -> bool:
        """Nothing is left to be done by us: the provider has it, or we gave up."""
        return bool(self.sent_at or self.refused_at or self.failed_at or self.delivered_at or self.read_at)

    @property
    def unknown(self) -> bool:
        """A call was begun whose outcome nobody has told yet."""
        return not self.ended and self.attempts > self.refusals


def _earliest(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


def _first(*dated: tuple[int, str]) -> tuple[int, str]:
    """The earliest of dated texts; of two at the same time the smaller text, so that order cannot matter."""
    return min((each for each in dated if each[0]), default=(0, ""))


class Pointer(Struct, frozen=True, omit_defaults=True):
    """The message that a delivery is about: what it quotes, or what it reacts to, edits or takes back.

    `words`: its own, for whom it cannot be shown. `provider_ids`: what the provider calls it towards this address, where it
    came from there; else `deliveries`: those that brought it there (`DeliveryKey` as text), which know it once they are sent.
    `is_file`: its words are a file's caption.
    """

    message_id: str
    words: str = ""
    provider_ids: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    is_file: bool = False


# The person's window is shut: why a message is refused, or held.
OUTSIDE = "outside_window"
# Ends that somebody wished, by `Facts.refused_reason`, with the reason that is told: these are CANCELLED. Another leg of the
# message's route took over; somebody cancelled it; its broadcast was stopped; nobody wrote while it was held.
SUPERSEDED, CALLED_OFF, BROADCAST_STOPPED, HELD_TOO_LONG = "superseded", "cancelled", "broadcast_stopped", "held_too_long"
CANCELLATIONS = {
    SUPERSEDED: SUPERSEDED,
    CALLED_OFF: CALLED_OFF,
    BROADCAST_STOPPED: BROADCAST_STOPPED,
    HELD_TOO_LONG: "expired",
}
# Somebody wants a delivery not to be sent: its message was deleted, or its words were replaced, before that; or as above.
TAKEN_BACK, REPLACED = "taken_back", "replaced"
WITHDRAWALS = frozenset({TAKEN_BACK, REPLACED, *CANCELLATIONS})
# A message is taken back that was never sent: nobody has to be told.
NOTHING_TO_DO = "nothing_to_do"


class Withdrawn(Struct, frozen=True):
    """The fact that a delivery is not to be sent, since `at`, for a `reason` of `WITHDRAWALS`. `by`: what says so, an id.

    It is no end and no state: a call that is under way may still reach the person. The lane's holder ends the delivery.
    """

    at: int
    reason: str
    by: str = ""

    def first(self, other: "Withdrawn") -> "Withdrawn":
        """The one that stands of two: the earlier. Commutative, associative, idempotent."""
        return min(self, other, key=astuple)


class Delivery(Struct, frozen=True, omit_defaults=True):
    """A delivery row: what fan_out wrote once and for all, and the facts since.

    Of a resend, `message_id` and `first_seq` name the message that it sends again, and `first_index` its delivery that this
    repeats; `first_seq` is 0 for every other.
    `trace` is the context of the message's trace (`chat4all.telemetry.tracing`). `part` counts from 0, of `parts` that
    together are what the recipient gets of the message on this channel. `about`: the message that it points at.
    `account`: what it is sent from, as we call it; empty: the environment's account.
    `asks`: it offers choices, which the person may answer in words too.
    `holds`, `expires_at`: as of its message, `as_human`: of its recipient.
    `leg` counts from 0, of `legs` of the message's route; what a later one takes over from is on `first_channel`, and if it
    `overlaps` a leg before may have reached the person.
    """

    key: DeliveryKey
    conversation_id: str
    message_id: str
    user_id: str
    address: str
    payload: Content
    accepted_at: int
    sender_name: str = ""
    first_seq: int = 0
    facts: Facts = Facts()
    trace: str = ""
    part: int = 0
    parts: int = 1
    about: Pointer | None = None
    asks: bool = False
    first_index: int = 0
    account: str = ""
    holds: bool = False
    expires_at: int = 0
    leg: int = 0
    legs: int = 1
    first_channel: str = ""
    overlaps: bool = False
    as_human: bool = False

    @property
    def shut_at(self) -> int:
        """Of a resend that is held: when the provider said of what it sends again that the window was shut; else 0."""
        return self.accepted_at if self.holds and self.first_seq else 0

    @property
    def first_key(self) -> DeliveryKey:
        """The delivery that this one repeats, or takes over from; of all others its own."""
        lane = Lane(self.first_channel or self.key.lane.channel, self.key.lane.partition)
        return DeliveryKey(lane, self.first_seq, self.first_index) if self.first_seq else self.key

    @property
    def has_next(self) -> bool:
        """Whether another leg takes over where this one fails."""
        return self.leg + 1 < self.legs

    def siblings(self) -> list[DeliveryKey]:
        """Where all parts are that this one is of, in order: of a delivery without parts itself only."""
        first = self.key.index - self.part
        return [DeliveryKey(self.key.lane, self.key.seq, first + part) for part in range(self.parts)]

    def seen(self, facts: Facts) -> "Delivery":
        """The same delivery with more facts."""
        return msgspec.structs.replace(self, facts=self.facts.merged(facts))


# Between the ids of what one call made several messages of, such as the pictures of an album: no provider writes it.
BESIDE = "\x1f"


def together(provider_ids: Iterable[str]) -> str:
    """The ids of all that one call sent, as one `Facts.provider_id`."""
    return BESIDE.join(provider_ids)


def each_id(provider_id: str) -> tuple[str, ...]:
    """The ids that stand in one, in order; of most sends there is a single one."""
    return tuple(provider_id.split(BESIDE)) if provider_id else ()


def state(facts: Facts) -> State:
    """The state of a delivery: a pure function of its facts, never lower with more of them."""
    if facts.read_at:
        return State.READ
    if facts.delivered_at:
        return State.DELIVERED
    if facts.failed_at or (facts.refused_at and facts.refused_reason not in CANCELLATIONS):
        return State.FAILED
    if facts.refused_at:
        return State.CANCELLED
    return State.SENT if facts.sent_at else State.PENDING


def reason(facts: Facts) -> str:
    """Why a delivery is FAILED or CANCELLED; empty for every other state."""
    if state(facts) not in ENDS:
        return ""
    return facts.failed_reason or CANCELLATIONS.get(facts.refused_reason, facts.refused_reason)


def folded(parts: Sequence[Facts]) -> Facts:
    """What is true of a recipient whose message went in parts: failed where one of them did, then cancelled, else as far as the
    slowest.
    """
    ended = [each for one in (State.FAILED, State.CANCELLED) for each in parts if state(each) is one]
    return ended[0] if ended else min(parts, key=lambda each: RANK[state(each)])


def of_parts(states: Sequence[State]) -> State:
    """The state of a recipient on a channel by those of the parts: as `folded`."""
    ended = [each for each in (State.FAILED, State.CANCELLED) if each in states]
    return ended[0] if ended else min(states, key=RANK.__getitem__)


def history(facts: Facts) -> list[tuple[State, int, str]]:
    """The states a delivery is known to have been in, as (state, at, reason) by time. SENT with a reason: it came back, and is
    sent again.
    """
    steps = [
        (facts.sent_at, State.SENT, ""),
        (facts.refused_at, *_given_up(facts.refused_reason)),
        (facts.failed_at, State.FAILED, facts.failed_reason),
        (facts.sent_at and facts.bounced_at, State.SENT, facts.bounced_reason),
        (facts.delivered_at, State.DELIVERED, ""),
        (facts.read_at, State.READ, ""),
    ]
    known = sorted((at, RANK[what], what, why) for at, what, why in steps if at)
    return [(what, at, why) for at, _, what, why in known]


def _given_up(why: str) -> tuple[State, str]:
    """The state that it came to when we gave it up, and the reason that is told."""
    return (State.CANCELLED, CANCELLATIONS[why]) if why in CANCELLATIONS else (State.FAILED, why)


# Nobody has it, as far as is known.
ENDS = frozenset({State.FAILED, State.CANCELLED})
ARRIVED = frozenset({State.SENT, State.DELIVERED, State.READ})


def standing(first: Facts, newest: Facts) -> Facts:
    """The facts that count of a delivery and its newest resend: those of what arrived; else of the newest that has ended.

    So FAILED stands while the resend is on its way: what was shown does not become PENDING again. A first one that the
    provider failed later, for a reason that passes, counts as SENT only for as long.
    """
    if first.bounced_at and state(first) is State.SENT:
        return newest if state(newest) in ENDS or RANK[state(newest)] > RANK[State.SENT] else first
    arrived = max((newest, first), key=lambda facts: RANK[state(facts)] if state(facts) in ARRIVED else -1)
    return first if state(arrived) is State.PENDING else arrived


class Watermark(Struct, frozen=True, omit_defaults=True):
    """How far a member has come in a conversation, by seq, and when that was said. Positions only grow."""

    conversation_id: str
    user_id: str
    delivered_up_to: int = 0
    delivered_at: int = 0
    read_up_to: int = 0
    read_at: int = 0

    def state_of(self, seq: int) -> State:
        """What this member's own client has said of the message at `seq`."""
        if self.read_up_to >= seq:
            return State.READ
        return State.DELIVERED if self.delivered_up_to >= seq else State.SENT


def best(states: Iterable[State]) -> State:
    """The state of a recipient who is reached in several ways: by those that were not cancelled, if there are any."""
    ways = list(states)
    return max([each for each in ways if each is not State.CANCELLED] or ways, key=RANK.__getitem__)


def message_state(recipients: Iterable[State], again: Iterable[State] = ()) -> tuple[State, bool]:
    """A stored message's state, and whether it failed for some. The lowest of those it did not fail for.

    `again`: how far those have come by a resend for whom it had FAILED. They stay among those it failed for until they are
    as far as the rest: a message that was DELIVERED to the others does not become SENT because it is sent again to one.
    READ only when all have read it: who it failed for may still turn out to have it, and the state must not fall then.
    Those whose delivery was cancelled are left out in the same way, and it did not fail for them: CANCELLED, if it was for all.
    A message without recipients is SENT: the server has it.
    """
    states, resent = list(recipients), list(again)
    alive = [each for each in states if each not in ENDS]
    reached = [each for each in resent if each not in ENDS]
    ended = len(states) - len(alive) + len(resent) - len(reached)
    failed = sum(each is State.FAILED for each in (*states, *resent))
    if not alive and not reached and ended:
        return State.FAILED if failed else State.CANCELLED, False
    # Of those who were only reached by a resend the furthest: each began at FAILED, and none may lower the others.
    lowest = min(alive, key=RANK.__getitem__) if alive else best(reached or [State.SENT])
    if ended or any(each is not State.READ for each in reached):
        lowest = min(lowest, State.DELIVERED, key=RANK.__getitem__)
    return lowest, bool(failed) or any(RANK[each] < RANK[lowest] for each in reached)
