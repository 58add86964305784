"""Events that tell connected readers that a conversation was made or its members changed. Messages tell them too."""

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Membership
from chat4all.model.events import Event, encode
from chat4all.model.ids import conversation_event_id
from chat4all.model.records import NewRecord, partition_of
from chat4all.v1 import chat_pb2


def conversation_record(membership: Membership, partitions: int) -> NewRecord:
    """The chat-events record of a conversation as it now is. `partitions`: how many chat-events has."""
    return encode(conversation_event(membership, partitions))


def conversation_event(membership: Membership, partitions: int) -> Event:
    """A conversation as it now is."""
    key = membership.conversation.conversation_id
    event = chat_pb2.Event(
        event_id=conversation_event_id(key, membership.version),
        at_ms=now_ms(),
        conversation=chat_pb2.ConversationEvent(conversation_id=key, members_version=membership.version),
    )
    return Event("conversation", key, partition_of(key, partitions), event.SerializeToString(), version=membership.version)
