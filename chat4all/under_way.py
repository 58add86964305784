"""Which conversation an answer belongs to while nobody knows yet whether the message that it answers was sent."""

from collections.abc import Collection, Iterator, Mapping

from chat4all.deliveries import DeliveryKey, Lane
from chat4all.people import Address
from chat4all.ports import MessageStore
from chat4all.records import partition_of
from chat4all.slots import slots

# A contact has few conversations, and what is under way is among the newest.
CONVERSATIONS = 50
NEWEST = 20


def under_way(store: MessageStore, partitions: int, asked: Mapping[str, Collection[Address]]) -> dict[str, str]:
    """By user, the conversation whose message was last on its way to one of these addresses, its outcome still unknown."""
    found: dict[str, tuple[int, str]] = {}
    for user_id, places in asked.items():
        keys = list(_keys(store, partitions, user_id, places))
        for row in (store.deliveries(keys) if keys else {}).values():
            if row.facts.unknown:
                found[user_id] = max(found.get(user_id, (0, "")), (row.facts.attempted_at, row.conversation_id))
    return {user_id: conversation_id for user_id, (_, conversation_id) in found.items()}


def _keys(store: MessageStore, partitions: int, user_id: str, places: Collection[Address]) -> Iterator[DeliveryKey]:
    for name in store.conversations_of(user_id)[-CONVERSATIONS:]:
        for message in store.page(name, None, None, NEWEST):
            for each in slots(message):
                channel = each.recipient.channel
                if (channel, each.recipient.address) in places:
                    yield DeliveryKey(Lane(channel, partition_of(name, partitions)), message.seq, each.index)
