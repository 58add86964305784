"""What others are told of a broadcast."""

from chat4all.model.broadcasts import Broadcast
from chat4all.model.events import Event
from chat4all.model.records import partition_of
from chat4all.v1 import chat_pb2 as pb


def broadcast_event(broadcast: Broadcast, partitions: int, now: int) -> Event:
    """How far it has come. The same version is the same event."""
    each = broadcast
    said = pb.BroadcastEvent(
        broadcast_id=each.broadcast_id,
        state=each.state,
        broadcast_version=each.version,
        accepted=each.accepted,
        refused=each.refused,
        skipped=each.skipped,
        waiting=each.waiting,
        withdrawn=each.withdrawn,
    )
    body = pb.Event(event_id=f"broadcast:{each.broadcast_id}:{each.version}", at_ms=now, broadcast=said)
    partition = partition_of(each.broadcast_id, partitions)
    return Event("broadcast", "", partition, body.SerializeToString(), subject=each.broadcast_id, rank=each.version)
