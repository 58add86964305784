"""What the provider took and failed later, for a reason that passes: it is sent again, as a record of its own.

While that is so the receipt is the fact `bounced`, and the delivery stays SENT; it is FAILED, once, when the last try has.
A window that was shut after all passes too, for what may be held: that is held, until the person has written after it failed.
The record's id is made of the delivery and of the provider's id: providers repeat such receipts for days.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels import CHANNELS, channel_class
from chat4all.model.causes import late_pause_s
from chat4all.model.clock import now_ms
from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.deliveries import OUTSIDE, Delivery, DeliveryKey, State, state
from chat4all.model.ids import resend_message_id
from chat4all.model.messages import Message
from chat4all.model.records import ProviderReceipt
from chat4all.model.resends import resend_of
from chat4all.ports import MessageStore

RESEND = "resend"
Again = dict[tuple[DeliveryKey, ProviderReceipt], DeferredRecord]


class Resend(Struct, frozen=True):
    """The body of such a record: the message that sends it again, and what it sends again (`DeliveryKey` as text)."""

    message: Message
    delivery: str

    @property
    def key(self) -> DeliveryKey:
        """What it sends again."""
        return DeliveryKey.parse(self.delivery)


def read_resend(record: DeferredRecord) -> Resend:
    """What waits in a record of the kind RESEND."""
    return msgspec.convert(record.body, Resend)


def late_failures(store: MessageStore, said: Sequence[tuple[Delivery, ProviderReceipt]]) -> Again:
    """Those after which the message is sent again, with the record that does it. Reads nothing where none may be.

    Of a route none is: there the next leg takes over.
    """
    passing = [(row, each) for row, each in said if _passes(row, each)]
    if not passing:
        return {}
    messages = store.messages(list({(row.conversation_id, row.key.seq) for row, _ in passing}))
    found: Again = {}
    for row, receipt in passing:
        message = messages.get((row.conversation_id, row.key.seq))
        pause_s = _pause_s(message, row, receipt) if message else None
        if message and pause_s is not None:
            found[row.key, receipt] = _record(row, receipt, message, pause_s)
    return found


def _passes(row: Delivery, receipt: ProviderReceipt) -> bool:
    if receipt.kind != "failed" or row.legs > 1 or receipt.channel not in CHANNELS:
        return False
    passes = receipt.reason in channel_class(receipt.channel).late or _is_to_be_held(row, receipt)
    return passes and state(row.facts) in (State.PENDING, State.SENT)


def _is_to_be_held(row: Delivery, receipt: ProviderReceipt) -> bool:
    return row.holds and receipt.reason == OUTSIDE and now_ms() < row.expires_at


def _pause_s(message: Message, row: Delivery, receipt: ProviderReceipt) -> float | None:
    late = {OUTSIDE: 0.0} if _is_to_be_held(row, receipt) else channel_class(receipt.channel).late
    return late_pause_s(receipt.reason, late, message.bounces)


def _record(row: Delivery, receipt: ProviderReceipt, message: Message, pause_s: float) -> DeferredRecord:
    now = now_ms()
    name = resend_message_id(str(row.key), f"late {receipt.provider_id}")
    again = resend_of(row, message, name, row.address, now, message.bounces + 1)
    if _is_to_be_held(row, receipt):
        again = replace(again, holds=True, expires_at=row.expires_at, accepted_at=receipt.at)
    body: dict[str, Any] = msgspec.to_builtins(Resend(again, str(row.key)))
    return DeferredRecord(name, RESEND, now + int(1000 * pause_s), body, now)
