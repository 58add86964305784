"""What others are told of messages that are to be sent later."""

from chat4all.model.deferred_records import DeferredRecord
from chat4all.model.events import Event
from chat4all.model.ids import scheduled_event_id
from chat4all.model.records import partition_of
from chat4all.model.scheduled_messages import STATES, read_scheduled
from chat4all.v1 import chat_pb2 as pb


def scheduled_event(record: DeferredRecord, partitions: int) -> Event:
    """That it waits, for when, or that it was cancelled; told to its sender. The same version is the same event.

    `partitions`: how many chat-events has.
    """
    said = read_scheduled(record)
    about = pb.ScheduledEvent(
        message_id=said.message_id,
        conversation_id=said.conversation_id,
        sender=said.sender,
        state=STATES[record.state],
        send_at_ms=record.due_at,
        scheduled_version=record.version,
    )
    event_id = scheduled_event_id(said.message_id, record.version)
    body = pb.Event(event_id=event_id, at_ms=record.changed_at, scheduled=about)
    return Event(
        "scheduled",
        said.conversation_id,
        partition_of(said.conversation_id, partitions),
        body.SerializeToString(),
        user=said.sender,
        subject=said.message_id,
        rank=record.version,
    )
