"""The harness's REST client lets go of its connection, however it ends."""

import gc
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ops.harness.api import Api, Refused
from tests.ops.serving import served


class Gateway(ThreadingHTTPServer):
    """Answers `answers` one after the other and then 200 {}; None hangs up without a word. `open`: how many are connected."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any] | None] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.open = 0
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Handler)

    def count(self, by: int) -> None:
        with self.changed:
            self.open += by
            self.changed.notify_all()

    def is_left_alone(self) -> bool:
        """Whether everybody hangs up within five seconds."""
        with self.changed:
            return self.changed.wait_for(lambda: self.open == 0, 5)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def setup(self) -> None:
        super().setup()
        self.server.count(1)

    def finish(self) -> None:
        super().finish()
        self.server.count(-1)

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        answer = self.server.answers.pop(0) if self.server.answers else (200, {})
        if answer is None:
            self.close_connection = True
            return
        content = json.dumps(answer[1]).encode()
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with served(Gateway()) as made:
        yield made


def api_to(gateway: Gateway) -> Api:
    return Api("127.0.0.1", gateway.server_port)


def test_a_context_ends_with_its_connection(gateway: Gateway) -> None:
    """Inside one connection is kept for all requests; after it is closed, also when what is inside raises."""
    with pytest.raises(Refused) as refused, api_to(gateway) as api:
        api.call("GET", "/a")
        gateway.answers.append((404, {"code": "not_found"}))
        api.call("GET", "/b")
    assert (refused.value.status, refused.value.body) == (404, {"code": "not_found"})
    assert gateway.is_left_alone()


def test_what_is_forgotten_in_an_error_is_closed_without_a_warning(gateway: Gateway) -> None:
    """An exception that holds itself holds the frame, and the frame the connection: the collector finds all of it closed."""

    def refused() -> None:
        api = api_to(gateway)
        gateway.answers.append((401, {}))
        try:
            api.login("alice", "a guess")
        except Refused as error:
            keep = [error]
            keep.append(keep)  # type: ignore[arg-type]

    refused()
    gc.collect()
    assert gateway.is_left_alone()


def test_only_what_reads_is_repeated(gateway: Gateway) -> None:
    """When the other side hangs up, a GET is asked again over a new connection; a POST is the caller's to repeat."""
    with api_to(gateway) as api:
        gateway.answers += [None, (200, {"a": 1})]
        assert api.call("GET", "/a") == {"a": 1}
        gateway.answers.append(None)
        with pytest.raises(OSError, match="closed connection"):
            api.send({"payload": {}})
        assert [method for method, _, _ in gateway.asked] == ["GET", "GET", "POST"]
        assert api.call("POST", "/b", {"b": 2}) == {}
    assert gateway.is_left_alone()


def test_nobody_there_is_an_error_of_the_system() -> None:
    """Where nothing listens the caller gets OSError, which is what it looks out for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Api("127.0.0.1", port) as api, pytest.raises(OSError):
        api.call("GET", "/healthz")


def test_history_goes_page_by_page(gateway: Gateway) -> None:
    """All pages in order, each asked for where the one before ended."""
    gateway.answers.append((200, {"messages": [{"seq": 1}, {"seq": 2}], "next": 3}))
    gateway.answers.append((200, {"messages": [{"seq": 3}], "next": None}))
    with api_to(gateway) as api:
        assert [each["seq"] for each in api.history("c")] == [1, 2, 3]
    assert [path for _, path, _ in gateway.asked] == [
        "/v1/conversations/c/messages?since=0&limit=200",
        "/v1/conversations/c/messages?since=3&limit=200",
    ]
