"""OpenAPI's `webhooks`: what endpoints of a team's own backend are sent, from the same model as docs/events.md."""

import re
from typing import Any

from chat4all.model.event_catalog import CATALOG, ENVELOPE, FIELDS, EventType, object_of
from chat4all.model.event_examples import EXAMPLES, sent_of

REF = "#/components/schemas/"
TAG = {
    "name": "outgoing",
    "description": "What your own backend is sent: `POST /v1/webhooks` says where to. Who asks for a `batch` gets several of "
    "them in a `webhook.batch`, as `data.events`; who asks for `provider.webhook` gets what providers sent, as it was",
}
HEADERS = {
    "webhook-id": ("The event's `id`, the same however often it is sent", {"type": "string", "maxLength": 64}),
    "webhook-timestamp": ("When this call was made, in seconds since 1970", {"type": "string", "pattern": "^[0-9]+$"}),
    "webhook-signature": (
        "`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, one for each valid secret of the "
        "endpoint, with a blank between them; the key is what stands behind `whsec_`, in base64",
        {"type": "string", "pattern": "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$"},
    ),
}
ANSWERS = {
    "2XX": "It was taken: the next one of its conversation follows. The body is kept in the log of calls, its first 4 KiB",
    "410": "The endpoint is no more: it is disabled",
    "429": "Not now: it is sent again after the seconds of Retry-After",
    "default": "It is sent again later: at all other statuses, redirects too, and when no answer came in time",
}


def with_webhooks(document: dict[str, Any]) -> None:
    """Put them, and the schemas of their bodies, into an OpenAPI document."""
    schemas = document["components"]["schemas"]
    for kind, fields in FIELDS.items():
        made = object_of(fields)
        if "payload" in made["properties"]:
            made["properties"]["payload"] = {"$ref": f"{REF}PayloadOut"}
        schemas[_data_name(kind)] = made
    document["webhooks"] = {each.name: {"post": _operation(each)} for each in CATALOG}
    document["tags"] = [*document.get("tags", []), TAG]


def _operation(event: EventType) -> dict[str, Any]:
    examples = {f"{event.name}-{number}": {"value": sent_of(each)} for number, each in enumerate(EXAMPLES[event.name], 1)}
    body = {"application/json": {"schema": _envelope(event), "examples": examples}}
    return {
        "tags": [TAG["name"]],
        "operationId": "on" + "".join(word.capitalize() for word in re.findall("[a-z]+", event.name)),
        "summary": event.name,
        "description": f"{event.summary}.",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": said, "schema": schema}
            for name, (said, schema) in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": body},
        "responses": {status: {"description": said} for status, said in ANSWERS.items()},
    }


def _envelope(event: EventType) -> dict[str, Any]:
    made = object_of(ENVELOPE)
    made["properties"] |= {"type": {"const": event.name}, "data": {"$ref": REF + _data_name(event.kind)}}
    return made


def _data_name(kind: str) -> str:
    return f"{kind.capitalize()}EventData"
