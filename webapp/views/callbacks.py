"""The webhooks that providers call. The answer is 200 only when all of it is durable or kept; otherwise they send it again."""

from collections.abc import Sequence

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.services.accounts import news
from chat4all.services.accounts.live import InForce, LiveChannels, OfApp
from webapp.requests.api_docs import CHANNELS, OPEN, anything, problems
from webapp.requests.gateway import deployment
from webapp.requests.problems import Problem
from webapp.requests.tracing import headers
from webapp.requests.validation import checked, read_body
from webapp.schemas.account_models import AccountWebhookPath
from webapp.schemas.app_models import AppWebhookPath
from webapp.schemas.models import ChannelPath

api = APIBlueprint("callbacks", __name__, abp_tags=[CHANNELS], abp_security=OPEN, abp_responses=problems(403, 404, 413, 422))

OK = anything(200, "The provider's protocol", "text/plain")


@api.get("/channels/<channel>/webhook", responses=OK)
@checked
def challenge(path: ChannelPath) -> Response:
    """The provider's check of the webhook's address."""
    return _challenged(_apps(path.channel))


@api.post("/channels/<channel>/webhook", responses={**OK, **problems(503)})
@checked
def webhook(path: ChannelPath) -> Response:
    """Messages and receipts of all accounts of the app that signed it. The signature is checked over the raw body."""
    return _taken(_apps(path.channel))


@api.get("/channels/<channel>/accounts/<account_id>/webhook", responses=OK)
@checked
def account_challenge(path: AccountWebhookPath) -> Response:
    """The provider's check of the webhook's address of one account."""
    return _challenged([_of(path, deployment().live.connected(path.account_id))])


@api.post("/channels/<channel>/accounts/<account_id>/webhook", responses={**OK, **problems(409, 503)})
@checked
def account_webhook(path: AccountWebhookPath) -> Response:
    """Messages and receipts of one account, and of others of its app. The signature is checked with its own secret.

    Of an account that was removed receipts are taken, and nothing else.
    """
    return _taken([_of(path, deployment().live.told_of(path.account_id))])


@api.get("/channels/<channel>/apps/<app_id>/webhook", responses=OK)
@checked
def app_challenge(path: AppWebhookPath) -> Response:
    """The provider's check of the webhook's address of one app."""
    return _challenged([_app(path)])


@api.post("/channels/<channel>/apps/<app_id>/webhook", responses={**OK, **problems(503)})
@checked
def app_webhook(path: AppWebhookPath) -> Response:
    """Messages and receipts of all accounts of one app. The signature is checked with its own secret."""
    app = _app(path)
    return _taken([app], deployment().live.speaking_for(app))


def _app(path: AppWebhookPath) -> InForce:
    found = deployment().live.app(path.app_id)
    if found is None or found.channel.name != path.channel:
        raise Problem(404, "unknown_app", "there is no such app")
    return found


def _of(path: AccountWebhookPath, found: InForce | None) -> InForce:
    if found is None or found.channel.name != path.channel:
        raise Problem(404, "unknown_account", "there is no such account")
    return found


def _challenged(apps: Sequence[InForce]) -> Response:
    answers = (each.channel.challenge(request.args.to_dict()) for each in apps)
    said = next((each for each in answers if each is not None), None)
    if said is None:
        raise Problem(403, "wrong_verify_token", "this is not the provider's check")
    return Response(said, mimetype="text/plain")


def _taken(apps: Sequence[InForce], reader: InForce | None = None) -> Response:
    """`reader`: who reads what any of these has signed; left out: whichever it was."""
    body, said = read_body(), {name.lower(): value for name, value in request.headers.items()}
    signer = next((each for each in apps if each.channel.is_signed(said, body)), None)
    if signer is None:
        raise Problem(403, "wrong_signature", "the signature is not the provider's")
    if signer.account and signer.account.state == "connecting":
        # Signed, but not confirmed: the provider brings it again.
        raise Problem(409, "account_connecting", "the account has not been checked yet")
    here, signer = deployment(), reader or signer
    of_app = here.live.of_one_app(signer) if isinstance(here.channels, LiveChannels) else OfApp()
    handled = here.webhooks.take(signer.channel, [body], headers(), said, of_app)
    if handled.news:
        used = here.live.used(signer.channel.name)
        news.take(here.store, [each.account_id for each in used if each.provider_account_id in of_app.used], handled.news)
    here.waker.signal(handled.presses)
    for file_id in handled.files:
        here.waker.wake_file("fetch_media", file_id)
    return Response("OK", mimetype="text/plain")


def _apps(name: str) -> list[InForce]:
    here = deployment()
    if isinstance(here.channels, LiveChannels):
        if name not in here.live:
            raise _unknown_channel()
        return here.live.apps(name)
    if name not in here.channels:
        raise _unknown_channel()
    return [InForce(here.channels[name])]


def _unknown_channel() -> Problem:
    return Problem(404, "unknown_channel", "there is no such channel")
