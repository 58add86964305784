"""Sends a failed delivery again: a new record in chat-incoming in the same conversation, which refers to the first delivery.

Its id is made from that delivery and a replay id, so that doing it twice makes one record. Without a replay id it is "the one
after the newest resend": a second run makes the first one's id again, until that one has failed too. No row is changed here.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels import CHANNELS
from chat4all.model.content import Deletion
from chat4all.model.conversations import Identity
from chat4all.model.deliveries import TAKEN_BACK, Delivery, DeliveryKey, State, reason, standing, state
from chat4all.model.failures import Permanent
from chat4all.model.ids import resend_message_id
from chat4all.model.messages import Message
from chat4all.model.modifiers import Place
from chat4all.model.records import incoming_record, partition_of
from chat4all.model.resends import resend_of
from chat4all.model.slots import delivery_key, resent_key, slots
from chat4all.model.workspaces import space_at
from chat4all.ports import EventLog, MessageStore
from chat4all.services.accounts.live import REMOVED, LiveChannels
from chat4all.services.modified import modifications_of
from chat4all.telemetry.trace_context import HEADER, new

APPEND_S = 10.0
APPENDED_AT_ONCE = 500


class Wish(Struct, frozen=True):
    """What an operator asks for. `force`: also what has not FAILED; it needs a `replay_id`, and is done once for it."""

    replay_id: str = ""
    force: bool = False


class Resend(Struct, frozen=True):
    """A delivery that is to be sent again: where it stands, and the message of the record that does it."""

    key: DeliveryKey
    stands: str
    message: Message


class Left(Struct, frozen=True):
    """What is left as it is, and why."""

    name: str
    why: str


class Plan(Struct, frozen=True):
    """What a wish comes to, by lane and seq."""

    resends: tuple[Resend, ...] = ()
    left: tuple[Left, ...] = ()


class Where(Struct, frozen=True):
    """How far a resend has come. `state` is ACCEPTED until it has a row; `ended`: nothing is left to be done by us."""

    key: DeliveryKey
    state: str
    reason: str = ""
    ended: bool = False


class _First(Struct, frozen=True):
    """A delivery that is no resend, its message, and its newest resend."""

    row: Delivery
    message: Message
    newest: Delivery | None


def keys_of(store: MessageStore, partitions: int, message_id: str) -> list[DeliveryKey]:
    """The deliveries of a message. Permanent `unknown_message` when it is not stored."""
    places = [(each.conversation_id, each.seq) for each in store.places_of(message_id.lower())]
    found = store.messages(places).values() if places else ()
    if not found:
        raise Permanent("unknown_message", f"{message_id} is not stored")
    return [
        delivery_key(message, slot, partition_of(message.conversation_id, partitions))
        for message in found
        for slot in slots(message)
    ]


def plan(store: MessageStore, live: LiveChannels, keys: Iterable[DeliveryKey], wish: Wish, at: int) -> Plan:
    """What sending these deliveries again would do. `at` is when the new records are accepted, ms UTC.

    Each goes out from the account that it went out from first; where that was removed, from the one that answers now.
    """
    firsts, left = _firsts(store, list(dict.fromkeys(keys)))
    homes = store.identities(list({each.row.user_id for each in firsts})) if firsts else {}
    decided = [_decided(each, homes.get(each.row.user_id, []), wish, at) for each in firsts]
    decided = [_from_one_in_use(store, live, each) if isinstance(each, Resend) else each for each in decided]
    resends = [each for each in decided if isinstance(each, Resend)]
    said = store.registered([_id(each) for each in resends]) if resends else {}
    left += [each for each in decided if isinstance(each, Left)]
    left += [Left(str(each.key), "done: sent again under this replay id") for each in resends if _id(each) in said]
    fresh = (each for each in resends if _id(each) not in said)
    return Plan(tuple(sorted(fresh, key=lambda each: each.key)), tuple(left))


def append(log: EventLog, partitions: int, resends: Sequence[Resend]) -> None:
    """Have these sent again; on return they are durable. Unknown: they may be, and saying it again is once."""
    append_messages(log, partitions, [each.message for each in resends])


def append_messages(log: EventLog, partitions: int, messages: Iterable[Message]) -> None:
    """Have messages accepted that follow from others, each the beginning of a trace; on return they are durable."""
    waiting = iter(messages)
    while some := list(islice(waiting, APPENDED_AT_ONCE)):
        log.append([incoming_record(each, partitions, {HEADER: new()}) for each in some], APPEND_S)


def whereabouts(store: MessageStore, resends: Sequence[Resend]) -> list[Where]:
    """How far these have come, in their order."""
    kept = store.registered([_id(each) for each in resends]) if resends else {}
    keys = {_id(each): each.key.resend(kept[_id(each)].seq) for each in resends if _id(each) in kept}
    rows = store.deliveries(list(keys.values())) if keys else {}
    return [_where(each.key, rows.get(keys.get(_id(each), each.key))) for each in resends]


def _where(key: DeliveryKey, row: Delivery | None) -> Where:
    if row is None:
        return Where(key, "ACCEPTED")
    return Where(key, state(row.facts).value, reason(row.facts), row.facts.ended)


def _id(resend: Resend) -> tuple[str, str]:
    return resend.message.conversation_id, resend.message.message_id


def _firsts(store: MessageStore, keys: Sequence[DeliveryKey]) -> tuple[list[_First], list[Left]]:
    """The deliveries that these are, or that these repeat."""
    rows = store.deliveries(keys) if keys else {}
    said = _messages(store, rows.values())
    wanted = dict.fromkeys(_first_key(key, said.get((row.conversation_id, key.seq))) for key, row in rows.items())
    left = [Left(str(key), "unknown delivery") for key in keys if key not in rows]
    rows = store.deliveries(list(wanted)) if wanted else {}
    withdrawn = store.withdrawn(list(rows)) if rows else {}
    said = _messages(store, rows.values())
    deleted = _deleted(store, list(said.values()))
    again = {key: key.resend(row.facts.resent_as) for key, row in rows.items() if row.facts.resent_as}
    newest = store.deliveries(list(again.values())) if again else {}
    firsts = []
    for key in wanted:
        row = rows.get(key)
        message = said.get((row.conversation_id, key.seq)) if row else None
        if row is None or message is None:
            left.append(Left(str(key), "its message is not stored any more"))
        elif key in withdrawn or (row.conversation_id, key.seq) in deleted:
            why = withdrawn[key].reason if key in withdrawn else TAKEN_BACK
            left.append(Left(str(key), f"{why}: it is not to be sent any more"))
        else:
            firsts.append(_First(row, message, newest.get(again.get(key, key))))
    return firsts, left


def _messages(store: MessageStore, rows: Iterable[Delivery]) -> Mapping[tuple[str, int], Message]:
    places = list({(row.conversation_id, row.key.seq) for row in rows})
    return store.messages(places) if places else {}


def _deleted(store: MessageStore, messages: Sequence[Message]) -> set[Place]:
    """Which of these were deleted. What had arrived by then was not withdrawn: the provider may say later that it failed."""
    known = modifications_of(store, messages) if messages else {}
    return {place for place, some in known.items() if any(isinstance(each.content, Deletion) for each in some)}


def _first_key(key: DeliveryKey, message: Message | None) -> DeliveryKey:
    if message is None or not message.resend_of:
        return key
    return resent_key(message, key.lane)


def _decided(first: _First, homes: Sequence[Identity], wish: Wish, at: int) -> Resend | Left:
    row, channel = first.row, first.row.key.lane.channel
    if first.newest and not first.newest.facts.ended and not wish.force:
        return Left(str(row.key), "PENDING: it is being sent again; only FAILED is, unless with --force --replay-id")
    facts = standing(row.facts, first.newest.facts) if first.newest else row.facts
    now = state(facts)
    stands = f"{now.value} {reason(facts)}".rstrip()
    if now is not State.FAILED and not wish.force:
        return Left(str(row.key), f"{stands}: only FAILED is sent again, unless with --force --replay-id")
    if channel not in CHANNELS:
        return Left(str(row.key), f"{stands}: there is no channel {channel}")
    address = _address(row, homes)
    if not address:
        return Left(str(row.key), f"{stands}: {row.user_id} has no verified address on {channel}")
    message_id = resend_message_id(str(row.key), wish.replay_id or f"after {row.facts.resent_as}")
    return Resend(row.key, stands, resend_of(row, first.message, message_id, address, at))


def _from_one_in_use(store: MessageStore, live: LiveChannels, resend: Resend) -> Resend:
    """What a removed account sent goes out from another one: whether that one may write to them, the provider says."""
    [recipient] = resend.message.recipients
    channel = recipient.channel
    if live.of(channel, recipient.account).stopped_by != REMOVED:
        return resend
    place = (channel, recipient.address)
    account = live.sends_from(channel, store.last_wrote([place]).get(place, {}))
    message = replace(resend.message, recipients=(replace(recipient, account=account),))
    return replace(resend, stands=f"{resend.stands}, now from {account or channel}", message=message)


def _address(row: Delivery, homes: Sequence[Identity]) -> str:
    """The address it went to, if it is still this user's; else the one that they wrote from last. Empty if there is none."""
    where = space_at(row.conversation_id, row.key.lane.channel)
    here = [each for each in homes if each.channel == where and each.verified]
    if any(each.address == row.address for each in here):
        return row.address
    return max(here, key=lambda each: each.last_wrote_at).address if here else ""
