"""What people send, as the API takes and gives it: read by the content's own types, and described by their fields."""

from typing import Annotated, Any

import msgspec
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chat4all.model.content import API_NAMES, Content
from chat4all.model.drafts import Sendable, WrongPayload, read_payload

# Of a file only the service needs these; what the API calls differently.
HIDDEN = frozenset({"object_key"})
RENAMED = {"text": "caption"}


def _read(given: Any) -> Sendable:
    try:
        return read_payload(given)
    except WrongPayload as wrong:
        raise PydanticCustomError("payload", "{detail}", {"detail": wrong.detail, "field": wrong.field}) from None


def _schema(kinds: Any) -> dict[str, Any]:
    """One of these kinds, without references: whoever reads the document finds all of it in its place."""
    [top], components = msgspec.json.schema_components([kinds], ref_template="{name}")
    return {"oneOf": [_as_given(_whole(each, components)) for each in top["anyOf"]]}


def _whole(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_whole(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(components[schema["$ref"]], components)
    return {name: _whole(each, components) for name, each in schema.items() if name != "discriminator"}


def _as_given(kind: dict[str, Any]) -> dict[str, Any]:
    """A file as the API names it and its fields; all others as they are."""
    [tag] = kind["properties"]["type"]["enum"]
    if tag not in API_NAMES:
        return kind
    fields = {RENAMED.get(name, name): each for name, each in kind["properties"].items() if name not in HIDDEN}
    return kind | {"properties": fields | {"type": {"enum": [API_NAMES[tag]]}}}


PayloadIn = Annotated[Any, PlainValidator(_read), WithJsonSchema(_schema(Sendable))]
PayloadOut = Annotated[Any, WithJsonSchema(_schema(Content))]
