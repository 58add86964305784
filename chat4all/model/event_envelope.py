"""An event as a webhook's body says it: {id, type, timestamp, workspace, conversation_id?, seq?, data}. Pure.

`data` is what the stream shows of the same event (chat4all/model/event_json.py).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.clock import rfc3339
from chat4all.model.event_json import data_of
from chat4all.model.event_types import PROVIDER, conversation_of, envelope_id, type_of
from chat4all.model.events import FORWARDED, Event
from chat4all.model.forwarded import headers_of, provider_call_of
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.v1 import chat_pb2 as pb


class Envelope(Struct, frozen=True):
    """An event that is ready to be sent. `body`: the JSON. The same event has the same bytes in a rerun, but for its time.

    `headers`: what is said beside it; the type of the content, where that is not JSON of ours, too.
    """

    event_id: str
    type: str
    body: bytes
    headers: Mapping[str, str] = {}


def envelope(event: Event) -> Envelope:
    """What is sent of an event: what a provider sent as it was. ValueError when that cannot be read."""
    if event.kind == FORWARDED:
        provider_call = provider_call_of(event.body)
        return Envelope(event.subject, PROVIDER, provider_call.body, headers_of(provider_call))
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
