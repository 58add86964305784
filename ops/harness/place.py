"""Where a load flows: a running system, somebody who may send in anybody's name, and people who read."""

from secrets import token_hex, token_urlsafe
from typing import Protocol

from chat4all.services.access.credentials import create_client
from ops.harness.api import Api
from ops.harness.system import Running
from storage.open import open_store


class Place(Protocol):
    """What a crowd and its load need."""

    @property
    def system(self) -> Running:
        """The running system."""

    def operator(self) -> Api:
        """A new connection that may send in anybody's name."""

    def register(self, who: str) -> Api:
        """Make a user, or find it made; a connection in its name."""


def new_operator(system: Running, name: str) -> Api:
    """A service client of our own, made in the store; needs the system's settings and secrets in our environment."""
    client, store = f"{name}-{token_hex(4)}", open_store(system.settings)
    try:
        secret = create_client(store, client, ["send", "manage", "admin"])
    finally:
        store.close()
    return system.login(client, secret)


class Here:
    """A system that somebody else started. Its users have names and passwords of this run only, so that runs do not meet."""

    def __init__(self, system: Running) -> None:
        self.system = system
        self._operator = new_operator(system, "demo")
        self._password = token_urlsafe(12)

    def operator(self) -> Api:
        """See Place."""
        return self._operator

    def register(self, who: str) -> Api:
        """See Place. In the operator's name, since registration may be closed."""
        self._operator.call("POST", "/v1/users", {"user_id": who, "password": self._password})
        return self.system.login(who, self._password)
