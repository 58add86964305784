"""The console's page under 600 events a second, for as long as CONSOLE_SOAK_S says: its memory stays as it was.

The page, its gateway and its session are real. What happens is told by the test over the page's stream, in the place of the
stream server, so that no machine has to deliver 600 messages a second beside a browser.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from limits.storage import MemoryStorage
from playwright.sync_api import Browser, CDPSession, Page, Route, expect
from werkzeug.serving import make_server

from chat4all.model.clock import now_ms, rfc3339
from chat4all.settings import Settings
from ops.native.processes import free_ports
from tests.end_to_end.browsing import Visit, live, needs_chromium
from tests.wakes import Wakes
from tests.webapp.driver import Driver
from webapp.app import create_app

SECONDS = float(os.environ.get("CONSOLE_SOAK_S", "20"))
RATE, BEAT_S = 600, 0.05
CONVERSATIONS = 10_000 if SECONDS >= 120 else 500
# Until everything that the page keeps of each conversation is there.
WARM_S = CONVERSATIONS * 6 / RATE + 3
GROWN_BYTES, GROWN_SHARE = 6_000_000, 0.15
NODES_MOST = 9_000
KEEPS_UP_MS = 3_000

pytestmark = [pytest.mark.end_to_end, needs_chromium, pytest.mark.timeout(int(SECONDS + WARM_S) + 120)]


def conversation_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


OPEN = conversation_id(0)


class Told:
    """What is told: messages of all conversations in turn, every tenth of the open one; states and positions between them."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def event(self) -> tuple[str, dict[str, Any]]:
        """The next: its kind and what it says."""
        number = next(self._numbers)
        home = OPEN if number % 10 == 0 else conversation_id(number // 2 % CONVERSATIONS)
        message_id = f"10000000-0000-4000-8000-{number:012}"
        about = {"conversation_id": home, "message_id": message_id}
        if number % 2:
            return "state", about | {"channel": "whatsapp", "state": "READ", "recipient": "somebody"}
        text = {"type": "text", "text": f"number {number}"}
        said = {"sender": "somebody", "seq": number, "accepted_at": rfc3339(now_ms()), "payload": text}
        return "message", about | said


def _line(kind: str, said: dict[str, Any]) -> str:
    return f"event: {kind}\nid: {said['message_id']}\ndata: {json.dumps(said)}\n\n"


class Teller(BaseHTTPRequestHandler):
    """A stream of events at RATE, for whoever opens it."""

    told: ClassVar[Told]
    ended: ClassVar[threading.Event]

    def do_GET(self) -> None:
        """Tell until the reader goes, or the test ends."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        began, told = time.monotonic(), 0
        while not self.ended.wait(BEAT_S):
            due = int((time.monotonic() - began) * RATE) - told
            lines = [
                f"event: {kind}\nid: {told}\ndata: {json.dumps(said)}\n\n"
                for kind, said in (self.told.event() for _ in range(due))
            ]
            told += due
            try:
                self.wfile.write("".join(lines).encode())
            except OSError:
                return

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Any]:
    """A gateway of this process and a stream beside it, as a browser finds them."""
    gateway_port, events_port, objects_port = free_ports(3)
    settings = Settings(
        data=tmp_path, broker="memory://", gateway_port=gateway_port, events_port=events_port, objects_port=objects_port
    )
    driver = Driver(create_app(settings, None, MemoryStorage(), Wakes()))
    secret = driver.service("desk", "admin")
    ended = threading.Event()
    handler = type("OneTeller", (Teller,), {"told": Told(), "ended": ended})
    stream = ThreadingHTTPServer((settings.host, settings.events_port), handler)
    stream.daemon_threads = True
    page_server = make_server(settings.host, settings.gateway_port, driver.app, threaded=True)
    for each in (stream, page_server):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    yield SimpleNamespace(settings=settings, demo_password=lambda _: secret)
    ended.set()
    for each in (stream, page_server):
        each.shutdown()
        each.server_close()
    driver.close()


def conversation(number: int) -> dict[str, Any]:
    at = f"2026-01-01T00:00:00.{number % 1000:03}Z"
    return {
        "conversation_id": conversation_id(number),
        "type": "private",
        "members": [{"user_id": f"contact-{number}", "kind": "contact", "display_name": f"Person {number}"}],
        "members_version": 1,
        "created_at": at,
        "last_activity_at": at,
    }


def answers(route: Route) -> None:
    """What the gateway would say of conversations that exist only for the page."""
    path = route.request.url.partition("?")[0]
    if path.endswith("/conversations"):
        begin = int(found[1]) if (found := re.search(r"after=(\d+)", route.request.url)) else 0
        end = min(begin + 1000, CONVERSATIONS)
        rows = {"conversations": [conversation(each) for each in range(begin, end)]}
        return route.fulfill(json=rows | ({"next": str(end)} if end < CONVERSATIONS else {}))
    if path.endswith("/messages"):
        return route.fulfill(json={"messages": []})
    if path.endswith("/windows"):
        return route.fulfill(json={"windows": []})
    if re.search(r"/v1/conversations/[^/]+$", path):
        return route.fulfill(json=conversation(int(path[-12:])))
    if "/v1/messages/" in path:
        return route.fulfill(status=404, json={"code": "unknown_message", "status": 404})
    return route.fulfill(status=204)


def used(session: CDPSession) -> tuple[float, float]:
    """Bytes of the page's scripts after what is not needed was thrown away, and how many nodes there are."""
    session.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"], found["Nodes"]


def test_the_tab_stays_as_large_as_it_was(browser: Browser, place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With a conversation open that is told of sixty times a second; and what is told is on the screen at once."""
    seen = Visit(browser, place)
    seen.context.route(re.compile(r"/v1/(conversations|messages/)"), answers)
    page = seen.sign_in("desk", place=f"#/inbox/{OPEN}")
    expect(page.locator(".bubble").last).to_contain_text("number")
    session = seen.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.wait_for_timeout(WARM_S * 1000)
    before, _ = used(session)
    measured = []
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        page.wait_for_timeout(min(5, SECONDS / 4) * 1000)
        measured.append(used(session))
        assert behind(page) < KEEPS_UP_MS
    live(page)
    heap, nodes = measured[-1]
    with capsys.disabled():
        print(f"\n{SECONDS:.0f} s, {RATE} events/s: {before / 1e6:.1f} MB, then {heap / 1e6:.1f} MB, {nodes:.0f} nodes")  # noqa: T201
    assert heap < before * (1 + GROWN_SHARE) + GROWN_BYTES
    assert max(each for _, each in measured) < NODES_MOST
    assert page.locator(".row").count() < 60
    assert page.locator(".bubble").count() <= 300
    seen.close()


def behind(page: Page) -> float:
    """How old the newest message on the screen is."""
    age: float = page.evaluate("Date.now() - new Date([...document.querySelectorAll('.bubble time')].at(-1).dateTime)")
    return age
