"""Content in the stream's format, and as the REST API shows it: one from the other by the names of fields alone.

A new kind of content needs its struct (`content.py`) and its message (`chat.proto`), and nothing here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf.message import Message as Proto

from chat4all.model.content import Content, Media, shown
from chat4all.v1 import chat_pb2 as pb

# A field of this name holds an object of anybody's making, as JSON: a number in it stays what it is.
JSON = "_json"


def to_proto(content: Content) -> pb.Content:
    """The content as the stream carries it."""
    made = pb.Content()
    _fill_content(made, shown(content))
    return made


def as_shown(content: pb.Content) -> dict[str, Any]:
    """The payload of the REST API that says the same. Of what a caller sent it is not checked."""
    kind = content.WhichOneof("kind")
    return {"type": kind, **_fields(getattr(content, kind))} if kind else {}


def payload_of(message: pb.MessageEvent) -> dict[str, Any]:
    """What a message of the stream says, as the REST API shows it."""
    if message.HasField("content"):
        return as_shown(message.content)
    if message.HasField("file"):
        file = message.file
        return shown(Media(file.file_id, message.text, file.filename, file.mime_type, file.size, kind=file.kind))
    return {"type": "text", "text": message.text}


def _fill_content(made: Proto, payload: Mapping[str, Any]) -> None:
    kind = getattr(made, payload["type"])
    kind.SetInParent()
    _fill(kind, {name: value for name, value in payload.items() if name != "type"})


def _fill(made: Any, fields: Mapping[str, Any]) -> None:
    known = made.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        if name + JSON in known:
            setattr(made, name + JSON, msgspec.json.encode(value).decode())
        elif isinstance(value, list | tuple):
            _extend(getattr(made, name), value)
        elif isinstance(value, dict):
            _fill_inner(getattr(made, name), value)
        else:
            setattr(made, name, value)


def _fill_inner(made: Any, value: dict[str, Any]) -> None:
    if isinstance(made, pb.Content):
        _fill_content(made, value)
    elif isinstance(made, Proto):
        made.SetInParent()
        _fill(made, value)
    else:
        made.update(value)


def _extend(made: Any, values: Sequence[Any]) -> None:
    for each in values:
        if isinstance(each, dict):
            _fill(made.add(), each)
        else:
            made.append(each)


def _fields(read: Any) -> dict[str, Any]:
    return {field.name.removesuffix(JSON): _value(field.name, value) for field, value in read.ListFields()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, pb.Content):
        return as_shown(value)
    if isinstance(value, Proto):
        return _fields(value)
    if isinstance(value, str):
        return _object(value) if name.endswith(JSON) else value
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return dict(sorted(value.items()))
    return [_value(name, each) for each in value]


def _object(text: str) -> Any:
    """The object of a caller; what is none stays a text, and whoever expects an object says so."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
