"""An event as a webhook's body says it: {id, type, timestamp, workspace, conversation_id?, seq?, data}. Pure.

`data` is what the stream shows of the same event (chat4all/model/event_json.py).
"""

from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.clock import rfc3339
from chat4all.model.event_json import data_of
from chat4all.model.event_types import conversation_of, envelope_id, type_of
from chat4all.model.events import Event
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.v1 import chat_pb2 as pb


class Envelope(Struct, frozen=True):
    """An event that is ready to be sent. `body`: the JSON. The same event has the same bytes in a rerun, but for its time."""

    event_id: str
    type: str
    body: bytes


def envelope(event: Event) -> Envelope:
    """What is sent of an event."""
    return envelope_of(pb.Event.FromString(event.body))


def envelope_of(event: pb.Event) -> Envelope:
    """The same of its body, as streams bring it too."""
    said: dict[str, Any] = {
        "id": envelope_id(event),
        "type": type_of(event),
        "timestamp": rfc3339(event.at_ms),
        "workspace": DEFAULT_WORKSPACE,
    }
    if conversation_id := conversation_of(event):
        said["conversation_id"] = conversation_id
    if event.HasField("message"):
        said["seq"] = event.message.seq
    return Envelope(said["id"], said["type"], msgspec.json.encode(said | {"data": data_of(event)}))
