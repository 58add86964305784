"""The webhooks that providers call. The answer is 200 only when all of it is durable or kept; otherwise they send it again."""

from collections.abc import Callable, Sequence
from functools import partial

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint

from chat4all.services.accounts import news
from chat4all.services.accounts.live import InForce, OfApp, accounts_of
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
    return _taken(partial(_apps, path.channel), _unknown_channel())


@api.get("/channels/<channel>/accounts/<account_id>/webhook", responses=OK)
@checked
def account_challenge(path: AccountWebhookPath) -> Response:
    """The provider's check of the webhook's address of one account."""
    found = deployment().live.connected(path.account_id)
    if found is None or found.channel.name != path.channel:
        raise _unknown_account()
    return _challenged([OfApp(found, {})])


@api.post("/channels/<channel>/accounts/<account_id>/webhook", responses={**OK, **problems(409, 503)})
@checked
def account_webhook(path: AccountWebhookPath) -> Response:
    """Messages and receipts of one account, and of others of its app. The signature is checked with its own secret.

    Of an account that was removed, or that was not checked yet, receipts are taken, and nothing else.
    """
    return _taken(partial(_of, path), _unknown_account())


@api.get("/channels/<channel>/apps/<app_id>/webhook", responses=OK)
@checked
def app_challenge(path: AppWebhookPath) -> Response:
    """The provider's check of the webhook's address of one app."""
    found = _app(path)
    if found is None:
        raise _unknown_app()
    return _challenged([OfApp(found, {})])


@api.post("/channels/<channel>/apps/<app_id>/webhook", responses={**OK, **problems(503)})
@checked
def app_webhook(path: AppWebhookPath) -> Response:
    """Messages and receipts of all accounts of one app. The signature is checked with its own secret."""

    def apps() -> list[OfApp]:
        found = _app(path)
        return [deployment().live.speaking_for(found)] if found else []

    return _taken(apps, _unknown_app())


def _app(path: AppWebhookPath) -> InForce | None:
    found = deployment().live.app(path.app_id)
    return found if found and found.channel.name == path.channel else None


def _unknown_app() -> Problem:
    return Problem(404, "unknown_app", "there is no such app")


def _of(path: AccountWebhookPath) -> list[OfApp]:
    found = deployment().live.app_of(path.account_id)
    return [found] if found and found.channel.name == path.channel else []


def _unknown_account() -> Problem:
    return Problem(404, "unknown_account", "there is no such account")


def _challenged(apps: Sequence[OfApp]) -> Response:
    answers = (each.channel.challenge(request.args.to_dict()) for each in apps)
    said = next((each for each in answers if each is not None), None)
    if said is None:
        raise Problem(403, "wrong_verify_token", "this is not the provider's check")
    return Response(said, mimetype="text/plain")


def _taken(apps: Callable[[], Sequence[OfApp]], nobody: Problem) -> Response:
    """What the app says that signed it. Who is not known is looked for in the store: another process may know them already."""
    body, said = read_body(), {name.lower(): value for name, value in request.headers.items()}
    here = deployment()

    def signed() -> OfApp | None:
        return next((each for each in apps() if each.channel.is_signed(said, body)), None)

    def afresh() -> OfApp | None:
        # Also where nothing is new: whoever watches may have read it since `app` was found.
        here.live.read()
        return signed()

    app = signed() or afresh()
    if app is None:
        raise Problem(403, "wrong_signature", "the signature is not the provider's") if apps() else nobody
    if not app.signer.is_confirmed:
        if here.webhooks.take_receipts(app.channel, body, headers()):
            return Response("OK", mimetype="text/plain")
        # Signed, but not confirmed: the provider brings it again.
        raise Problem(409, "account_connecting", "the account has not been checked yet")
    known = app
    handled = here.webhooks.take(app.channel, [body], headers(), said, app, lambda: afresh() or known)
    if handled.news:
        used = here.live.used(app.channel.name)
        news.take(here.store, [each.account_id for each in used if each.provider_account_id in app.used], handled.news)
    here.waker.signal(handled.presses)
    for file_id in handled.files:
        here.waker.wake_file("fetch_media", file_id)
    return Response("OK", mimetype="text/plain")


def _apps(name: str) -> Sequence[OfApp]:
    accounts = accounts_of(deployment().channels).everywhere
    if name not in accounts:
        raise _unknown_channel()
    return accounts.apps(name)


def _unknown_channel() -> Problem:
    return Problem(404, "unknown_channel", "there is no such channel")
