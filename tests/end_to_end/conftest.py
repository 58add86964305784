"""A system of its own for each end-to-end test: on the embedded parts, and on the real servers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

from ops.harness.guard import refuse_real
from ops.harness.servers import PROGRAMS, Servers, secrets_of, single
from ops.harness.system import System
from tests.end_to_end.browsing import Visit, chromium
from tests.ops.real import home_with

QUICK = {
    "CHAT4ALL_BACKOFF_FIRST_S": "0.2",
    "CHAT4ALL_UNKNOWN_GRACE_S": "3",
    "CHAT4ALL_BREAKER_FAILURES": "1000",
    "CHAT4ALL_OPEN_REGISTRATION": "true",
}


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The real servers on free ports, started once for all tests, none of which kills them."""
    for program in PROGRAMS:
        home_with(program)
    return single(flushes_schema=False)


STACKS = ["embedded", pytest.param("real", marks=pytest.mark.real)]


@contextmanager
def own_system(request: pytest.FixtureRequest, stack: str, folder: Path, env: Mapping[str, str]) -> Iterator[System]:
    """Everything running on ports and data of its own; gone after."""
    chosen = {**QUICK, **env}
    with pytest.MonkeyPatch.context() as patch:
        if stack == "real":
            chosen |= request.getfixturevalue("servers").place(f"t{uuid4().hex[:12]}")
            # The test opens the store itself, with the same passwords.
            for name, value in secrets_of(chosen).items():
                patch.setenv(name, value)
        own = System(folder / "data", chosen)
        refuse_real(own.settings)
        with own:
            yield own


@pytest.fixture(params=STACKS)
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """A system for this test alone."""
    with own_system(request, request.param, tmp_path, {}) as own:
        yield own


@pytest.fixture(scope="module", params=STACKS)
def shared_system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for all tests of a file: their people are different ones. Telegram's updates are fetched here.

    Not for longer: on real servers it would take the tasks of the next system, since all share one broker.
    """
    with own_system(request, request.param, tmp_path_factory.mktemp("shared"), {"TELEGRAM_POLLING": "1"}) as own:
        yield own


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, shared_system: System) -> Iterator[Callable[..., Visit]]:
    """Somebody in front of a browser; looked at when the test has passed."""
    opened: list[Visit] = []

    def begin(**options: Any) -> Visit:
        opened.append(Visit(browser, shared_system, **options))
        return opened[-1]

    yield begin
    for each in opened:
        each.close()
