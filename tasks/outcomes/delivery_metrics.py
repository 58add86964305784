"""Metrics of deliveries and receipts, counted in batches by the stages and the lanes."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence

from chat4all.model.deliveries import Delivery, State, state
from chat4all.model.records import Cost, ProviderReceipt
from chat4all.ports import DeadLetter, MessageStore
from chat4all.telemetry import metrics

# What providers charge by; a category of tomorrow is another one.
CATEGORIES = frozenset(
    {"marketing", "utility", "authentication", "authentication_international", "service", "referral_conversion"}
)
GOOD = frozenset({State.SENT, State.DELIVERED, State.READ})


def made(rows: Iterable[Delivery]) -> None:
    """Rows were written: each is pending, or ended already."""
    for (channel, now), number in Counter((row.key.lane.channel, state(row.facts)) for row in rows).items():
        metrics.DELIVERIES.of(channel, now.value).add(number)


def _priced(row: Delivery) -> None:
    cost = Cost.parse(row.facts.price)
    category = cost.category if cost.category in CATEGORIES else "other"
    metrics.DELIVERIES_PRICED.of(row.key.lane.channel, category, "charged" if cost.billable else "free").add()


def moved(steps: Iterable[tuple[Delivery, Delivery]]) -> None:
    """Deliveries, each before and after some facts became known."""
    at, counts = time.time(), Counter[tuple[str, State]]()
    for before, after in steps:
        if after.facts.price and not before.facts.price:
            _priced(after)
        now = state(after.facts)
        if now is state(before.facts):
            continue
        channel = after.key.lane.channel
        counts[channel, now] += 1
        if now in GOOD:
            metrics.DELIVERY_SECONDS.of(channel, now.value)(max(0.0, at - after.accepted_at / 1000))
    for (channel, now), number in counts.items():
        metrics.DELIVERIES.of(channel, now.value).add(number)


def count_receipts(receipts: Iterable[ProviderReceipt]) -> None:
    """Providers' receipts came to their stage."""
    for labels, number in Counter((each.channel, each.kind) for each in receipts).items():
        metrics.RECEIPTS.of(*labels).add(number)


def bury(store: MessageStore, letters: Sequence[DeadLetter]) -> None:
    """Keep dead letters, and count them."""
    if not letters:
        return
    store.add_dead_letters(letters)
    for labels, number in Counter((each.stage, each.reason) for each in letters).items():
        metrics.DEAD_LETTERS.of_reason(*labels).add(number)
