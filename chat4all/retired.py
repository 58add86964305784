"""Deliveries whose rows have had their days, as if the rows were there still: from what is kept of them."""

from collections.abc import Mapping

from chat4all.deliveries import Delivery, DeliveryKey
from chat4all.messages import Message
from chat4all.ports import MessageStore


def retired(store: MessageStore, wanted: Mapping[DeliveryKey, tuple[Message, int]]) -> dict[DeliveryKey, Delivery]:
    """Rows of these keys, each with its message and its recipient's index in it; those of which nothing is kept are absent."""
    kept = store.outcomes(list(wanted)) if wanted else {}
    found = {}
    for key, facts in kept.items():
        message, index = wanted[key]
        person = message.recipients[index]
        found[key] = Delivery(
            key,
            message.conversation_id,
            message.message_id,
            person.user_id,
            person.address,
            message.payload,
            message.accepted_at,
            facts=facts,
        )
    return found
