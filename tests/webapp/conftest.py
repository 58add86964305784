"""A gateway over the embedded log and store in a folder of its own, with Flask's test client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from limits.storage import MemoryStorage

from chat4all.settings import Settings
from tests.wakes import Wakes
from tests.webapp.channels import both
from tests.webapp.driver import Driver, watched
from tests.webapp.uploading import uploads
from webapp.app import create_app


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, partitions=2, broker="memory://")


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[..., Driver]]:
    """Starts a gateway, with other settings if asked for."""
    started: list[Driver] = []

    def begin(**changed: object) -> Driver:
        driver = Driver(create_app(settings.model_copy(update=changed), both(), MemoryStorage(), Wakes(), watched))
        started.append(driver)
        return driver

    yield begin
    for each in started:
        each.close()


@pytest.fixture
def gateway(start: Callable[..., Driver], request: pytest.FixtureRequest) -> Driver:
    """A gateway with whom the test's module names: `PEOPLE`, and `CLIENTS` with the scopes of each."""
    driver = start()
    driver.people(*getattr(request.module, "PEOPLE", ()))
    for name, scopes in getattr(request.module, "CLIENTS", {}).items():
        driver.service(name, *scopes)
    return driver


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One gateway for tables of requests that must all be refused and leave nothing behind."""
    chosen = Settings(data=tmp_path_factory.mktemp("untouched"), partitions=2, broker="memory://", login_limit="9999/minute")
    driver = Driver(create_app(chosen, both(), MemoryStorage(), Wakes()))
    driver.people("alice", "bob", "eve")
    yield driver
    driver.close()


__all__ = ["gateway", "settings", "start", "uploads"]
