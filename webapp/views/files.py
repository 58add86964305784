"""Files: uploaded in parts straight to the object store, or in one request; downloaded from it by a signed URL."""

import json
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from msgspec.structs import replace

from chat4all.model.callers import SEND
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import Membership
from chat4all.model.failures import Permanent
from chat4all.model.files import FileStatus, StoredFile, checked_checksum, checked_name, checked_type, part_sizes, still_missing
from chat4all.model.ids import is_uuid
from chat4all.model.messages import (
    body_digest,
)
from chat4all.ports import Part
from chat4all.services.acceptance.attachments import may_know
from chat4all.services.files.file_lifecycle import FileLifecycle
from webapp.requests.access import visible
from webapp.requests.api_docs import FILES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import Repeatable, given_key, keyed, once, reused
from webapp.requests.problems import Problem
from webapp.requests.responses import (
    answer,
)
from webapp.requests.validation import checked, documented, without_blanks
from webapp.schemas.models import Complete, FileForm, FileOut, FilePath, NewFile, NewFileOut, PartsOut, Presigned
from webapp.views import auth
from webapp.views.quotas import hold_upload, let_go_upload
from webapp.views.uploads import Form, Start

api = APIBlueprint(
    "files", __name__, abp_tags=[FILES], abp_security=SECURED, abp_responses=problems(400, 401, 403, 404, 413, 422, 429, 503)
)
api.before_request(auth.require)

TWINS = 5
POLL_S = 0.05
MISMATCHES = {
    "checksum_mismatch": "what arrived has another checksum; bring the wrong parts again, then complete",
    "size_mismatch": "what arrived has another size; bring the wrong parts again, then complete",
    "parts_changed": "a part was brought again meanwhile; complete again",
}


@api.post("/v1/files/initiate", responses={"201": NewFileOut})
@once
@checked
def initiate(body: NewFile) -> Response:
    """Begin an upload: PUT each part to its URL, in any order and side by side, then complete."""
    here = gateway()
    membership = _writable(body.conversation_id)
    name, mime_type = _named(body.filename, body.mime_type)
    if body.size > here.settings.file_limit:
        raise Problem(413, "file_too_large", f"at most {here.settings.file_limit} bytes", "size")
    file = _begin(membership, name, mime_type, body.size, in_parts=True)
    numbers = range(1, len(part_sizes(file.size, file.part_size)) + 1)
    urls = _urls(file, numbers)
    begun = {"file_id": file.file_id, "upload_url": urls[0]["url"], "parts": urls}
    return answer(begun | _promised(file), 201)


@api.get("/v1/files/<file_id>/parts", responses={"200": PartsOut, **problems(409)})
@checked
def parts(path: FilePath) -> Response:
    """What is there of an upload, and freshly signed URLs for what is missing; for all of it when it failed as it is."""
    file = _own(path.file_id)
    uploaded = _uploaded(file)
    missing = still_missing(file, {each.number: each.size for each in uploaded})
    if file.status is FileStatus.FAILED and not missing:
        # All have the right size, and some the wrong bytes: only their owner can tell which.
        missing = [each.number for each in uploaded]
    return answer({"uploaded": uploaded, "parts": _urls(file, missing)} | _promised(file))


@api.post("/v1/files/complete", responses={"200": FileOut, "202": FileOut, **problems(409)})
@checked
def complete(body: Complete) -> Response:
    """Check what the store holds. 200: it is ready. 202: a worker still reads it; see the file's status."""
    file = _own(body.file_id)
    try:
        checksum = checked_checksum(body.checksum)
    except ValueError as error:
        raise Problem(422, "bad_checksum", str(error), "checksum") from None
    file = _agreed(file, checksum)
    let_go_upload(file)
    gateway().waker.wake_file("verify_file", file.file_id)
    return _outcome(file.file_id)


def _agreed(file: StoredFile, checksum: str) -> StoredFile:
    """The file, being verified against this checksum or verified: whoever of several that complete at once said so first."""
    for _ in range(TWINS):
        if file.status in (FileStatus.READY, FileStatus.VERIFYING):
            _check_same(file, checksum)
            return file
        try:
            begun = _verifying(file, checksum)
        except Problem:
            # A twin may have been quicker: its worker has the parts joined already.
            if _known(file.file_id).version == file.version:
                raise
            begun = None
        if begun is not None:
            return begun
        file = _known(file.file_id)
    raise Problem(409, "already_completing", "others complete it again and again right now")


def _check_same(file: StoredFile, checksum: str) -> None:
    if file.checksum != checksum:
        code = "checksum_mismatch" if file.status is FileStatus.READY else "already_completing"
        raise Problem(
            422 if file.status is FileStatus.READY else 409, code, "it was completed with another checksum", "checksum"
        )


def _verifying(file: StoredFile, checksum: str) -> StoredFile | None:
    """It is verified from now on. None when somebody else changed it meanwhile."""
    missing = still_missing(file, {each.number: each.size for each in _uploaded(file)})
    if missing:
        raise Problem(409, "incomplete", "parts are missing, or have another size than they should", missing=missing)
    return _lifecycle().verify(replace(file, checksum=checksum))


def _outcome(file_id: str) -> Response:
    """Wait for the worker, a little; where a few wait already, others ask again by themselves."""
    with gateway().file_waits.turn() as seconds:
        return _awaited(file_id, time.monotonic() + seconds)


def _awaited(file_id: str, until: float) -> Response:
    while True:
        file = _known(file_id)
        if file.status is FileStatus.FAILED:
            raise Problem(422, file.reason, MISMATCHES.get(file.reason, "what arrived cannot be used"), "checksum")
        if file.status is not FileStatus.VERIFYING or time.monotonic() > until:
            return answer(shape(file), 202 if file.status is FileStatus.VERIFYING else 200)
        time.sleep(POLL_S)


@api.post("/v1/files", responses={"201": FileOut, **problems(409)})
@keyed
@documented(FileForm)
def upload() -> Response:
    """Upload a file in one request: a multipart form with conversation_id, then file. It is streamed to the store.

    Under an Idempotency-Key it is one file, however often it is brought.
    """
    key, form = given_key(), Form(gateway().settings.file_limit)
    start = form.start()
    if key is None:
        return _taken(form, start)
    this = Repeatable(caller().user_id, key, body_digest(request.method, request.path, start))
    earlier = this.begun()
    if earlier is not None:
        return _again(earlier, form)
    form.on_chunk = this.goes_on
    return this.done(lambda: _taken(form, start))


def _again(earlier: Response, form: Form) -> Response:
    """The first answer, if these are the first's bytes: they are read to the end, and kept nowhere."""
    for _ in form.chunks():
        pass
    first = json.loads(earlier.get_data())
    if (first["checksum"], first["size"]) != (form.checksum, form.size):
        raise reused()
    return earlier


def _taken(form: Form, start: Start) -> Response:
    membership = _writable(start.conversation_id)
    name, mime_type = _named(start.filename, start.mime_type)
    file = _begin(membership, name, mime_type, 0, in_parts=False)
    try:
        return _stored(file, form)
    finally:
        let_go_upload(file)


def _begin(membership: Membership, name: str, mime_type: str, size: int, in_parts: bool) -> StoredFile:
    lifecycle, file_id, conversation_id = _lifecycle(), str(uuid4()), membership.conversation.conversation_id
    hold_upload(file_id, size, now_ms() + lifecycle.expire_ms)
    return lifecycle.begin(conversation_id, caller().user_id, name, mime_type, size, in_parts, file_id, membership.version)


def _stored(file: StoredFile, form: Form) -> Response:
    here = gateway()
    here.objects.put(file.own_key, form.chunks())
    if not form.size:
        here.objects.remove([file.own_key])
        raise Problem(422, "empty_file", "a file needs at least one byte", "file")
    ready = _lifecycle().finished(file, form.checksum, form.size)
    if ready is None:
        raise Problem(409, "upload_over", "the upload took too long and has expired")
    return answer(shape(ready), 201)


@api.get("/v1/files/<file_id>", responses={"200": FileOut})
@checked
def show(path: FilePath) -> Response:
    """A file, and how far it has come."""
    return answer(shape(_readable(path.file_id)))


@api.get("/v1/files/<file_id>/presigned", responses={"200": Presigned, **problems(409)})
@checked
def presigned(path: FilePath) -> Response:
    """A URL to download the file from, for a while."""
    here, file = gateway(), _readable(path.file_id)
    if file.status is not FileStatus.READY:
        raise Problem(409, "not_ready", "the file is not complete")
    life_s = here.settings.presigned_s
    url = here.objects.sign_get(file.object_key, file.filename, file.mime_type, life_s)
    return answer({"url": url, "expires_at": rfc3339(int((time.time() + life_s) * 1000))})


def _lifecycle() -> FileLifecycle:
    here = gateway()
    return FileLifecycle(here.store, here.objects, here.settings)


def _writable(conversation_id: str) -> Membership:
    """A conversation that the caller may put files into: its members, and service clients that may write for others."""
    membership, who = visible(conversation_id), caller()
    if not membership.has(who.user_id) and not who.has(SEND):
        raise Problem(403, "not_a_member", "you are no member of this conversation", "conversation_id")
    return membership


def _named(filename: str, mime_type: str) -> tuple[str, str]:
    try:
        name = checked_name(filename)
    except ValueError as error:
        raise Problem(422, "bad_filename", str(error), "filename") from None
    try:
        return name, checked_type(mime_type, name)
    except ValueError as error:
        raise Problem(422, "bad_mime_type", str(error), "mime_type") from None


def _known(file_id: str) -> StoredFile:
    if not is_uuid(file_id):
        raise Problem(422, "malformed_uuid", "a file_id is a UUID", "file_id")
    file = gateway().store.files([file_id.lower()]).get(file_id.lower())
    if file is None or file.is_gone:
        raise Problem(404, "unknown_file", "there is no such file, or it has expired")
    return file


def _readable(file_id: str) -> StoredFile:
    """The file, if the caller is a member of its conversation and may know it; for others it does not exist."""
    file, who = _known(file_id), caller()
    membership = gateway().store.memberships([file.conversation_id], who.user_id).get(file.conversation_id)
    if membership is None or not (who.sees_all or _is_theirs(file, membership, who.user_id)):
        raise Problem(404, "unknown_file", "there is no such file, or it has expired")
    return file


def _is_theirs(file: StoredFile, membership: Membership, user_id: str) -> bool:
    return membership.has(user_id) and may_know(gateway().store, file, membership, user_id)


def _own(file_id: str) -> StoredFile:
    """The file, if the caller uploads it."""
    file = _readable(file_id)
    if file.owner != caller().user_id:
        raise Problem(403, "not_your_file", "somebody else uploads this file")
    return file


def _uploaded(file: StoredFile) -> list[Part]:
    """The parts that are there. Problem 409 when the upload is over."""
    if file.status not in (FileStatus.UPLOADING, FileStatus.FAILED) or not file.upload:
        raise Problem(409, "upload_over", "the parts are complete; see the file's status")
    try:
        return gateway().objects.parts(file.own_key, file.upload)
    except Permanent:
        raise Problem(409, "upload_over", "the parts are complete, or have expired; see the file's status") from None


def _urls(file: StoredFile, numbers: Iterable[int]) -> list[dict[str, Any]]:
    here, sizes = gateway(), part_sizes(file.size, file.part_size)
    sign, life_s = here.objects.sign_part, here.settings.presigned_s
    return [{"number": number, "url": sign(file.own_key, file.upload, number, sizes[number - 1], life_s)} for number in numbers]


def _promised(file: StoredFile) -> dict[str, Any]:
    return {"part_size": file.part_size, "expires_at": rfc3339(file.expires_at)}


def shape(file: StoredFile) -> dict[str, Any]:
    """A file as the API gives it."""
    shown = {
        "file_id": file.file_id,
        "conversation_id": file.conversation_id,
        "status": file.status,
        "filename": file.filename,
        "mime_type": file.mime_type,
        "owner": file.owner,
        "created_at": rfc3339(file.created_at),
        "expires_at": "" if file.status is FileStatus.READY or not file.expires_at else rfc3339(file.expires_at),
        "checksum": file.checksum if file.status is FileStatus.READY else "",
        "reason": file.reason,
    }
    return {"size": file.size} | without_blanks(shown)
