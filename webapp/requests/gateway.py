"""The ports and services that all requests of a gateway process share, and how a view gets them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from flask import current_app, g
from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.signals import Cadence
from chat4all.ports import Channel, EventLog, MessageStore, ObjectStore, SearchIndex, Waker
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.access.authentication import Admission
from chat4all.services.access.logins import Logins
from chat4all.services.access.rate_limits import Limits
from chat4all.services.access.revocations import Revocations
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.accounts.registry import AccountRegistry
from chat4all.services.directory import People
from chat4all.services.inbound.intake import Arrivals
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.services.link_previews import LinkPreviews
from chat4all.services.passing import Passing
from chat4all.services.presence import Watch
from chat4all.services.webhooks.endpoints import Endpoints
from chat4all.services.workspaces.scoped_log import scoped_index, scoped_log
from chat4all.services.workspaces.scoped_presence import ScopedWatch
from chat4all.services.workspaces.scoped_store import scoped
from chat4all.settings import Settings
from chat4all.telemetry import logs, tracing
from webapp.requests.bounds import BOUNDS, Bounds
from webapp.requests.waits import Waits

KEY = "chat4all"
# What was opened for a workspace is made again in no time; a deployment may have thousands.
ROOMS_MOST = 500


class Gateway(Struct, frozen=True):
    """The ports of this process and what is built on them: all that its requests share.

    `message_waits`, `file_waits`: how many of them may wait at the same time, for a message or for a worker; `search_waits`:
    how many may search; `preview_waits`: how many may fetch a page of the web. `search`: None where search is off.
    `cadence`: how often signals are handed on; `passing`: to whom is connected. `presence`: who that is.
    `live`: which account each of the `channels` sends from.
    `bounds`: how much a request looks at. `clock`: ms UTC, for requests that are repeated.
    `workspace`: whose it is (`within`); empty: of all. `rooms`: those that were opened.
    """

    settings: Settings
    log: EventLog
    store: MessageStore
    channels: Mapping[str, Channel]
    acceptor: Acceptor
    webhooks: Webhooks
    endpoints: Endpoints
    live: LiveChannels
    accounts: AccountRegistry
    objects: ObjectStore
    logins: Logins
    revocations: Revocations
    admission: Admission
    limits: Limits
    waker: Waker
    message_waits: Waits
    file_waits: Waits
    search_waits: Waits
    preview_waits: Waits
    cadence: Cadence
    passing: Passing
    previews: LinkPreviews
    presence: Watch | ScopedWatch
    search: SearchIndex | None
    bounds: Bounds = BOUNDS
    clock: Callable[[], int] = now_ms
    workspace: str = ""
    rooms: dict[str, tuple[Any, Any]] = msgspec.field(default_factory=dict)

    def within(self, workspace: str) -> "Gateway":
        """All of this as one workspace sees it: nothing of others is in it."""
        there, room = self.rooms.get(workspace, (None, None))
        if there is not self:
            if len(self.rooms) >= ROOMS_MOST:
                self.rooms.clear()
            room = self._room(workspace)
            self.rooms[workspace] = (self, room)
        opened: Gateway = room
        return opened

    def _room(self, workspace: str) -> "Gateway":
        if workspace == DEFAULT_WORKSPACE:
            # Its services were made of this already.
            return replace(self, workspace=workspace, store=scoped(self.store, workspace), search=self._index_of(workspace))
        store, log, live = scoped(self.store, workspace), scoped_log(self.log, workspace), self.live.within(workspace)
        channels = live if isinstance(self.channels, LiveChannels) else self.channels
        acceptor = Acceptor(store, log, self.settings, channels)
        return replace(
            self,
            workspace=workspace,
            log=log,
            store=store,
            channels=channels,
            acceptor=acceptor,
            webhooks=Webhooks(store, Arrivals(store, acceptor)),
            endpoints=Endpoints(self.settings, store, log),
            live=live,
            accounts=AccountRegistry(self.settings, store, live, everywhere=self.store, workspace=workspace),
            logins=Logins(store, self.settings, workspace=workspace),
            cadence=Cadence(),
            passing=Passing(log),
            presence=ScopedWatch(self.presence.now, workspace) if isinstance(self.presence, Watch) else self.presence,
            search=self._index_of(workspace),
        )

    def _index_of(self, workspace: str) -> SearchIndex | None:
        return scoped_index(self.search, workspace) if self.search is not None else None

    @property
    def people(self) -> People:
        """Users and conversations."""
        return self.acceptor.people

    def close(self) -> None:
        """Let go of the ports: what was begun is finished, and threads of libraries end."""
        self.revocations.close()
        self.live.close()
        self.log.close()
        self.store.close()
        self.objects.close()
        if self.search is not None:
            self.search.close()


def deployment() -> Gateway:
    """The gateway with all workspaces: for what comes before anybody is known, and for operators."""
    found: Gateway = current_app.extensions[KEY]
    return found


def enter(workspace: str) -> None:
    """From here on the request is of this workspace."""
    g.gateway = deployment().within(workspace)
    if workspace != DEFAULT_WORKSPACE:
        logs.of_workspace(workspace)
        tracing.of_workspace(workspace)


def leave(_error: BaseException | None = None) -> None:
    """The request is over: the next one of this thread may be of another workspace."""
    if "gateway" in g and g.gateway.workspace != DEFAULT_WORKSPACE:
        logs.of_workspace("")


def gateway() -> Gateway:
    """The gateway that serves this request, as its workspace sees it: `default` before anybody is known."""
    if "gateway" not in g:
        enter(DEFAULT_WORKSPACE)
    found: Gateway = g.gateway
    return found


def caller() -> Caller:
    """Whoever's token this request carries. Only where `auth.require` has run."""
    found: Caller = g.caller
    return found
