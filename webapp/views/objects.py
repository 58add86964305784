"""Signed URLs of the folder store that lead to the gateway: older ones, and all where providers reach only the gateway.

Else they lead to a process of its own (bridges/objects.py). Who has the URL may do what it says, and no more.

Nothing is ever shown in place: whatever type somebody claimed for a file, a browser only keeps it.
"""

from collections.abc import Iterator, Mapping
from typing import BinaryIO, cast

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.failures import Permanent
from chat4all.model.files import disposition
from chat4all.ports.object_store import NO_OBJECT, NO_UPLOAD
from storage.object_store.folder import ROUTE, FolderStore
from storage.object_store.serving import SAFE, NoSuchRange, bounds
from storage.object_store.signing import BadUrl
from webapp.requests.api_docs import FILES, OPEN, anything, problems
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem
from webapp.requests.validation import checked
from webapp.schemas.models import ObjectPath

api = APIBlueprint("objects", __name__, abp_tags=[FILES], abp_security=OPEN, abp_responses=problems(403, 404))

BINARY = "application/octet-stream"


def _folder() -> FolderStore:
    store = gateway().objects
    if not isinstance(store, FolderStore):
        raise Problem(404, "unknown_object", "there is no such object")
    return store


def _allowed(store: FolderStore, method: str, key: str) -> Mapping[str, str]:
    """What the URL allows. Problem 403 when it is not ours, was changed, or is over."""
    try:
        return store.signer.check(method, key, request.args.to_dict())
    except BadUrl as error:
        words = {"url_expired": "the URL has expired; ask for a new one", "url_invalid": "this URL was not made here"}
        raise Problem(403, error.code, words[error.code]) from None


@api.put(f"{ROUTE}/<key>", responses={**anything(200, "Durable", "text/plain"), **problems(413, 422)})
@checked
def bring(path: ObjectPath) -> Response:
    """Bring a part to its URL, as POST /v1/files/initiate gave it. Its length must be the part's."""
    store = _folder()
    fields = _allowed(store, "PUT", path.key)
    size, given = int(fields["size"]), request.content_length
    if given is not None and given != size:
        raise Problem(413 if given > size else 422, "wrong_part_size", f"this part has {size} bytes", part_size=size)
    try:
        part = store.write_part(path.key, fields, cast(BinaryIO, request.stream))
    except Permanent as failure:
        if failure.reason == NO_UPLOAD:
            raise Problem(404, "upload_over", "this upload is complete, or has expired") from None
        raise Problem(422, "wrong_part_size", f"this part has {size} bytes", part_size=size) from None
    return Response(status=200, headers={"ETag": f'"{part.etag}"'}, mimetype="text/plain")


@api.get(f"{ROUTE}/<key>", responses={**anything(200, "The bytes", BINARY), **anything(206, "A range of them", BINARY)})
@checked
def fetch(path: ObjectPath) -> Response:
    """Fetch a file from its URL, as GET /v1/files/{id}/presigned gave it; by ranges too."""
    store = _folder()
    fields = _allowed(store, "GET", path.key)
    size = store.size(path.key)
    if size is None:
        raise Problem(404, "unknown_object", "there is no such object")
    headers = {**SAFE, "Content-Disposition": disposition(fields["name"]), "ETag": f'"{path.key}"'}
    asked = _bounds(path.key, size)
    if asked is None:
        headers["Content-Length"] = str(size)
        return Response(_begun(store, path.key, 0, size - 1), 200, headers, content_type=fields["type"])
    first, last = asked
    headers |= {"Content-Range": f"bytes {first}-{last}/{size}", "Content-Length": str(last - first + 1)}
    return Response(_begun(store, path.key, first, last), 206, headers, content_type=fields["type"])


def _bounds(key: str, size: int) -> tuple[int, int] | None:
    """The first and last byte, where a part is asked for. Problem 416 when there are none."""
    try:
        return bounds(request.headers.get("Range"), request.headers.get("If-Range"), key, size)
    except NoSuchRange:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_there", f"the file has {size} bytes", headers=headers) from None


def _begun(store: FolderStore, key: str, first: int, last: int) -> Iterator[bytes]:
    """The chunks, the first of them read now: what is missing must become a 404 while it still can."""
    chunks = store.read(key, first, last)
    try:
        begin = next(chunks, b"")
    except Permanent as failure:
        if failure.reason != NO_OBJECT:
            raise
        raise Problem(404, "unknown_object", "there is no such object") from None
    return _rest(begin, chunks)


def _rest(begin: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield begin
    yield from chunks
