"""Runs stages again over a range of the log, and appends again a record that was set aside."""

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.failures import Newer, Permanent, RangeLost
from chat4all.model.ids import resend_message_id
from chat4all.model.messages import (
    Message,
    seq_at,
)
from chat4all.model.records import (
    INCOMING,
    STATUS,
    BatchRef,
    NewRecord,
    Range,
    Record,
    incoming_record,
    partition_of,
    read_message,
    read_status,
    status_record,
)
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import DeadLetter, MessageStore
from chat4all.telemetry.trace_context import HEADER, new
from tasks.outcomes.dead_letters import record_letter
from tasks.outcomes.delivery_metrics import bury
from tasks.pipeline import STAGES, Chains
from tasks.resources import Parts

READ_S = 10.0
APPEND_S = 10.0
# Chains stand in one queue with the live ones: so many may go before them.
CHAINS_MOST = 100


class Again(Struct, frozen=True):
    """A record that is to be appended again. `message_id` is the new message's, empty for a receipt; `notes` for people."""

    record: NewRecord
    message_id: str = ""
    notes: tuple[str, ...] = ()


def place(text: str) -> tuple[str, Range]:
    """What topic:partition:first-last says; one number is one record. Permanent `bad_place`."""
    topic, _, rest = text.partition(":")
    partition, _, span = rest.partition(":")
    first, dash, last = span.partition("-")
    numbers = (partition, first, last if dash else first)
    if topic not in STAGES or not all(each.isdecimal() for each in numbers):
        raise Permanent("bad_place", f"{text}: such as chat-incoming:3:1200-1299; topics: {', '.join(STAGES)}")
    found = Range(*map(int, numbers))
    if found.first > found.last:
        raise Permanent("bad_place", f"{text}: the first record comes first")
    return topic, found


def batches(parts: Parts, topic: str, span: Range, stage: str = "", most: int = CHAINS_MOST) -> list[BatchRef]:
    """The chains that run a range again. Permanent when it is not done yet or too much; RangeLost when it is gone."""
    stages = [each.name for each in STAGES[topic]]
    if stage and stage not in stages:
        raise Permanent("unknown_stage", f"{topic} has {', '.join(stages)}")
    done = parts.store.progress(topic)
    progress = done[span.partition].done if span.partition in done else -1
    if span.last > progress:
        raise Permanent("not_done_yet", f"{topic}:{span.partition} is done up to {progress}; the bridge sees to the rest")
    kept = parts.log.ends(topic)[span.partition][0]
    if span.first < kept:
        raise RangeLost("range_lost", f"{topic}:{span.partition} begins at {kept} now")
    size = parts.settings.batch_records
    if span.last - span.first >= size * most:
        raise Permanent("too_much", f"at most {size * most} records at once")
    firsts = range(span.first, span.last + 1, size)
    spans = [Range(span.partition, first, min(first + size - 1, span.last)) for first in firsts]
    return [BatchRef(topic, (each,), replay=True) for each in spans]


def run_again(chains: Chains, refs: list[BatchRef], stage: str = "") -> None:
    """Hand these out. kombu's OperationalError when the broker is away: some may be handed out, all may be again."""
    for ref in refs:
        chains.hand_out(ref, lambda name: stage in {"", name})


def set_aside(parts: Parts, topic: str, span: Range) -> str:
    """Let the stages pass over a record that only newer code can read; its dead letter's id. Permanent when it is none.

    For whoever has gone back to this code for good: after an upgrade `again` takes it up.
    """
    if span.first != span.last:
        raise Permanent("bad_place", f"{topic}:{span.partition}:{span.first}-{span.last} is more than one record")
    (record,) = parts.log.read(topic, [span], READ_S)
    try:
        (read_message if topic == INCOMING else read_status)(record)
    except Newer as newer:
        letter = record_letter("upgrade", topic, span.partition, span.first, newer.reason, newer.detail)
        bury(parts.store, [letter])
        return letter.letter_id
    raise Permanent("not_newer", f"{topic}:{span.partition}:{span.first} can be read: nothing waits for an upgrade there")


def again(parts: Parts, topic: str, span: Range, replay_id: str, at: int, force: bool = False) -> Again:
    """A set-aside record, to be appended again. Permanent when it is none, cannot be read, or has been done otherwise.

    A message becomes a new one, accepted at `at`, under an id made from the record and `replay_id`.
    """
    buried = parts.store.buried(topic, [span])
    if span.first != span.last or (span.partition, span.first) not in buried:
        raise Permanent("not_set_aside", f"{topic}:{span.partition}:{span.first} is no single record that was set aside")
    (record,) = parts.log.read(topic, [span], READ_S)
    if topic == STATUS:
        return Again(status_record(read_status(record), parts.log.topic(STATUS).partitions, {}))
    notes = _check(parts.store, record, buried[span.partition, span.first], parts.partitions, force)
    message_id = resend_message_id(f"{topic}:{span.partition}:{span.first}", replay_id)
    message = read_message(record)
    if parts.store.registered([(message.conversation_id, message_id)]):
        raise Permanent("done", f"appended again as {message_id}; another time needs another --replay-id")
    made = replace(message, message_id=message_id, accepted_at=at)
    return Again(incoming_record(made, parts.partitions, {HEADER: new()}), message_id, tuple(notes))


def append(parts: Parts, made: Again) -> None:
    """Append it; on return it is durable. Unknown: it may be, and saying it again is once."""
    parts.log.append([made.record], APPEND_S)


def _check(store: MessageStore, record: Record, letter: DeadLetter, partitions: int, force: bool) -> list[str]:
    """What people should know before; Permanent `goes_on` when some of it has been done and `force` is not given."""
    message = read_message(record).placed(seq_at(record.offset))
    place = (message.conversation_id, message.message_id)
    first = store.registered([place]).get(place)
    if first and first.seq != message.seq and not force:
        raise Permanent("goes_on", f"its sender has said message {message.message_id} again since")
    if _rows(store, message, partitions) and not force:
        raise Permanent("goes_on", "its deliveries exist and are sent: look at them with chat4all status")
    if store.messages([(message.conversation_id, message.seq)]):
        return [f"{letter.stage} failed after it was stored: history will show it at its old place as well"]
    return []


def _rows(store: MessageStore, message: Message, partitions: int) -> bool:
    partition = partition_of(message.conversation_id, partitions)
    keys = [delivery_key(message, each, partition) for each in slots(message)]
    return bool(keys and store.deliveries(keys))
