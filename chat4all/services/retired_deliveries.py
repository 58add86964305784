"""Deliveries whose rows were deleted by age, rebuilt from what is kept of them."""

from collections.abc import Mapping

from chat4all.model.deliveries import Delivery, DeliveryKey
from chat4all.model.messages import Message
from chat4all.model.slots import Slot
from chat4all.ports import MessageStore


def deliveries_of(store: MessageStore, wanted: Mapping[DeliveryKey, tuple[Message, Slot]]) -> dict[DeliveryKey, Delivery]:
    """The rows under these keys, each with its message and its slot in it; of those that have had their time, what is kept."""
    rows = store.deliveries(list(wanted)) if wanted else {}
    gone = {key: about for key, about in wanted.items() if key not in rows}
    return {**rows, **retired(store, gone)} if gone else rows


def retired(store: MessageStore, wanted: Mapping[DeliveryKey, tuple[Message, Slot]]) -> dict[DeliveryKey, Delivery]:
    """Rows of these keys, each with its message and its slot in it; those of which nothing is kept are absent."""
    kept = store.outcomes(list(wanted)) if wanted else {}
    found = {}
    for key, facts in kept.items():
        message, slot = wanted[key]
        person = slot.recipient
        found[key] = Delivery(
            key,
            message.conversation_id,
            message.message_id,
            person.user_id,
            person.address,
            slot.payload,
            message.accepted_at,
            facts=facts,
            part=slot.part,
            parts=slot.parts,
        )
    return found
