"""The stage persist: registers every message's id, and writes the messages that are the first with their id."""

from collections.abc import Sequence

from chat4all.model.messages import Message
from chat4all.ports import MessageStore, Registration
from chat4all.services.wake import wake_free
from tasks.outcomes.dead_letters import record_letter
from tasks.outcomes.delivery_metrics import bury
from tasks.resources import Parts
from tasks.stages.batches import Batch
from tasks.stages.targets import aimed


def registrations(messages: list[Message]) -> list[Registration]:
    """What these messages claim: their id, at their seq."""
    return [Registration(each.conversation_id, each.message_id, each.seq, each.digest) for each in messages]


def split_live(store: MessageStore, messages: list[Message]) -> tuple[list[Message], list[tuple[Message, Registration]]]:
    """The live messages, and the repeats with what was registered before them.

    A message is live if and only if the registered seq is its own: then this may be a rerun, and everything is written
    again. A smaller one means that somebody said this id before. One that was never registered was set aside by persist.
    """
    kept = store.registered(list({(each.conversation_id, each.message_id) for each in messages}))
    live, repeats = [], []
    for message in messages:
        first = kept.get((message.conversation_id, message.message_id))
        if first is None:
            continue
        if first.seq == message.seq:
            live.append(message)
        else:
            repeats.append((message, first))
    return live, repeats


def persist(parts: Parts, batch: Batch, replay: bool) -> None:
    """Write the batch's messages. What cannot be read goes to the dead letters."""
    del replay  # the same rows come out
    store = parts.store
    letters = [
        record_letter("persist", each.record.topic, each.record.partition, each.record.offset, "unreadable", each.unreadable)
        for each in batch.entries
        if each.value is None
    ]
    bury(store, letters)
    messages = batch.messages()
    if messages:
        store.register(registrations(messages))
        live, _ = split_live(store, messages)
        aims = aimed(store, live)
        store.put_messages(aims.messages)
        if aims.targets:
            store.put_modifications(aims.modifications())
        free_held(parts, live)


def free_held(parts: Parts, live: Sequence[Message]) -> None:
    """Have the keys looked at that are held for people who wrote. That they did was noted before their record was appended."""
    store = parts.store
    wrote = {(each.origin.channel, each.origin.account_id, each.origin.address): each for each in live if each.origin}
    freed = [each.key for each in store.held_keys(list(wrote))] if wrote else []
    if freed:
        store.open_keys(freed)
        wake_free(parts.waker, store, list(dict.fromkeys(each.lane for each in freed)))
