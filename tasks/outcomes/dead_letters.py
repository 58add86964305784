"""Makes dead letters: what could not be processed or delivered, with its reason."""

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Delivery
from chat4all.model.ids import delivery_letter_id, record_letter_id
from chat4all.ports import DeadLetter


def record_letter(stage: str, topic: str, partition: int, offset: int, reason: str, detail: str = "") -> DeadLetter:
    """The dead letter of a record that a stage cannot process."""
    return DeadLetter(
        letter_id=record_letter_id(topic, partition, offset),
        at=now_ms(),
        stage=stage,
        reason=reason,
        detail=detail[:500],
        topic=topic,
        partition=partition,
        offset=offset,
    )


def delivery_letter(delivery: Delivery, at: int, reason: str, detail: str = "") -> DeadLetter:
    """The dead letter of a delivery that ended as FAILED."""
    return DeadLetter(
        letter_id=delivery_letter_id(str(delivery.key)),
        at=at,
        stage="deliver",
        reason=reason,
        detail=detail[:500],
        conversation_id=delivery.conversation_id,
        message_id=delivery.message_id,
        delivery=str(delivery.key),
        channel=delivery.key.lane.channel,
        attempts=delivery.facts.attempts,
        first_at=delivery.accepted_at,
    )
