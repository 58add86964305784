"""What others are told of a file."""

from chat4all.model.events import Event
from chat4all.model.files import FileStatus, StoredFile
from chat4all.model.ids import file_event_id
from chat4all.model.records import partition_of
from chat4all.services.files.file_lifecycle import TELL_DUE_MS
from chat4all.v1 import chat_pb2 as pb


def file_event(file: StoredFile, partitions: int) -> Event:
    """An untold file as it is now. `partitions`: how many chat-events has.

    An upload is its owner's alone until a message carries it; what a provider brought is in a message already.
    """
    is_ready = file.status is FileStatus.READY
    said = pb.FileEvent(
        file_id=file.file_id,
        conversation_id=file.conversation_id,
        status=file.status,
        file_version=file.version,
        owner=file.owner,
        filename=file.filename,
        mime_type=file.mime_type,
        size=file.size,
        checksum=file.checksum if is_ready else "",
        reason=file.reason,
    )
    # It became due so long after it changed.
    body = pb.Event(event_id=file_event_id(file.file_id, file.version), at_ms=file.due_at - TELL_DUE_MS, file=said)
    return Event(
        "file",
        file.conversation_id,
        partition_of(file.conversation_id, partitions),
        body.SerializeToString(),
        version=file.members_version or 1,
        user="" if file.media else file.owner,
        subject=file.file_id,
        rank=file.version,
    )
