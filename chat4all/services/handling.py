"""Changes how conversations are handled, and tells readers. Each change is told, if need be by whoever sweeps later."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from chat4all.model.clock import now_ms
from chat4all.model.events import Event, encode
from chat4all.model.handling import TELL, Due, Handling, is_opening
from chat4all.model.ids import handling_event_id
from chat4all.model.messages import Message
from chat4all.model.records import partition_of
from chat4all.ports import EventLog, MessageStore
from chat4all.v1 import chat_pb2 as pb

# Messages looked at in one step, for what a customer said.
PAGE = 200


def handling_event(handling: Handling, partitions: int) -> Event:
    """How a conversation is handled now. `partitions`: how many chat-events has."""
    key = handling.conversation_id
    event = pb.Event(
        event_id=handling_event_id(key, handling.version),
        at_ms=handling.changed_at,
        handling=pb.HandlingEvent(
            conversation_id=key,
            version=handling.version,
            state=handling.state,
            snoozed_until_ms=handling.snoozed_until,
            assignee=handling.assignee,
            priority=handling.priority,
            labels=handling.labels,
            handler=handling.handler,
            changed_by=handling.changed_by,
        ),
    )
    return Event("handling", key, partition_of(key, partitions), event.SerializeToString(), rank=handling.version)


def changed(
    store: MessageStore, conversation_id: str, change: Callable[[Handling], Handling]
) -> tuple[Handling, Handling | None]:
    """Make it what `change` of it is: what is then kept, and the same where that was our doing, for readers to be told."""
    was_changed = False

    def asked(there: Handling) -> Handling:
        nonlocal was_changed
        wanted = change(there)
        was_changed = wanted != there
        return wanted

    kept = store.change_handling(conversation_id, asked)
    return kept, kept if was_changed else None


def tell(store: MessageStore, log: EventLog, handlings: Iterable[Handling], partitions: int, timeout_s: float) -> None:
    """Publish these and note that it was done. Raises as the log does; then whoever sweeps tells them."""
    published = list(handlings)
    if published:
        log.append([encode(handling_event(each, partitions)) for each in published], timeout_s)
        settle_told(store, published)


def settle_told(store: MessageStore, published: Iterable[Handling]) -> None:
    """Readers were told of these."""
    store.settle_due([Due(each.changed_at, each.conversation_id, TELL, each.version) for each in published])


def opened_by(store: MessageStore, messages: Sequence[Message]) -> list[Handling]:
    """The conversations that these messages, which are stored, have opened, as they are now; readers are to be told.

    Costs nothing where nobody handles conversations. Who closes one looks afterwards for what was said meanwhile.
    """
    if not messages or not store.handles_any():
        return []
    handled = store.handlings(list({each.conversation_id for each in messages}))
    said = [each for each in messages if not handled[each.conversation_id].is_open]
    users = store.users(list({each.sender for each in said})) if said else {}
    last: dict[str, int] = {}
    for each in said:
        name = each.conversation_id
        if is_opening(each, users.get(each.sender), handled[name]):
            last[name] = max(each.seq, last.get(name, 0))
    ours = [changed(store, name, partial(Handling.heard, seq=seq, at=now_ms()))[1] for name, seq in last.items()]
    return [each for each in ours if each]


def looked_at(store: MessageStore, handling: Handling) -> Handling | None:
    """Look for what a customer has said since the team has seen it: the conversation, if that opens it."""
    after = handling.seen_up_to
    while not handling.is_open and (page := store.page(handling.conversation_id, after, None, PAGE)):
        if opened := opened_by(store, page):
            return opened[0]
        after = page[-1].seq
    return None
