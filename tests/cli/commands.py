"""Runs commands as they are typed, against a gateway in this process."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
import requests
import structlog
from limits.storage import MemoryStorage
from werkzeug.serving import make_server

from chat4all.cli.app import run
from chat4all.cli.session import SERVERS
from chat4all.ports import Channel
from chat4all.services.access import tokens
from chat4all.services.access.credentials import create_client
from chat4all.settings import Settings
from tests.bridges.road import Road
from tests.wakes import Wakes
from webapp.app import create_app
from webapp.requests.gateway import KEY


class Typed:
    """Types commands; gives status, output and errors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.argv", ["chat4all", *words])
        SERVERS.base_url = SERVERS.stream_target = SERVERS.token = ""
        self._capsys.readouterr()
        status = 0
        try:
            run()
        except SystemExit as end:
            status = int(end.code or 0)
        shown = self._capsys.readouterr()
        return status, shown.out, shown.err

    def fine(self, *words: str) -> str:
        """The output of a command that must succeed."""
        status, out, err = self(*words)
        assert status == 0, err
        return out

    def error(self, *words: str) -> str:
        """The one line of a command that must fail."""
        status, _, err = self(*words)
        assert status == 1
        assert err.startswith("chat4all: ")
        assert err.count("\n") == 1
        return err


@contextmanager
def cut_off(path: str, answer: requests.Response | None = None, arrives: bool = True) -> Iterator[list[Any]]:
    """Whoever calls this path is interrupted before the answer is there, or gets `answer`; the bodies of these calls.

    `arrives`: whether the server hears of them.
    """
    bodies: list[Any] = []
    real = requests.Session.request

    def request(self: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        if not url.endswith(path):
            return real(self, method, url, **more)
        bodies.append(more["json"])
        if arrives:
            real(self, method, url, **more)
        if answer is None:
            raise KeyboardInterrupt
        return answer

    with patch("requests.Session.request", request):
        yield bodies


def answered(status: int, **body: Any) -> requests.Response:
    """An answer of a server."""
    answer = requests.Response()
    answer.status_code, answer.raw = status, BytesIO(json.dumps(body).encode())
    return answer


@contextmanager
def quiet() -> Iterator[None]:
    """No logs among what commands print."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()


@contextmanager
def gateway(
    settings: Settings, port: int = 0, wakes: Wakes | None = None, channels: Mapping[str, Channel] | None = None
) -> Iterator[str]:
    """A gateway on a thread, on any port or this one; its URL."""
    # A log that is set up here would go on writing to this test's output when the test is over.
    with patch("chat4all.telemetry.logs.configure"):
        app = create_app(settings, channels or {}, MemoryStorage(), wakes or Wakes())
    server = make_server(settings.host, port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{settings.host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        app.extensions[KEY].close()


@contextmanager
def as_client(
    settings: Settings, scope: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typed]:
    """What a service client with this scope types, at a gateway of its own."""
    road = Road(settings)
    create_client(road.store, "ops", [scope])
    token = tokens.issue(road.store.users(["ops"])["ops"], tokens.ACCESS, 600, settings.secret("jwt"))
    with quiet(), gateway(settings) as url:
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("CHAT4ALL_CONFIG", str(settings.data.parent / "config"))
        monkeypatch.setenv("CHAT4ALL_TOKEN", token)
        yield Typed(monkeypatch, capsys)
    road.close()
