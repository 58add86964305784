"""The stage receipts: turns what providers and clients report into facts, positions and events."""

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from chat4all.model.causes import SUSPENDS_ACCOUNT
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import RANK, Delivery, DeliveryKey, Facts, State, Watermark, reason, state
from chat4all.model.events import Event
from chat4all.model.records import Position, ProviderReceipt
from chat4all.model.workspaces import bare, workspace_of
from chat4all.ports import Handle, MessageStore, Spoken
from chat4all.services.accounts.news import suspend
from chat4all.telemetry import metrics, tracing
from chat4all.telemetry.trace_context import HEADER
from tasks.outcomes.contact_facts import learn
from tasks.outcomes.dead_letters import delivery_letter, record_letter
from tasks.outcomes.delivery_metrics import bury, count_receipts, moved
from tasks.outcomes.events import as_one, learned, position_event, state_event, tell
from tasks.outcomes.late_failures import late_failures
from tasks.outcomes.legs import audible, late_success, take_over
from tasks.resources import Parts
from tasks.stages.batches import Batch

Id = tuple[str, str, str]
NONE: Mapping[object, str] = {}


def receipt_facts(receipt: ProviderReceipt, is_sent_again: bool = False) -> Facts:
    """What a receipt proves. Whatever came of it, the provider took the message: that reconciles an unknown outcome.

    `is_sent_again`: it failed for a reason that passes, and has not FAILED yet.
    """
    facts = Facts(sent_at=receipt.at, provider_id=receipt.provider_id)
    if receipt.cost:
        facts = facts.merged(Facts(priced_at=receipt.at, price=receipt.cost.text))
    if receipt.kind == "delivered":
        return facts.merged(Facts(delivered_at=receipt.at))
    if receipt.kind == "read":
        return facts.merged(Facts(read_at=receipt.at))
    if receipt.kind == "failed" and is_sent_again:
        return facts.merged(Facts(bounced_at=receipt.at, bounced_reason=receipt.reason))
    if receipt.kind == "failed":
        return facts.merged(Facts(failed_at=receipt.at, failed_reason=receipt.reason or "provider_failed"))
    return facts


def id_of(receipt: ProviderReceipt) -> Id:
    """The provider's name for what the receipt is about."""
    return (receipt.channel, receipt.account, receipt.provider_id)


def receipts(parts: Parts, batch: Batch, replay: bool) -> None:
    """Apply a batch of chat-status."""
    store = parts.store
    values = [each.value for each in batch.entries]
    traces: dict[object, str] = {}
    if tracing.spans():
        traces = {each.value: each.record.headers.get(HEADER, "") for each in batch.entries}
    unreadable = [
        record_letter("receipts", each.record.topic, each.record.partition, each.record.offset, "unreadable", each.unreadable)
        for each in batch.entries
        if each.value is None
    ]
    bury(store, unreadable)
    began = now_ms()
    events = apply_positions(parts, [each for each in values if isinstance(each, Position)])
    events += apply_receipts(parts, [each for each in values if isinstance(each, ProviderReceipt)], traces)
    tell(store, parts.log, events, began)
    if not replay:
        store.raise_progress(batch.topic, {span.partition: span.last for span in batch.ranges})


def apply_receipts(parts: Parts, reported: list[ProviderReceipt], webhooks: Mapping[object, str] = NONE) -> list[Event]:
    """Add what receipts prove to their deliveries; the events of what changed. `webhooks`: traces that brought them.

    A receipt with our reference names its delivery. Any other is parked first and looked up second, while whoever learns
    the id (the lane, or a receipt with our reference) writes it first and looks for parked ones second: none is lost.
    """
    store = parts.store
    count_receipts(reported)
    named, nameless = _by_reference(reported)
    rows = dict(store.deliveries(list({key for key, _ in named}))) if named else {}
    strange = [each for each in named if not _is_of_its_workspace(each, rows)]
    if strange:
        named = [each for each in named if each not in strange]
        nameless += [replace(receipt, reference="") for _, receipt in strange]
    if nameless:
        store.park(nameless)
        handles = store.handles(list({id_of(each) for each in nameless}))
        named += [(handles[id_of(each)], each) for each in nameless if id_of(each) in handles]
        for channel, number in Counter(each.channel for each in nameless if id_of(each) not in handles).items():
            metrics.RECEIPTS_PARKED.of(channel).add(number)
    rows |= store.deliveries([key for key in {key for key, _ in named} if key not in rows]) if nameless else {}
    return apply_named(parts, named, rows, webhooks=webhooks)


def apply_named(
    parts: Parts,
    named: list[tuple[DeliveryKey, ProviderReceipt]],
    rows: Mapping[DeliveryKey, Delivery] | None = None,
    parked: bool = False,
    webhooks: Mapping[object, str] = NONE,
) -> list[Event]:
    """Add what receipts prove to these deliveries; the events of what is now. `parked`: they were, and bring no ids.

    `rows`: what was read of them already.
    """
    if not named:
        return []
    store = parts.store
    rows = store.deliveries(list({key for key, _ in named})) if rows is None else rows
    _suspend_accounts(store, named, rows)
    facts: dict[DeliveryKey, Facts] = {}
    handles: dict[Id, Handle] = {}
    again = late_failures(store, [(rows[key], receipt) for key, receipt in named if key in rows])
    for key, receipt in named:
        if key in rows:
            facts[key] = facts.get(key, Facts()).merged(receipt_facts(receipt, (key, receipt) in again))
            facts[key] = facts[key].merged(late_success(rows[key], receipt))
            _mark(rows[key], receipt, webhooks.get(receipt, ""))
            # Also when this very receipt proved it before: who wrote that may have died before it looked for parked ones.
            if not parked and receipt.reference and rows[key].facts.sent_at in {0, receipt.at}:
                handles[id_of(receipt)] = Handle(*id_of(receipt), key)
    changed = {key: rows[key].seen(more) for key, more in facts.items() if rows[key].seen(more) != rows[key]}
    now = now_ms()
    news = [rows[key].seen(more) for key, more in facts.items() if key in changed or _is_its_state(more, rows[key].facts)]
    events = [state_event(row, now, parts.partitions) for row in news]
    if news or handles:
        of_changed = {key: facts[key] for key in changed}
        store.record(of_changed, list(handles.values()), _spoken(rows, changed), changes=learned(events, now))
        if again:
            store.put_deferred_records(list(again.values()))
        take_over(store, news, now)
    if any(row.parts > 1 or row.legs > 1 for row in news):
        ended = audible(store, [row for row in as_one(store, news) if row.facts.ended])
        events = [state_event(row, now, parts.partitions) for row in ended]
    failed = [
        delivery_letter(row, now, reason(row.facts)) for row in news if state(row.facts) is State.FAILED and not row.has_next
    ]
    learn(parts, [row for row in news if state(row.facts) is State.FAILED])
    bury(store, failed)
    moved((rows[key], row) for key, row in changed.items())
    waiting = store.parked(list(handles)) if handles else []
    return events + apply_named(parts, [(handles[id_of(each)].key, each) for each in waiting], parked=True)


def _suspend_accounts(
    store: MessageStore, named: list[tuple[DeliveryKey, ProviderReceipt]], rows: Mapping[DeliveryKey, Delivery]
) -> None:
    """What failed for a reason that is the account's: it would fail for all that is sent from it, so that waits."""
    refused: dict[tuple[str, str], int] = {}
    for key, receipt in named:
        if receipt.reason in SUSPENDS_ACCOUNT and receipt.kind == "failed" and key in rows and rows[key].account:
            which = (rows[key].account, receipt.reason)
            refused[which] = max(receipt.at, refused.get(which, 0))
    for (account_id, why), at in refused.items():
        suspend(store, account_id, why, at)


def _mark(row: Delivery, receipt: ProviderReceipt, webhook: str) -> None:
    """The receipt as both traces show it: the message's, and that of the webhook that brought it."""
    home = row.conversation_id
    tracing.mark("receipt", row.trace, row.message_id, webhook, home, channel=receipt.channel, kind=receipt.kind)
    tracing.mark("receipt", webhook, row.message_id, row.trace, home, channel=receipt.channel, kind=receipt.kind)


def _is_its_state(reported: Facts, known: Facts) -> bool:
    """Whether a receipt that is no news says what is the state now: its event is told again, for a rerun may be the first."""
    return RANK[state(reported)] >= RANK[state(known)]


def _by_reference(
    reported: list[ProviderReceipt],
) -> tuple[list[tuple[DeliveryKey, ProviderReceipt]], list[ProviderReceipt]]:
    named: list[tuple[DeliveryKey, ProviderReceipt]] = []
    nameless: list[ProviderReceipt] = []
    for receipt in reported:
        try:
            key = DeliveryKey.parse(bare(receipt.reference))
        except ValueError:
            nameless.append(receipt)
            continue
        if key.lane.channel == receipt.channel:
            named.append((key, receipt))
        else:
            nameless.append(receipt)
    return named, nameless


def _is_of_its_workspace(named: tuple[DeliveryKey, ProviderReceipt], rows: Mapping[DeliveryKey, Delivery]) -> bool:
    """Whether the delivery is of the workspace whose account the receipt came to: one team says nothing of another's."""
    key, receipt = named
    return key not in rows or workspace_of(rows[key].conversation_id) == workspace_of(receipt.reference)


def spoken_by(row: Delivery) -> str:
    """What is noted of an address when this delivery has reached it."""
    return Spoken(row.conversation_id, (row.first_seq or row.key.seq) if row.asks else 0).text


def _spoken(
    rows: Mapping[DeliveryKey, Delivery], changed: Mapping[DeliveryKey, Delivery]
) -> dict[tuple[str, str], tuple[str, int]]:
    """Deliveries that only these receipts proved to have gone out: replies to them must find their conversation."""
    return {
        (key.lane.channel, row.address): (spoken_by(row), row.facts.sent_at)
        for key, row in changed.items()
        if not rows[key].facts.sent_at
    }


def apply_positions(parts: Parts, reported: list[Position]) -> list[Event]:
    """Raise members' watermarks, capped at what is stored; the events of where they now are."""
    if not reported:
        return []
    store = parts.store
    conversations = list({each.conversation_id for each in reported})
    last = store.last_seqs(conversations)
    marks: dict[tuple[str, str], Watermark] = {}
    for each in reported:
        key = (each.conversation_id, each.user_id)
        marks[key] = _further(marks.get(key) or Watermark(*key), each, last.get(each.conversation_id, 0))
    now = now_ms()
    store.raise_watermarks(list(marks.values()))
    for kind, number in Counter(each.kind for each in reported).items():
        metrics.POSITIONS.of(kind).add(number)
    kept = store.watermarks(conversations)
    return [
        position_event(mark, now, parts.partitions)
        for conversation in conversations
        for mark in kept[conversation]
        if (mark.conversation_id, mark.user_id) in marks
    ]


def _further(mark: Watermark, reported: Position, last: int) -> Watermark:
    """A watermark with one more position: read implies delivered, and nobody is further than what is stored."""
    up_to = min(reported.up_to, last)
    delivered = (up_to, reported.at) if up_to > mark.delivered_up_to else (mark.delivered_up_to, mark.delivered_at)
    read = (mark.read_up_to, mark.read_at)
    if reported.kind == "read" and up_to > mark.read_up_to:
        read = (up_to, reported.at)
    return Watermark(mark.conversation_id, mark.user_id, *delivered, *read)
