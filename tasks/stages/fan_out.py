"""The stage fan_out: delivery rows, events, `fanned` of the lanes, progress, wake-ups; each is durable before the next."""

from collections.abc import Iterator

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms
from chat4all.model.content import Choices, Deletion, Poll
from chat4all.model.deliveries import TAKEN_BACK, Delivery, DeliveryKey, Facts, Withdrawn
from chat4all.model.failures import Unknown
from chat4all.model.messages import Message, offset_of, seq_at
from chat4all.model.records import INCOMING, partition_of
from chat4all.model.slots import delivery_key, resent_key, slots
from chat4all.ports import MessageStore, Registration
from chat4all.services.handling import handling_event, opened_by, settle_told
from chat4all.services.legs import begun_legs
from chat4all.services.wake import wake_free
from chat4all.services.withdrawals import withdraw
from chat4all.telemetry import logs, metrics
from tasks.outcomes.dead_letters import delivery_letter
from tasks.outcomes.delivery_metrics import bury, made
from tasks.outcomes.events import as_one, learned, message_event, rejected_event, state_event, tell
from tasks.outcomes.legs import audible, take_over, timers
from tasks.resources import Parts
from tasks.stages.batches import Batch
from tasks.stages.persist import split_live
from tasks.stages.targets import Aimed, aimed

log = logs.logger(__name__)

# Between two of these the batch shows a heartbeat, so that the bridge does not hand it out again.
ROWS_AT_ONCE = 1000
REJECTED = "message_id_conflict"


def rows_of(message: Message, partitions: int, aims: Aimed | None = None) -> Iterator[Delivery]:
    """The delivery rows of a message: the same whenever it is asked, for all was frozen. `aims`: what its batch points at."""
    partition = partition_of(message.conversation_id, partitions)
    for slot in slots(message):
        recipient = slot.recipient
        reason = "" if recipient.address else recipient.unreached or "no_identity"
        if recipient.channel not in CHANNELS:
            reason = "unknown_channel"
        yield Delivery(
            key=delivery_key(message, slot, partition),
            conversation_id=message.conversation_id,
            message_id=message.resend_id or message.message_id,
            user_id=recipient.user_id,
            address=recipient.address,
            payload=slot.payload,
            accepted_at=message.accepted_at,
            sender_name=slot.sender_name,
            part=slot.part,
            parts=slot.parts,
            first_seq=message.resend_of,
            first_index=message.resend_index,
            trace=message.trace,
            facts=Facts(refused_at=message.accepted_at, refused_reason=reason) if reason else Facts(),
            account=recipient.account,
            holds=message.holds,
            expires_at=message.expires_at,
            asks=isinstance(message.payload, Choices | Poll),
            about=aims.pointer(message, recipient, partitions) if aims and not slot.part else None,
            leg=message.leg,
            legs=len(message.route) or 1,
            first_channel=message.first_channel,
            overlaps=message.overlaps,
            as_human=recipient.as_human,
        )


def resent(message: Message, row: Delivery) -> tuple[DeliveryKey, Facts]:
    """The fact that an older delivery is sent again by this one."""
    return resent_key(message, row.key.lane), Facts(resent_as=message.seq)


def fan_out(parts: Parts, batch: Batch, replay: bool) -> None:
    """Turn a batch's live messages into deliveries and events, then move on. Refuses a range that leaves a gap."""
    store, partitions = parts.store, parts.partitions
    _refuse_gaps(parts, batch, replay)
    registered, repeats = split_live(store, batch.messages())
    aims = aimed(store, registered)
    live = aims.messages
    rows: list[Delivery] = []
    again: dict[DeliveryKey, Facts] = {}
    for message in live:
        of_message = list(rows_of(message, partitions, aims))
        rows += of_message
        if message.resend_of and not message.leg:
            again.update(resent(message, row) for row in of_message)
    _write_rows(parts, batch, rows, again)
    for keys, why in [*aims.withdrawals(partitions), *_of_legs(store, aims, partitions)]:
        withdraw(store, keys, why)
    _schedule_legs(store, live, rows)
    events = [message_event(each, partitions) for each in live if not each.resend_of]
    events += [
        rejected_event(each, REJECTED, partitions) for each, first in repeats if is_conflict(each, first) and not each.resend_of
    ]
    events += [rejected_event(each, why, partitions) for each, why in aims.refused]
    ended = audible(store, as_one(store, [row for row in rows if row.facts.ended]))
    events += [state_event(row, row.accepted_at, partitions) for row in ended]
    opened = opened_by(store, [each for each in live if not each.resend_of])
    events += [handling_event(each, partitions) for each in opened]
    now = now_ms()
    if changes := learned(events, now):
        store.note_changes(changes)
    tell(store, parts.log, events, now)
    settle_told(store, opened)
    if opened:
        metrics.CONVERSATIONS_OPENED.of("customer").add(len(opened))
    if replay:
        return
    made(rows)
    conflicts = sum(is_conflict(each, first) for each, first in repeats)
    counts = {"first": len(live), "repeat": len(repeats) - conflicts, "conflict": conflicts, "refused": len(aims.refused)}
    for outcome, number in counts.items():
        metrics.FANNED_OUT.of(outcome).add(number)
    last = {span.partition: span.last for span in batch.ranges}
    fanned = {row.key.lane: seq_at(last[row.key.lane.partition]) for row in rows if row.key.lane.channel in CHANNELS}
    if fanned:
        store.raise_fanned(fanned)
    store.raise_progress(batch.topic, last)
    wake_free(parts.waker, store, list(fanned))


def _schedule_legs(store: MessageStore, live: list[Message], rows: list[Delivery]) -> None:
    """Write down when the next legs begin: those of rows that FAILED as they were made, now."""
    routed = [each for each in live if each.route]
    if not routed:
        return
    of_message: dict[tuple[str, int], list[Delivery]] = {}
    for row in rows:
        of_message.setdefault((row.conversation_id, row.key.seq), []).append(row)
    store.put_deferred_records(
        [timer for each in routed for timer in timers(each, of_message.get((each.conversation_id, each.seq), []))]
    )
    take_over(store, rows, now_ms())


def _of_legs(store: MessageStore, aims: Aimed, partitions: int) -> list[tuple[list[DeliveryKey], Withdrawn]]:
    """A message that is deleted is not to be sent by a later leg either, whichever of the two comes first here."""
    deletions = [(each, target) for each, target in aims.deletions() if target.route]
    begun = begun_legs(store, [target for _, target in deletions])
    said = [(each, leg) for each, target in deletions for leg in begun[target.conversation_id, target.seq]]
    legs = [each for each in aims.messages if each.leg]
    known = store.modifications(list({(each.conversation_id, each.resend_of) for each in legs})) if legs else {}
    why = [(Withdrawn(each.accepted_at, TAKEN_BACK, each.message_id), leg) for each, leg in said]
    why += [
        (Withdrawn(each.at, TAKEN_BACK, str(each.seq)), leg)
        for leg in legs
        for each in known.get((leg.conversation_id, leg.resend_of), ())
        if isinstance(each.content, Deletion)
    ]
    return [
        ([delivery_key(leg, slot, partition_of(leg.conversation_id, partitions)) for slot in slots(leg)], each)
        for each, leg in why
    ]


def is_conflict(message: Message, first: Registration) -> bool:
    """Whether somebody used an id again for other words.

    A provider's message is the same however often it is brought: newer code may only have read it in other words.
    """
    return first.digest != message.digest and message.origin is None


def _refuse_gaps(parts: Parts, batch: Batch, replay: bool) -> None:
    progress = parts.store.progress(INCOMING)
    for span in batch.ranges:
        done = progress[span.partition].done if span.partition in progress else -1
        if span.first > done + 1 or (replay and span.last > done):
            raise Unknown("range_out_of_turn", f"{INCOMING}:{span.partition}:{span.first}-{span.last}, progress is {done}")


def _write_rows(parts: Parts, batch: Batch, rows: list[Delivery], again: dict[DeliveryKey, Facts]) -> None:
    store = parts.store
    for start in range(0, len(rows), ROWS_AT_ONCE):
        store.put_deliveries(rows[start : start + ROWS_AT_ONCE])
        if len(rows) > ROWS_AT_ONCE:
            store.beat(batch.topic, [span.partition for span in batch.ranges])
    if again:
        store.record(again)
    now = now_ms()
    # What a next leg takes over needs nobody to look into it.
    refused = [row for row in rows if row.facts.refused_at and not row.has_next]
    letters = [delivery_letter(row, now, row.facts.refused_reason) for row in refused]
    bury(store, letters)
    _end_what_was_set_aside(parts, batch, rows)


def _end_what_was_set_aside(parts: Parts, batch: Batch, rows: list[Delivery]) -> None:
    """Another process may have taken a record for one that kills, while we were frozen with it, and have gone on.

    Its lane has passed the places of these rows then, and nobody would ever look at them. Letters are written before positions
    move, and looked for here after the rows were written: no row falls between.
    """
    gone = parts.store.buried(batch.topic, batch.ranges)
    late = [row.key for row in rows if (row.key.lane.partition, offset_of(row.key.seq)) in gone] if gone else []
    if not late:
        return
    refused = Facts(refused_at=now_ms(), refused_reason="set_aside")
    kept = parts.store.deliveries(late)
    parts.store.record(
        {key: refused for key in late if key in kept and not kept[key].facts.ended and not kept[key].facts.attempts}
    )
