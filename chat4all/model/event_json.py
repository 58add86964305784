"""Events as JSON, with the names of the REST API: RFC 3339 times, numbers as numbers, payloads as they were sent."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chat4all.model.clock import rfc3339
from chat4all.model.content_proto import payload_of
from chat4all.model.event_types import envelope_id, type_of
from chat4all.v1 import chat_pb2 as pb

TIME = "_ms"
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
    return _SHOWN.get(kind, _plain)(getattr(event, kind))


def _plain(body: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Field by field. A time, which ends with _ms in the protocol, is left out where there is none."""
    names = [field.name for field in body.DESCRIPTOR.fields if field.name not in without]
    values = [(name, getattr(body, name)) for name in names]
    return dict(_shown(name, value) for name, value in values if value or not name.endswith(TIME))


def _shown(name: str, value: Any) -> tuple[str, Any]:
    if name.endswith(TIME):
        return name.removesuffix(TIME), rfc3339(value)
    return name, value if isinstance(value, (str, int)) else list(value)


def _handling(body: pb.HandlingEvent) -> dict[str, Any]:
    return {**_plain(body, ("version",)), "handling_version": body.version}


def _contact(body: pb.ContactEvent) -> dict[str, Any]:
    consents = dict(sorted(body.consents.items()))
    return {**_plain(body, ("consents",)), "consents": consents}


def _account(body: pb.AccountEvent) -> dict[str, Any]:
    return {**_plain(body, ("health",)), "health": dict(sorted(body.health.items()))}


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


# The kinds of which there is more to say than their fields one by one.
_SHOWN: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "message": _message,
    "note": _message,
    "handling": _handling,
    "contact": _contact,
    "account": _account,
}
