"""A message as the API shows it: the state of each delivery, and the status that follows for the message. Works on batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from chat4all.model import content
from chat4all.model.advice import advice
from chat4all.model.callers import Caller
from chat4all.model.clock import rfc3339
from chat4all.model.conversations import Membership, User, UserKind
from chat4all.model.deliveries import (
    Delivery,
    DeliveryKey,
    Facts,
    State,
    Watermark,
    best,
    each_id,
    folded,
    history,
    message_state,
    reason,
    standing,
    state,
)
from chat4all.model.messages import Message, Origin, Recipient
from chat4all.model.modifiers import Current, Reacted, Voted, as_it_is_now, readable, without_words
from chat4all.model.records import Cost, partition_of
from chat4all.model.routes import of_legs
from chat4all.model.slots import Slot, delivery_key, slots
from chat4all.ports import Channel, Limits, MessageStore
from chat4all.services.acceptance.attachments import caption
from chat4all.services.accounts.live import accounts_of
from chat4all.services.directory import People
from chat4all.services.legs import begun_legs
from chat4all.services.modified import modifications_of
from chat4all.services.retired_deliveries import deliveries_of
from chat4all.telemetry.trace_context import trace_id
from webapp.queries.conversions import Conversions, goes_converted
from webapp.requests.validation import without_blanks

# A file that goes as words with a link to it.
LINK = "link"
OWN_CLIENT = "chat4all"
READERS = (UserKind.PERSON, UserKind.CLIENT)

Rows = Mapping[DeliveryKey, Delivery]
# Of each part that goes to one person in one way: what counts of it, and what is known of its first delivery.
Way = tuple[tuple[Facts, ...], tuple[Facts, ...]]


class Timeline:
    """Shapes stored messages of one conversation."""

    def __init__(self, store: MessageStore, people: People, partitions: int, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._people = people
        self._partitions = partitions
        self._channels = channels

    def shape(
        self, membership: Membership, messages: Sequence[Message], caller: Caller, original: bool = False
    ) -> list[dict[str, Any]]:
        """The messages as the API gives them to this caller: as they are now, or, `original`, with what was said first."""
        conversation_id = membership.conversation.conversation_id
        partition = partition_of(conversation_id, self._partitions)
        legs = begun_legs(self._store, messages)
        rows = self._rows(partition, [*messages, *(leg for some in legs.values() for leg in some)])
        marks = {each.user_id: each for each in self._store.watermarks([conversation_id]).get(conversation_id, [])}
        users = self._people.users(member.user_id for member in membership.members)
        sends = [
            (slot, rows.get(delivery_key(message, slot, partition)), message.accepted_at)
            for first in messages
            for message in (first, *legs.get((first.conversation_id, first.seq), ()))
            for slot in slots(message)
        ]
        conversions = Conversions(self._store, sends)
        shaped = [
            self._one(
                message,
                legs.get((conversation_id, message.seq), ()),
                partition,
                rows,
                marks,
                readers(membership, message, users),
                conversions,
            )
            for message in messages
        ]
        return [each | now for each, now in zip(shaped, self._now(membership, messages, caller, original), strict=True)]

    def _now(
        self, membership: Membership, messages: Sequence[Message], caller: Caller, original: bool
    ) -> Iterator[dict[str, Any]]:
        """What each message says, and what was said of it since."""
        known = modifications_of(self._store, messages) if messages else {}
        for message in messages:
            of_it = known.get((message.conversation_id, message.seq), ())
            now = as_it_is_now(message, of_it if caller.sees_all else readable(of_it, membership, caller.user_id))
            yield said(message, now, original)

    def _rows(self, partition: int, messages: Iterable[Message]) -> Rows:
        """The delivery rows of these messages, and those of their newest resends."""
        firsts = {delivery_key(message, slot, partition): (message, slot) for message in messages for slot in slots(message)}
        rows = deliveries_of(self._store, firsts)
        again = {key: firsts[row.key] for row in rows.values() if (key := resend_key(row))}
        return {**rows, **deliveries_of(self._store, again)} if again else rows

    def _delivery(
        self, message: Message, slot: Slot, row: Delivery | None, rows: Rows, conversions: Conversions
    ) -> dict[str, Any]:
        """One delivery, with what it goes as, what its file is converted to, and why it waits."""
        delivery = external(slot.recipient, row, rows)
        why = accounts_of(self._channels).stopped_by(slot.recipient.channel, slot.recipient.account)
        if why and delivery["status"] is State.PENDING:
            delivery["reason"] = why
        if done := advice(delivery.get("reason", "")):
            delivery["advice"] = done
        converted = conversions.of(slot, row, message.accepted_at)
        channel = self._channels.get(slot.recipient.channel)
        return delivery | carried(message, slot, channel, goes_converted(slot, converted)) | converted

    def _one(
        self,
        message: Message,
        legs: Sequence[Message],
        partition: int,
        rows: Rows,
        marks: Mapping[str, Watermark],
        people: Sequence[str],
        conversions: Conversions,
    ) -> dict[str, Any]:
        deliveries: list[dict[str, Any]] = []
        ways: dict[str, list[Way]] = {}
        parts: list[tuple[Facts, Facts]] = []
        for leg, slot in [(each, slot) for each in (message, *legs) for slot in slots(each)]:
            row = rows.get(delivery_key(leg, slot, partition))
            delivery = self._delivery(message, slot, row, rows, conversions)
            deliveries.append(delivery | ({"leg": leg.leg + 1} if message.route else {}))
            parts.append((stands(row, rows), row.facts if row else Facts()))
            if slot.part + 1 == slot.parts:
                ways.setdefault(slot.recipient.user_id, []).append(
                    (tuple(now for now, _ in parts), tuple(one for _, one in parts))
                )
                parts = []
        states = {user_id: _states(message, [now for now, _ in each]) for user_id, each in ways.items()}
        firsts = {user_id: _states(message, [first for _, first in each]) for user_id, each in ways.items()}
        for user_id in people:
            mark = marks.get(user_id, Watermark(message.conversation_id, user_id))
            come = mark.state_of(message.seq)
            if user_id not in states or come is not State.SENT:
                deliveries.append(internal(message, mark))
            states.setdefault(user_id, []).append(come)
            firsts.setdefault(user_id, []).append(come)
        again = [user_id for user_id, each in firsts.items() if best(each) is State.FAILED]
        status, partially = message_state(
            [best(each) for user_id, each in states.items() if user_id not in again], [best(states[each]) for each in again]
        )
        shaped = {
            "message_id": message.message_id,
            "conversation_id": message.conversation_id,
            "seq": message.seq,
            "sender": message.sender,
            "accepted_at": rfc3339(message.accepted_at),
            "status": status,
            "partially_failed": partially,
            "deliveries": deliveries,
        }
        return shaped | _beside(message)


def _states(message: Message, ways: Sequence[Sequence[Facts]]) -> list[State]:
    """How far a person is by each way, by the facts of its parts; the legs of a route are one way."""
    return [of_legs(ways, len(message.route))] if message.route else [state(folded(parts)) for parts in ways]


def said(message: Message, now: Current, original: bool) -> dict[str, Any]:
    """What a message says as it is now, and what became of it; `original`: what it said first."""
    shown = without_words(message) if now.payload is None and not original else message
    payload = shown.payload if original else now.payload or shown.payload
    since = {
        "metadata": shown.metadata,
        "referral": shown.referral,
        "reactions": [{"emoji": each.emoji} | _by(each) for each in now.reactions],
        "votes": [_vote(each) for each in now.votes],
        "edited_at": rfc3339(now.edited_at) if now.edited_at else "",
        "deleted_at": rfc3339(now.deleted_at) if now.deleted_at else "",
    }
    return {"payload": content.shown(payload)} | without_blanks(since)


def _by(each: Reacted | Voted) -> dict[str, str]:
    return {"sender": each.sender, "at": rfc3339(each.at)} | ({"sender_name": each.speaker} if each.speaker else {})


def _vote(each: Voted) -> dict[str, Any]:
    vote = each.vote
    chosen = {"options": list(vote.options), "titles": list(vote.titles), "counts": list(vote.counts)}
    return without_blanks(chosen) | _by(each)


def _beside(message: Message) -> dict[str, Any]:
    """What only some messages have."""
    described = {
        "sender_name": message.sender_name,
        "trace_id": trace_id(message.trace) if message.trace else "",
        "reply_to": message.reply_to,
        "origin": message.origin and origin(message.origin),
        "forwarded": message.forwarded or None,
        "visibility": message.visibility,
    }
    return without_blanks(described)


def origin(found: Origin) -> dict[str, Any]:
    """Where a provider's message comes from; the person's address is not for everybody who reads it."""
    described = {
        "channel": found.channel,
        "account": found.account,
        "provider_id": found.provider_id,
        "provider_at": rfc3339(found.at),
        "app": found.app,
        "group_id": found.group_id,
        "account_id": found.account_id,
    }
    return without_blanks(described)


def carried(message: Message, slot: Slot, channel: Channel | None, converted: bool = False) -> dict[str, Any]:
    """Which part a delivery is of what goes to its recipient, and as what kind where that is another than the message's."""
    is_link = channel and not converted and goes_as_link(slot, channel.limits)
    kind = LINK if is_link else content.type_of(slot.payload)
    part = {"part": slot.part + 1, "parts": slot.parts} if slot.parts > 1 else {}
    return part | ({"sent_as": kind} if kind != content.type_of(message.payload) else {})


def goes_as_link(slot: Slot, limits: Limits) -> bool:
    """Whether it is a file that the channel takes in no way. Of one that a provider brought the record has no size."""
    file = slot.payload
    if not isinstance(file, content.Media) or not file.object_key:
        return False
    return not limits.takes(file.mime_type, file.size, caption(file, slot.sender_name))


def readers(membership: Membership, message: Message, users: Mapping[str, User]) -> list[str]:
    """Who may read the message in a client of ours, the sender aside. Of a note nobody is told."""
    if message.is_internal:
        return []
    return [
        user_id
        for user_id in dict.fromkeys(member.user_id for member in membership.members)
        if user_id != message.sender
        and users[user_id].kind in READERS
        and membership.may_read(user_id, message.members_version)
    ]


def resend_key(row: Delivery) -> DeliveryKey | None:
    """Where the newest record that sends this delivery again has its own."""
    return row.key.resend(row.facts.resent_as) if row.facts.resent_as else None


def stands(row: Delivery | None, rows: Rows) -> Facts:
    """What counts of a delivery and of its newest resend."""
    again = rows.get(resend_key(row) or row.key) if row else None
    facts = row.facts if row else Facts()
    return standing(facts, again.facts if again and facts.resent_as else facts)


def external(recipient: Recipient, row: Delivery | None, rows: Rows) -> dict[str, Any]:
    """A delivery over a channel, with that of its newest resend: this one's state stands unless the first did arrive."""
    facts = row.facts if row else Facts()
    again = rows.get(resend_key(row) or row.key) if row else None
    newest = again.facts if again and facts.resent_as else facts
    shown = stands(row, rows)
    steps = history(facts) + (history(newest) if newest is not facts else [])
    described = {
        "recipient": recipient.user_id,
        "channel": recipient.channel,
        "account_id": recipient.account,
        "status": state(shown),
        "attempts": facts.attempts + (newest.attempts if newest is not facts else 0),
        "reason": reason(shown),
        "expires_at": rfc3339(row.expires_at) if row and row.expires_at else "",
        "provider_message_id": shown.provider_id,
        "cost": asdict(Cost.parse(shown.price)) if shown.price else None,
    }
    ids = each_id(shown.provider_id)
    if len(ids) > 1:
        described |= {"provider_message_id": ids[0], "provider_message_ids": list(ids)}
    return without_blanks(described) | {"history": [_step(*each) for each in sorted(steps, key=lambda each: each[1])]}


def internal(message: Message, mark: Watermark) -> dict[str, Any]:
    """A member's own client: SENT when accepted, then as far as their positions have come."""
    steps = [(State.SENT, message.accepted_at, "")]
    if mark.delivered_up_to >= message.seq:
        steps.append((State.DELIVERED, mark.delivered_at, ""))
    if mark.read_up_to >= message.seq:
        steps.append((State.READ, mark.read_at, ""))
    return {
        "recipient": mark.user_id,
        "channel": OWN_CLIENT,
        "status": mark.state_of(message.seq),
        "attempts": 0,
        "history": [_step(*each) for each in steps],
    }


def _step(status: State, at: int, why: str) -> dict[str, str]:
    return {"status": status, "at": rfc3339(at), **({"reason": why} if why else {})}
