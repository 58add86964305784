"""What a message says, as the API takes it; and what one that came says, as content."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

from chat4all.model.content import Album, Content, Media, read_shown, shown
from chat4all.model.content_proto import payload_of
from chat4all.v1 import chat_pb2 as pb


class Sent(Struct, frozen=True):
    """An accepted message: durable. `status`: accepted; of what is sent later scheduled, or what became of it."""

    message_id: str
    conversation_id: str
    status: str = "accepted"


def message(
    text: str = "",
    *,
    to: str = "",
    conversation_id: str = "",
    channels: Sequence[str] | None = None,
    message_id: str = "",
    file_id: str = "",
    payload: Content | Mapping[str, Any] | None = None,
    reply_to: str = "",
    via: str = "",
    route: Sequence[Mapping[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The body of a message, with an id made here unless given: whoever sends it again sends the same message.

    `to`: a user id or channel:address; beside a conversation it limits external delivery. `payload`: what is neither words
    nor a file, as content or as the API writes it. `reply_to`: the message_id of what this answers. `via`: the account that
    it is sent from. `route`: in place of channels, legs such as {"channel": "whatsapp", "until": "delivered", "within_s": 60},
    each with a payload of its own if it has one: the next begins when one failed, or is not so far in time. `more`: metadata,
    from, adapt, outside_window ({"template": {name, language, parameters}}: sent in its place to whom nothing else may be
    sent; "hold": it waits until they write), expires_in (seconds), send_at (RFC 3339, with its zone: it is sent then).
    """
    body: dict[str, Any] = {"message_id": message_id or str(uuid4()), "payload": _payload(text, file_id, payload), **more}
    if to:
        body["to"] = [to]
    if conversation_id:
        body["conversation_id"] = conversation_id
    if channels is not None:
        body["channels"] = list(channels)
    if reply_to:
        body["reply_to"] = reply_to
    if route is not None:
        body["route"] = [dict(leg) for leg in route]
    if via:
        body["via"] = via
    return body


def _payload(text: str, file_id: str, payload: Content | Mapping[str, Any] | None) -> dict[str, Any]:
    if payload is None:
        return {"type": "file", "file_id": file_id, "text": text} if file_id else {"type": "text", "text": text}
    if text or file_id:
        raise ValueError("a payload, or text and file_id: not both")
    if isinstance(payload, Mapping):
        return dict(payload)
    if isinstance(payload, Media):
        return _filled(type="media", file_id=payload.file_id, caption=payload.text, kind=payload.kind)
    if isinstance(payload, Album):
        items = [_filled(file_id=each.file_id, kind=each.kind) for each in payload.items]
        return _filled(type="album", items=items, caption=payload.text)
    plain: dict[str, Any] = msgspec.to_builtins(shown(payload))
    return plain


def _filled(**fields: Any) -> dict[str, Any]:
    """Those of the fields that say something."""
    return {name: value for name, value in fields.items() if value}


def content_of(message: pb.MessageEvent | Mapping[str, Any]) -> Content:
    """What a message says: of a stream's `event.message`, or of one that a call gave. Of kinds not known here, the words."""
    payload = payload_of(message) if isinstance(message, pb.MessageEvent) else message["payload"]
    return read_shown(payload)
