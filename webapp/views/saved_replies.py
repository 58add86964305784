"""Replies that a team keeps to send again. For those who answer."""

from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import User
from chat4all.model.files import StoredFile
from chat4all.model.saved_replies import SavedReply
from chat4all.services.files.file_lifecycle import FileLifecycle
from chat4all.services.refusals import Wrong
from chat4all.services.saved_replies import ReplyBook
from webapp.requests.access import visible
from webapp.requests.api_docs import SAVED_REPLIES, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.handlings import check_team
from webapp.requests.idempotency import once
from webapp.requests.refusals import answer_refusals
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked
from webapp.schemas.saved_reply_models import (
    NewSavedReply,
    RenderedOut,
    RenderIn,
    SavedRepliesOut,
    SavedRepliesQuery,
    SavedReplyChange,
    SavedReplyOut,
    SavedReplyPath,
)
from webapp.views import auth

api = APIBlueprint(
    "saved_replies",
    __name__,
    abp_tags=[SAVED_REPLIES],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
)
api.before_request(auth.require)
api.before_request(check_team)
answer_refusals(api, "saved_reply")


@api.get("/v1/saved-replies", responses={"200": SavedRepliesOut})
@checked
def list_replies(query: SavedRepliesQuery) -> Response:
    """Saved replies, by shortcut."""
    page, following = page_after(_book().all(query.shortcut), query.after, query.limit, lambda each: each.shortcut)
    return answer({"saved_replies": [shape(each) for each in page]} | following)


@api.post("/v1/saved-replies", responses={"201": SavedReplyOut})
@once
@checked
def make(body: NewSavedReply) -> Response:
    """Keep a reply."""
    return answer(shape(_book().make(body.given, caller().user_id)), 201)


@api.get("/v1/saved-replies/<reply_id>", responses={"200": SavedReplyOut})
@checked
def show(path: SavedReplyPath) -> Response:
    """A saved reply."""
    return answer(shape(_book().get(path.reply_id)))


@api.patch("/v1/saved-replies/<reply_id>", responses={"200": SavedReplyOut})
@checked
def change(path: SavedReplyPath, body: SavedReplyChange) -> Response:
    """Change a saved reply."""
    return answer(shape(_book().change(path.reply_id, body.given, caller().user_id)))


@api.delete("/v1/saved-replies/<reply_id>", responses={"204": None})
@checked
def remove(path: SavedReplyPath) -> Response:
    """Forget a saved reply. What was sent of it stays."""
    _book().remove(path.reply_id)
    return Response(status=204)


@api.post("/v1/saved-replies/<reply_id>/render", responses={"200": RenderedOut})
@checked
def render(path: SavedReplyPath, body: RenderIn) -> Response:
    """The reply as it is to be said in a conversation: values in place of its variables, files as files of that."""
    reply, membership = _book().get(path.reply_id), visible(body.conversation_id)
    text, files = _book().render(reply, membership, _agent(body.agent or caller().user_id), caller().user_id)
    return answer({"payload": _payload(text, files)})


def _agent(user_id: str) -> User:
    found = gateway().people.users([user_id]).get(user_id)
    if found is None:
        raise Wrong("agent", "there is no such user", "unknown_user")
    return found


def _book() -> ReplyBook:
    here = gateway()
    files = FileLifecycle(here.store, here.objects, here.settings)
    return ReplyBook(here.store, files, here.settings.text_limit, now_ms)


def _payload(text: str, files: list[StoredFile]) -> dict[str, Any]:
    """The message's payload: words, a file, or several together."""
    if not files:
        return {"type": "text", "text": text}
    caption = {"caption": text} if text else {}
    if len(files) == 1:
        return {"type": "media", "file_id": files[0].file_id} | caption
    return {"type": "album", "items": [{"file_id": each.file_id} for each in files]} | caption


def shape(reply: SavedReply) -> dict[str, Any]:
    """A saved reply as the API gives it."""
    return {
        "reply_id": reply.reply_id,
        "title": reply.title,
        "shortcut": reply.shortcut,
        "text": reply.text,
        "files": [
            {"file_id": each.file_id, "filename": each.filename, "mime_type": each.mime_type, "size": each.size}
            for each in reply.files
        ],
        "version": reply.version,
        "created_at": rfc3339(reply.created_at),
        "changed_at": rfc3339(reply.changed_at),
        "changed_by": reply.changed_by,
    }
