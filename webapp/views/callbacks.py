"""The webhooks that providers call. The answer is 200 only when all of it is durable or kept; otherwise they send it again."""

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.ports import Channel
from chat4all.services.accounts.live import InForce
from webapp.requests.api_docs import CHANNELS, OPEN, anything, problems
from webapp.requests.gateway import gateway
from webapp.requests.problems import Problem
from webapp.requests.tracing import headers
from webapp.requests.validation import checked, read_body
from webapp.schemas.account_models import AccountWebhookPath
from webapp.schemas.models import ChannelPath

api = APIBlueprint("callbacks", __name__, abp_tags=[CHANNELS], abp_security=OPEN, abp_responses=problems(403, 404, 413, 422))

OK = anything(200, "The provider's protocol", "text/plain")


@api.get("/channels/<channel>/webhook", responses=OK)
@checked
def challenge(path: ChannelPath) -> Response:
    """The provider's check of the webhook's address."""
    return _challenged(_channel(path.channel))


@api.post("/channels/<channel>/webhook", responses={**OK, **problems(503)})
@checked
def webhook(path: ChannelPath) -> Response:
    """Messages and receipts. The signature is checked over the raw body."""
    return _taken(_channel(path.channel))


@api.get("/channels/<channel>/accounts/<account_id>/webhook", responses=OK)
@checked
def account_challenge(path: AccountWebhookPath) -> Response:
    """The provider's check of the webhook's address of one account."""
    return _challenged(_connected(path).channel)


@api.post("/channels/<channel>/accounts/<account_id>/webhook", responses={**OK, **problems(409, 503)})
@checked
def account_webhook(path: AccountWebhookPath) -> Response:
    """Messages and receipts of one account. The signature is checked with its own secret."""
    found = _connected(path)
    return _taken(found.channel, found.account is not None and found.account.is_used)


def _connected(path: AccountWebhookPath) -> InForce:
    found = gateway().live.connected(path.account_id)
    if found is None or found.channel.name != path.channel:
        raise Problem(404, "unknown_account", "there is no such account")
    return found


def _challenged(channel: Channel) -> Response:
    said = channel.challenge(request.args.to_dict())
    if said is None:
        raise Problem(403, "wrong_verify_token", "this is not the provider's check")
    return Response(said, mimetype="text/plain")


def _taken(channel: Channel, used: bool = True) -> Response:
    body, said = read_body(), {name.lower(): value for name, value in request.headers.items()}
    if not channel.is_signed(said, body):
        raise Problem(403, "wrong_signature", "the signature is not the provider's")
    if not used:
        # Signed, but not confirmed: the provider brings it again.
        raise Problem(409, "account_connecting", "the account has not been checked yet")
    handled = gateway().webhooks.take(channel, [body], headers(), said)
    gateway().waker.signal(handled.presses)
    for file_id in handled.files:
        gateway().waker.wake_file("fetch_media", file_id)
    return Response("OK", mimetype="text/plain")


def _channel(name: str) -> Channel:
    found = gateway().channels.get(name)
    if found is None:
        raise Problem(404, "unknown_channel", "there is no such channel")
    return found
