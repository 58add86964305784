"""What people send, as the API takes and gives it: read by the content's own types, and described by them."""

from inspect import cleandoc
from typing import Annotated, Any

import msgspec
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from chat4all.model.content import API_NAMES, MEDIA_KINDS, Content, Template
from chat4all.model.drafts import Sendable, WrongPayload, read_payload

# Of a file only the service needs these; what the API calls differently.
HIDDEN = frozenset({"object_key", "form"})
RENAMED = {"text": "caption"}
REF = "#/components/schemas/"
MEDIA = "A file. `caption`: the words beside it. `kind`: how it is shown: " + ", ".join(MEDIA_KINDS) + "."
# Names one of `components` in a model's schema: models themselves cannot refer to what is not theirs.
NAMED = "format"


def _read(given: Any) -> Sendable:
    try:
        return read_payload(given)
    except WrongPayload as wrong:
        raise PydanticCustomError("payload", "{detail}", {"detail": wrong.detail, "field": wrong.field}) from None


def _read_outside(given: Any) -> Template | bool | None:
    """The template that goes in its place; True: it is held; None: it fails."""
    if given in (None, "fail", "hold"):
        return True if given == "hold" else None
    template = given.get("template") if isinstance(given, dict) and given.keys() == {"template"} else None
    if not isinstance(template, dict) or template.get("type", "template") != "template":
        raise PydanticCustomError("outside_window", 'fail, hold, or {{"template": {{name, language, parameters}}}}')
    try:
        read = read_payload({**template, "type": "template"})
    except WrongPayload as wrong:
        place = wrong.field.replace("template.", "", 1)
        raise PydanticCustomError(
            "outside_window", "{detail}", {"detail": wrong.detail, "field": f"template.{place}"}
        ) from None
    return read if isinstance(read, Template) else None


def components() -> dict[str, Any]:
    """The components of the OpenAPI document: each kind of content, and `Payload` and `PayloadOut`, one of those."""
    made: dict[str, Any] = {}
    for name, kinds in (("Payload", Sendable), ("PayloadOut", Content)):
        [top], parts = msgspec.json.schema_components([kinds], ref_template=REF + "{name}")
        made |= {part: _as_given(schema | {"description": cleandoc(schema["description"])}) for part, schema in parts.items()}
        made[name] = _one_of(top)
    # What stands in an album says no type of its own.
    made["Album"]["properties"]["items"]["items"] = _untagged(made["Media"])
    return {name: _one_of_inside(schema) for name, schema in made.items()}


def _untagged(kind: dict[str, Any]) -> dict[str, Any]:
    fields = {name: each for name, each in kind["properties"].items() if name != "type"}
    return kind | {"properties": fields, "required": [each for each in kind["required"] if each != "type"]}


def _as_given(kind: dict[str, Any]) -> dict[str, Any]:
    """A file as the API names it and its fields; all others as they are."""
    fields = kind.get("properties", {})
    [tag] = fields.get("type", {}).get("enum", [""])
    if tag not in {*API_NAMES, "album"}:
        return kind
    renamed = {RENAMED.get(name, name): each for name, each in fields.items() if name not in HIDDEN}
    if tag not in API_NAMES:
        return kind | {"properties": renamed}
    return kind | {"description": MEDIA, "properties": renamed | {"type": {"enum": [API_NAMES[tag]]}}}


def _one_of(choice: dict[str, Any]) -> dict[str, Any]:
    """One of several kinds, told by their `type`."""
    mapping = {API_NAMES.get(tag, tag): ref for tag, ref in choice["discriminator"]["mapping"].items()}
    return {"oneOf": choice["anyOf"], "discriminator": {"propertyName": "type", "mapping": mapping}}


def _one_of_inside(schema: dict[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    chosen = {name: _one_of(each) for name, each in fields.items() if "discriminator" in each}
    return schema | {"properties": fields | chosen} if chosen else schema


def with_components(document: dict[str, Any]) -> None:
    """Put the components into an OpenAPI document, and references to them where models name them."""
    schemas, made = document["components"]["schemas"], components()
    for model in schemas.values():
        for name, field in model.get("properties", {}).items():
            if field.get(NAMED) in made:
                model["properties"][name] = {"$ref": REF + field[NAMED]}
    schemas.update(made)


PayloadIn = Annotated[Any, PlainValidator(_read), WithJsonSchema({NAMED: "Payload"})]
PayloadOut = Annotated[Any, WithJsonSchema({NAMED: "PayloadOut"})]
OutsideWindow = Annotated[
    Any,
    PlainValidator(_read_outside),
    WithJsonSchema({
        "description": "What becomes of it where the provider lets nothing be sent now. fail: it is refused, or FAILED later. "
        "hold: it waits, in order, until the person writes. A template: that goes in its place",
        "oneOf": [
            {"type": "string", "enum": ["fail", "hold"]},
            {"type": "object", "properties": {"template": {NAMED: "Template"}}, "required": ["template"]},
        ],
        "default": "fail",
    }),
]  # fmt: skip
