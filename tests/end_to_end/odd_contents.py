"""Every kind of content with an attack in each of its texts, made from the types: a kind that comes later is among them."""

from typing import Any, get_args

import msgspec

from chat4all.model import content
from chat4all.model.content import Content

ATTACK = (
    "javascript:attacked=1//\"><img src=x onerror='attacked=1'><script>attacked=1</script>"
    "<svg onload=attacked=1><iframe srcdoc='<script>parent.attacked=1</script>'></iframe>"
)
DEPTH_MOST = 5


def payloads() -> list[dict[str, Any]]:
    """One of each kind, as the API shows it."""
    return [content.shown(msgspec.convert(_filled(kind), kind)) | {"type": content.type_of(kind)} for kind in get_args(Content)]


def attacked(message: dict[str, Any], number: int, payload: dict[str, Any]) -> dict[str, Any]:
    """The message with this payload, and attacks in what stands beside it."""
    beside = {"sender_name": ATTACK, "reactions": [{"emoji": ATTACK, "sender": ATTACK, "at": "2026-01-01T00:00:00Z"}]}
    return {**message, **beside, "message_id": f"00000000-0000-4000-8000-{number:012}", "seq": number, "payload": payload}


def failed_delivery() -> dict[str, Any]:
    """A delivery of whom, where and why are attacks."""
    named = dict.fromkeys(("recipient", "channel", "reason", "sent_as", "provider_message_id"), ATTACK)
    step = {"status": "FAILED", "at": "2026-01-01T00:00:00Z", "reason": ATTACK}
    return {**named, "status": "FAILED", "attempts": 1, "history": [step]}


def _filled(kind: Any) -> Any:
    """A value of this type whose texts are all attacks."""
    info = msgspec.inspect.type_info(kind)
    return _value(info)


def _value(info: Any, depth: int = 0) -> Any:
    match info:
        case msgspec.inspect.StrType():
            return ATTACK[: info.max_length] if info.max_length else ATTACK
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return 1
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.VarTupleType():
            return [_value(info.item_type, depth + 1)] * 2
        case msgspec.inspect.DictType():
            return {ATTACK: ATTACK}
        case msgspec.inspect.UnionType():
            return _value(info.types[0], depth + 1)
        case msgspec.inspect.StructType() if depth <= DEPTH_MOST:
            named = {each.encode_name: _value(each.type, depth + 1) for each in info.fields}
            return named | ({info.tag_field: info.tag} if info.tag_field else {})
        case msgspec.inspect.AnyType():
            return ATTACK
    raise NotImplementedError(info)
