"""The webhooks that providers call. The answer is 200 only when all of it is durable or kept; otherwise they send it again."""

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.ports import Channel
from webapp.requests.api_docs import CHANNELS, OPEN, anything, problems
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem
from webapp.requests.tracing import headers
from webapp.requests.validation import checked, read_body
from webapp.schemas.models import ChannelPath

api = APIBlueprint("callbacks", __name__, abp_tags=[CHANNELS], abp_security=OPEN, abp_responses=problems(403, 404, 413, 422))

OK = anything(200, "The provider's protocol", "text/plain")


@api.get("/channels/<channel>/webhook", responses=OK)
@checked
def challenge(path: ChannelPath) -> Response:
    """The provider's check of the webhook's address."""
    said = _channel(path.channel).challenge(request.args.to_dict())
    if said is None:
        raise Problem(403, "wrong_verify_token", "this is not the provider's check")
    return Response(said, mimetype="text/plain")


@api.post("/channels/<channel>/webhook", responses={**OK, **problems(503)})
@checked
def webhook(path: ChannelPath) -> Response:
    """Messages and receipts. The signature is checked over the raw body."""
    channel = _channel(path.channel)
    body = read_body()
    if not channel.is_signed({name.lower(): value for name, value in request.headers.items()}, body):
        raise Problem(403, "wrong_signature", "the signature is not the provider's")
    handled = gateway().webhooks.take(channel, [body], headers())
    gateway().waker.signal(handled.presses)
    for file_id in handled.files:
        gateway().waker.wake_file("fetch_media", file_id)
    return Response("OK", mimetype="text/plain")


def _channel(name: str) -> Channel:
    found = gateway().channels.get(name)
    if found is None:
        raise Problem(404, "unknown_channel", "there is no such channel")
    return found
