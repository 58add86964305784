"""The gateway: an application factory that wires and registers. Called in each worker process, after fork."""

from collections.abc import Callable, Mapping

from flask import jsonify, request
from flask_openapi3.openapi import OpenAPI
from limits.storage import Storage
from msgspec import Struct
from werkzeug.middleware.proxy_fix import ProxyFix

from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.records import TOPICS
from chat4all.model.signals import Cadence
from chat4all.ports import Channel, EventLog, MessageStore, ObjectStore, Waker
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.access.authentication import Admission
from chat4all.services.access.logins import Logins
from chat4all.services.access.rate_limits import Limits
from chat4all.services.access.revocations import Revocations
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.accounts.registry import AccountRegistry
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.intake import Arrivals
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.services.link_previews import LinkPreviews
from chat4all.services.passing import Passing
from chat4all.services.presence import Watch
from chat4all.services.wake import CeleryWaker, sender
from chat4all.services.webhooks.endpoints import Endpoints
from chat4all.services.webhooks.forwarding import Forwarding
from chat4all.services.workspaces.scoped_store import scoped
from chat4all.settings import Settings, load
from chat4all.telemetry import logs
from storage.open import open_log, open_objects, open_search, open_store
from webapp.requests import cors, problems, rate_limits, tracing
from webapp.requests.api_docs import INFO, SCHEMES
from webapp.requests.gateway import KEY, Gateway, gateway, leave
from webapp.requests.openapi import Documented
from webapp.requests.waits import (
    FILE_SHARE,
    FILE_WAIT_S,
    MESSAGE_SHARE,
    MESSAGE_WAIT_S,
    PREVIEW_S,
    PREVIEW_SHARE,
    SEARCH_S,
    SEARCH_SHARE,
    Waits,
)
from webapp.schemas.models import ProblemDetails
from webapp.server import metrics
from webapp.views import (
    accounts,
    admin,
    apps,
    auth,
    broadcasts,
    browser_sessions,
    callbacks,
    cancelling,
    clients,
    consent,
    console,
    contacts,
    conversations,
    files,
    handling,
    health,
    link_previews,
    messages,
    objects,
    presence,
    reports,
    resends,
    road,
    saved_replies,
    scheduled,
    search,
    sessions,
    templates,
    users,
    webhooks,
    workspaces,
)
from webapp.views import channels as channels_view

LARGE = ("messages.send_batch", "callbacks.webhook", "callbacks.account_webhook", "callbacks.app_webhook")
# They read their bodies bit by bit, and count for themselves.
STREAMED = ("files.upload", "objects.bring")


class Ports(Struct, frozen=True):
    """What a gateway keeps things in."""

    log: EventLog
    store: MessageStore
    objects: ObjectStore


def open_ports(settings: Settings) -> Ports:
    """Those that the settings name."""
    return Ports(open_log(settings), open_store(settings), open_objects(settings))


def create_app(
    settings: Settings | None = None,
    channels: Mapping[str, Channel] | None = None,
    counters: Storage | None = None,
    waker: Waker | None = None,
    opens: Callable[[Settings], Ports] = open_ports,
) -> OpenAPI:
    """A gateway on these settings, or on those of the environment. What is not given is made as they say."""
    settings = settings or load()
    logs.configure("gateway")
    app = Documented(
        "webapp",
        info=INFO,
        security_schemes=SCHEMES,
        validation_error_model=ProblemDetails,
        doc_prefix="/docs",
        static_folder=None,
    )
    app.served = settings
    if settings.proxies:
        # Else all the world is one address, and shares the logins that it has.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    tracing.init(app, settings)
    app.config["OPENAPI_HTML_STRING"] = '<meta http-equiv="refresh" content="0; url=swagger">'
    app.extensions[KEY] = open_gateway(settings, opens(settings), channels, counters, waker)
    cors.init(app, settings)
    app.before_request(_limit_body)
    app.teardown_request(leave)
    app.add_url_rule("/openapi.json", "openapi_json", lambda: jsonify(app.api_doc))
    problems.init(app)
    auth.init(app)
    rate_limits.init(app)
    metrics.init(app)
    for each in (
        auth.api,
        users.registering,
        users.api,
        conversations.api,
        messages.api,
        cancelling.api,
        scheduled.api,
        callbacks.api,
        admin.api,
        health.api,
    ):
        app.register_api(each)
    for each in (files.api, objects.api, sessions.api, clients.api, consent.api, channels_view.api, webhooks.api, handling.api):
        app.register_api(each)
    for each in (accounts.api, apps.api, templates.api, browser_sessions.api, contacts.api, saved_replies.api, broadcasts.api):
        app.register_api(each)
    for each in (search.api, reports.api, presence.api, resends.api, road.api, workspaces.api, link_previews.api):
        app.register_api(each)
    app.register_blueprint(console.api)
    return app


def open_gateway(
    settings: Settings,
    ports: Ports,
    channels: Mapping[str, Channel] | None,
    counters: Storage | None,
    waker: Waker | None,
) -> Gateway:
    """Make ready the ports of this process, and what is built on them."""
    log, store = ports.log, ports.store
    store.migrate()
    log.create(dict.fromkeys(TOPICS, settings.partitions))
    live = LiveChannels(settings, store)
    opened = channels if channels is not None else live.open().within(DEFAULT_WORKSPACE)
    index = open_search(settings)
    if index is not None:
        index.migrate()
    own, revocations = scoped(store, DEFAULT_WORKSPACE), Revocations(store)
    acceptor = Acceptor(own, log, settings, opened)
    return Gateway(
        settings=settings,
        log=log,
        store=store,
        channels=opened,
        acceptor=acceptor,
        webhooks=Webhooks(
            store,
            ArrivalsByWorkspace(
                Acceptors(store, log, settings, live if channels is None else channels), Arrivals(own, acceptor)
            ),
            Forwarding(settings, store, log),
        ),
        endpoints=Endpoints(settings, own, log),
        live=live,
        accounts=AccountRegistry(settings, own, live.within(DEFAULT_WORKSPACE), everywhere=store),
        objects=ports.objects,
        logins=Logins(own, settings),
        revocations=revocations,
        admission=Admission(settings.secret("jwt"), revocations),
        limits=Limits(settings, counters),
        waker=waker or CeleryWaker(sender(settings)),
        message_waits=Waits(settings.gateway_threads // MESSAGE_SHARE, MESSAGE_WAIT_S),
        file_waits=Waits(settings.gateway_threads // FILE_SHARE, FILE_WAIT_S),
        search_waits=Waits(settings.gateway_threads // SEARCH_SHARE, SEARCH_S),
        preview_waits=Waits(settings.gateway_threads // PREVIEW_SHARE, PREVIEW_S),
        cadence=Cadence(),
        passing=Passing(log),
        previews=LinkPreviews(),
        presence=Watch(log),
        search=index,
    )


def _limit_body() -> None:
    """Each call has its own limit; beyond it the body is not read."""
    settings = gateway().settings
    limit = settings.batch_body_limit if request.endpoint in LARGE else settings.body_limit
    request.max_content_length = None if request.endpoint in STREAMED else limit
