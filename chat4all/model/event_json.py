"""Events as JSON, with the names of the REST API: RFC 3339 times, numbers as numbers, payloads as they were sent."""

from typing import Any

import msgspec

from chat4all.model.clock import rfc3339
from chat4all.model.content_proto import payload_of
from chat4all.model.event_types import envelope_id, type_of
from chat4all.v1 import chat_pb2 as pb

_FOR_MESSAGES = (
    "text",
    "file",
    "content",
    "metadata_json",
    "accepted_at_ms",
    "reply_to",
    "origin",
    "forwarded",
    "referral",
)


def event_json(event: bytes) -> bytes:
    """A serialised Event as one line of JSON: {id, type, event_id, at, …} and the fields of its kind."""
    read = pb.Event.FromString(event)
    named = {"id": envelope_id(read), "type": type_of(read), "event_id": read.event_id}
    return msgspec.json.encode({**named, "at": rfc3339(read.at_ms), **data_of(read)})


def data_of(event: pb.Event) -> dict[str, Any]:
    """The fields of its kind."""
    kind = event.WhichOneof("kind")
    if not kind:
        return {}
    body = getattr(event, kind)
    match kind:
        case "message" | "note":
            return _message(body)
        case "handling":
            return _handling(body)
        case "contact":
            return _contact(body)
    return _plain(body)


def _plain(body: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    names = [field.name for field in body.DESCRIPTOR.fields if field.name not in without]
    values = {name: getattr(body, name) for name in names}
    return {name: value if isinstance(value, (str, int)) else list(value) for name, value in values.items()}


def _handling(body: pb.HandlingEvent) -> dict[str, Any]:
    until = {"snoozed_until": rfc3339(body.snoozed_until_ms)} if body.snoozed_until_ms else {}
    return {**_plain(body, ("snoozed_until_ms", "version")), **until, "handling_version": body.version}


def _contact(body: pb.ContactEvent) -> dict[str, Any]:
    consents = dict(sorted(body.consents.items()))
    return {**_plain(body, ("consents",)), "consents": consents}


def _message(body: pb.MessageEvent) -> dict[str, Any]:
    metadata = msgspec.json.decode(body.metadata_json) if body.metadata_json else {}
    return {
        **_plain(body, _FOR_MESSAGES),
        "payload": payload_of(body),
        "metadata": metadata,
        "accepted_at": rfc3339(body.accepted_at_ms),
        **_pointers(body),
    }


def _pointers(body: pb.MessageEvent) -> dict[str, Any]:
    """What it answers and where it comes from: only where there is something to say, as over REST."""
    pointers: dict[str, Any] = {
        "reply_to": body.reply_to,
        "forwarded": body.forwarded,
        "referral": dict(sorted(body.referral.items())),
    }
    if body.HasField("origin"):
        pointers["origin"] = {name: value for name, value in _plain(body.origin, ("provider_at_ms",)).items() if value}
        pointers["origin"]["provider_at"] = rfc3339(body.origin.provider_at_ms)
    return {name: value for name, value in pointers.items() if value}
