"""An event as a webhook's body says it: {id, type, timestamp, workspace, conversation_id?, seq?, data}. Pure.

`data` is what the stream shows of the same event (chat4all/model/event_json.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.clock import rfc3339
from chat4all.model.event_json import data_of
from chat4all.model.event_naming import with_bare_ids, workspace_of_event
from chat4all.model.event_types import BATCH, PROVIDER, conversation_of, envelope_id, type_of
from chat4all.model.events import FORWARDED, Event
from chat4all.model.forwarded import headers_of, provider_call_of
from chat4all.model.ids import DEFAULT_WORKSPACE, made_id
from chat4all.v1 import chat_pb2 as pb


class Envelope(Struct, frozen=True):
    """An event that is ready to be sent. `body`: the JSON. The same event has the same bytes in a rerun, but for its time.

    `headers`: what is said beside it; the type of the content, where that is not JSON of ours, too.
    """

    event_id: str
    type: str
    body: bytes
    headers: Mapping[str, str] = {}
    workspace: str = DEFAULT_WORKSPACE


def envelope(event: Event) -> Envelope:
    """What is sent of an event: what a provider sent as it was. ValueError when that cannot be read."""
    if event.kind == FORWARDED:
        provider_call = provider_call_of(event.body)
        return Envelope(event.subject, PROVIDER, provider_call.body, headers_of(provider_call))
    return envelope_of(pb.Event.FromString(with_bare_ids(event).body), workspace_of_event(event))


def batch_of(said: Sequence[Envelope]) -> Envelope:
    """Several events in one request, in this order: an envelope whose `data` has theirs. The same ones make the same batch."""
    batch_id = made_id("batch", *(each.event_id for each in said))
    bodies = [msgspec.Raw(each.body) for each in said]
    newest = max(_timed(each.body).timestamp for each in said)
    body = {"id": batch_id, "type": BATCH, "timestamp": newest, "workspace": said[0].workspace, "data": {"events": bodies}}
    return Envelope(batch_id, BATCH, msgspec.json.encode(body), workspace=said[0].workspace)


def envelope_of(event: pb.Event, workspace: str = DEFAULT_WORKSPACE) -> Envelope:
    """The same of its body, as streams bring it too."""
    said: dict[str, Any] = {
        "id": envelope_id(event),
        "type": type_of(event),
        "timestamp": rfc3339(event.at_ms),
        "workspace": workspace,
    }
    if conversation_id := conversation_of(event):
        said["conversation_id"] = conversation_id
    if event.HasField("message"):
        said["seq"] = event.message.seq
    body = msgspec.json.encode(said | {"data": data_of(event)})
    return Envelope(said["id"], said["type"], body, workspace=workspace)


class _Timed(Struct):
    timestamp: str


_timed = msgspec.json.Decoder(_Timed).decode
