"""An event as a webhook's body says it: {id, type, timestamp, workspace, conversation_id?, seq?, data}. Pure.

`data` is what the stream shows of the same event (chat4all/model/event_json.py).
"""

import re
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.clock import rfc3339
from chat4all.model.event_json import data_of
from chat4all.model.event_types import event_type
from chat4all.model.events import Event
from chat4all.model.ids import made_id
from chat4all.v1 import chat_pb2 as pb

# The one workspace that there is.
WORKSPACE = "default"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Envelope(Struct, frozen=True):
    """An event that is ready to be sent. `body`: the JSON. The same event has the same bytes in a rerun, but for its time."""

    event_id: str
    type: str
    body: bytes


def envelope(event: Event) -> Envelope:
    """What is sent of an event."""
    read = pb.Event.FromString(event.body)
    said: dict[str, Any] = {
        "id": envelope_id(read.event_id),
        "type": event_type(event),
        "timestamp": rfc3339(read.at_ms),
        "workspace": WORKSPACE,
    }
    if event.conversation_id:
        said["conversation_id"] = event.conversation_id
    if event.seq >= 0:
        said["seq"] = event.seq
    return Envelope(said["id"], said["type"], msgspec.json.encode(said | {"data": data_of(read)}))


def envelope_id(event_id: str) -> str:
    """The id under which it is sent: in letters, digits, - and _ only, as receivers expect of webhook-id."""
    return event_id if _PLAIN.fullmatch(event_id) else made_id("event", event_id)
