"""Real servers in tests: started for a test session on free ports, with data of their own, and ended with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.native.k6 import K6
from ops.native.processes import Server
from ops.native.stack import default_home

REQUIRED = "REQUIRE_REAL"


def home_with(program: type[Server] | type[K6]) -> Path:
    """Where this program is installed. Skips the test where it is not; with REQUIRE_REAL=1 that is a failure."""
    home = default_home()
    if not program.is_installed(home):
        missing = f"{program.name} is not installed: python -m ops.native install {program.name}"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return home


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, started; killed at the end, since its data are thrown away."""
    try:
        server.start()
        yield server
    finally:
        server.kill9()
