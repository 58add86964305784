"""The ports and services that all requests of a gateway process share, and how a view gets them."""

from collections.abc import Callable, Mapping

from flask import current_app, g
from msgspec import Struct

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
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
from chat4all.services.inbound.webhooks import Webhooks
from chat4all.services.passing import Passing
from chat4all.services.presence import Watch
from chat4all.services.webhooks.endpoints import Endpoints
from chat4all.settings import Settings
from webapp.requests.bounds import BOUNDS, Bounds
from webapp.requests.waits import Waits

KEY = "chat4all"


class Gateway(Struct, frozen=True):
    """The ports of this process and what is built on them: all that its requests share.

    `message_waits`, `file_waits`: how many of them may wait at the same time, for a message or for a worker; `search_waits`:
    how many may search. `search`: None where search is off.
    `cadence`: how often signals are handed on; `passing`: to whom is connected. `presence`: who that is.
    `live`: which account each of the `channels` sends from.
    `bounds`: how much a request looks at. `clock`: ms UTC, for requests that are repeated.
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
    cadence: Cadence
    passing: Passing
    presence: Watch
    search: SearchIndex | None
    bounds: Bounds = BOUNDS
    clock: Callable[[], int] = now_ms

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


def gateway() -> Gateway:
    """The gateway that serves this request."""
    found: Gateway = current_app.extensions[KEY]
    return found


def caller() -> Caller:
    """Whoever's token this request carries. Only where `auth.require` has run."""
    found: Caller = g.caller
    return found
