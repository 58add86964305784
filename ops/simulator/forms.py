"""The bodies of calls, as clients write them: JSON, forms, forms with files."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from ops.simulator.model import Call

FORM_BYTES = 4 << 20


class File(Struct, frozen=True):
    """A file in a form."""

    filename: str
    mime_type: str
    content: bytes


class Unreadable(Exception):
    """The body is not what its type says."""


def fields(call: Call) -> tuple[dict[str, Any], Mapping[str, File]]:
    """What a call was given, by name, and the files among it; the query counts too. Unreadable when it is not to be read."""
    kind, options = parse_options_header(call.headers.get("Content-Type", ""))
    given: dict[str, Any] = dict(call.query)
    try:
        if kind == "application/json" and call.body:
            return given | msgspec.json.decode(call.body, type=dict[str, Any]), {}
        if kind == "multipart/form-data":
            return _multipart(given, call.body, options.get("boundary", ""))
        return given | dict(parse_qsl(call.body.decode(), keep_blank_values=True)), {}
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unreadable from error


def _multipart(given: dict[str, Any], body: bytes, boundary: str) -> tuple[dict[str, Any], Mapping[str, File]]:
    form, files = MultiPartParser(max_form_memory_size=FORM_BYTES).parse(BytesIO(body), boundary.encode(), len(body))
    kept = {name: File(each.filename or "file", each.mimetype, each.read()) for name, each in files.items()}
    for each in files.values():
        each.close()
    return given | dict(form.items()), kept
