"""An event as a webhook's body says it: {id, type, timestamp, workspace, conversation_id?, seq?, data}. Pure.

`data` is what the stream shows of the same event (chat4all/model/event_json.py).
"""

from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.clock import rfc3339
from chat4all.model.event_json import data_of
from chat4all.model.event_types import envelope_id, type_of
from chat4all.model.events import Event
from chat4all.v1 import chat_pb2 as pb

# The one workspace that there is.
WORKSPACE = "default"


class Envelope(Struct, frozen=True):
    """An event that is ready to be sent. `body`: the JSON. The same event has the same bytes in a rerun, but for its time."""

    event_id: str
    type: str
    body: bytes


def envelope(event: Event) -> Envelope:
    """What is sent of an event."""
    read = pb.Event.FromString(event.body)
    said: dict[str, Any] = {
        "id": envelope_id(read),
        "type": type_of(read),
        "timestamp": rfc3339(read.at_ms),
        "workspace": WORKSPACE,
    }
    if event.conversation_id:
        said["conversation_id"] = event.conversation_id
    if event.seq >= 0:
        said["seq"] = event.seq
    return Envelope(said["id"], said["type"], msgspec.json.encode(said | {"data": data_of(read)}))
