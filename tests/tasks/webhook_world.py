"""An endpoint of the test's own on loopback, and a world with runners that tell it."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.records import EVENTS
from chat4all.ports.webhooks import WEBHOOKS, Webhook
from tasks.webhooks.caller import HeadersOf
from tasks.webhooks.runner import WebhookRunner
from tasks.webhooks.schedule import GIVEN_UP_S
from tests.tasks.world import World, message

Answers = Callable[[dict[str, Any]], tuple[int, Mapping[str, str]]]


def success(_: dict[str, Any]) -> tuple[int, Mapping[str, str]]:
    """It is well."""
    return 200, {}


class Receiver:
    """Keeps what it was told, by path, and answers as `answers` says. `calls`: each that came, told or not."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, Answers] = {}
        self.url = ""

    def of(self, path: str, conversation: str | None = None) -> list[int]:
        """The seqs of the messages that this path took, in order."""
        return [
            said["seq"]
            for where, said in list(self.told)
            if where == path and "seq" in said and conversation in (None, said["conversation_id"])
        ]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver at a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = json.loads(body)
            receiver.bodies.append(body)
            receiver.calls.append((self.path, said))
            receiver.headers.append(dict(self.headers))
            status, headers = receiver.answers.get(self.path, success)(said)
            if status // 100 == 2:
                receiver.told.append((self.path, said))
            self.send_response(status)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A caller that left is none of ours."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def signed(webhook: Webhook, event_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Headers as the runner is given them."""
    return {"webhook-id": event_id, "webhook-timestamp": str(at_s)}


def add(road: World, receiver: Receiver, path: str, **fields: Any) -> Webhook:
    """An enabled endpoint, which hears what comes from now on."""
    starts = {partition: end for partition, (_, end) in road.log.ends(EVENTS).items()}
    made = Webhook(path.strip("/"), receiver.url + path, starts=starts, version=1, created_at=now_ms(), **fields)
    assert road.store.put_webhook(made)
    return made


def change(road: World, webhook_id: str, **fields: Any) -> None:
    """Change an endpoint, whoever else does."""
    while True:
        known = road.store.webhook(webhook_id)
        assert known is not None
        if road.store.put_webhook(replace(known, version=known.version + 1, changed_at=now_ms(), **fields)):
            return


def say(road: World, conversation: str, count: int, first: int = 0) -> None:
    """Messages of a conversation, stored and published."""
    road.say(*[message(conversation, number) for number in range(first, first + count)])
    road.run()


@contextmanager
def telling(road: World, headers: HeadersOf = signed, given_up_s: float = GIVEN_UP_S) -> Iterator[WebhookRunner]:
    """A runner of its own that holds all partitions."""
    runner = WebhookRunner(road.parts, headers, given_up_s)
    runner.start()
    try:
        wake(road, runner)
        yield runner
    finally:
        runner.stop()


def wake(road: World, runner: WebhookRunner) -> None:
    """As the sweep does."""
    for partition in range(road.parts.partitions):
        runner.wake(Lane(WEBHOOKS, partition))


def wait_for(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
