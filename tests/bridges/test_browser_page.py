"""docs/browser.html in Chromium: a page of another origin that chats, with tickets for its streams."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from limits.storage import MemoryStorage
from playwright.async_api import Page, async_playwright, expect
from werkzeug.serving import make_server

from chat4all.model.content import Text
from chat4all.model.messages import Message, seq_at
from chat4all.model.records import INCOMING, STATUS, Range, Record, read_message, read_status
from chat4all.root import ROOT
from ops.native.processes import free_port
from tests.bridges.road import TIMEOUT_S, Road, serving, settings_in
from tests.channels.conftest import serving as answering
from tests.wakes import Wakes
from webapp.app import create_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")


async def _page(_request: web.BaseRequest) -> web.Response:
    return web.Response(text=(ROOT / "docs" / "browser.html").read_text(), content_type="text/html")


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    """Another web server, with the page alone."""
    async with answering(_page) as url:
        yield url


@pytest.fixture
def road(tmp_path: Path, origin: str) -> Iterator[Road]:
    """As elsewhere, and pages of that origin may call."""
    road = Road(settings_in(tmp_path).model_copy(update={"cors_origins": origin, "broker": "memory://"}))
    road.users("alice", "bob")
    yield road
    road.close()


@pytest.fixture
def api(road: Road) -> Iterator[str]:
    """A gateway over the same log and store; its URL."""
    app = create_app(road.settings, {}, MemoryStorage(), Wakes())
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()
    app.extensions["chat4all"].close()


@asynccontextmanager
async def opened(road: Road, origin: str, api: str, who: str, talk: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """The page, live in `who`'s name, and the URLs that it has asked for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page, asked = await browser.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(origin)
        fields = {"api": api, "events": f"http://127.0.0.1:{road.settings.events_port}", "token": road.token(who), "talk": talk}
        for name, value in fields.items():
            await page.locator(f"#{name}").fill(value)
        await page.locator("#login button").click()
        yield page, asked
        await browser.close()


def records(road: Road, topic: str) -> list[Record]:
    """All that was appended to a topic."""
    spans = road.log.ends(topic)
    ranges = [Range(each, first, end - 1) for each, (first, end) in spans.items() if end > first]
    return road.log.read(topic, ranges, TIMEOUT_S) if ranges else []


def said(road: Road) -> list[Message]:
    """All messages, in their places."""
    return [read_message(each).placed(seq_at(each.offset)) for each in records(road, INCOMING)]


async def arrived(road: Road, count: int) -> None:
    """So many messages came over REST; the rest of the road carries the newest one on."""
    async with asyncio.timeout(TIMEOUT_S):
        while len(found := await asyncio.to_thread(said, road)) < count:
            await asyncio.sleep(0.02)
    newest = max(found, key=lambda each: each.seq)
    for step in (road.persist, road.publish, road.advance):
        await asyncio.to_thread(step, [newest])


async def read_up_to(road: Road, text: str) -> None:
    """The page says over REST that it has read what has these words."""
    [seq] = [each.seq for each in said(road) if each.payload == Text(text)]
    async with asyncio.timeout(TIMEOUT_S):
        while seq not in {getattr(read_status(each), "up_to", 0) for each in await asyncio.to_thread(records, road, STATUS)}:
            await asyncio.sleep(0.02)


async def test_a_page_of_another_origin_chats_and_survives_a_restart(road: Road, origin: str, api: str) -> None:
    """It shows what is said, sends, says what it has read; after a restart of the stream server it goes on, each message once.

    No URL ever held a token.
    """
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one")
    async with opened(road, origin, api, "bob", talk) as (page, asked):
        lines = page.locator("#said li")
        async with serving(road):
            await expect(page.locator("#line")).to_have_text("live")
            await expect(lines).to_have_text(["alice: one"])
            await page.locator("#words").fill("two")
            await page.locator("#say button").click()
            await expect(page.locator("#words")).to_have_value("")
            await arrived(road, 2)
            await expect(lines).to_have_text(["alice: one", "bob: two"])
        await expect(page.locator("#line")).to_have_text("connecting")
        await asyncio.to_thread(road.say, talk, "while it was away")
        async with serving(road):
            await expect(page.locator("#line")).to_have_text("live", timeout=20_000)
            await asyncio.to_thread(road.say, talk, "and after")
            await expect(lines).to_have_text(["alice: one", "bob: two", "alice: while it was away", "alice: and after"])
            await read_up_to(road, "and after")
        token = await page.locator("#token").input_value()
    tickets = {url for url in asked if "ticket=" in url}
    assert len(tickets) > 1
    assert not [url for url in asked if token in url]


async def test_a_page_whose_login_has_ended_says_so(road: Road, origin: str, api: str) -> None:
    """The stream ends, there is no other ticket, and the page does not go round."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), opened(road, origin, api, "bob", talk) as (page, asked):
        await expect(page.locator("#line")).to_have_text("live")
        await page.locator("#token").fill(road.token("bob", life_s=-1))
        await page.locator("#login button").click()
        await expect(page.locator("#line")).to_have_text("log in again")
        before = len(asked)
        await asyncio.sleep(1)
        assert len(asked) == before


async def test_a_page_of_an_origin_that_is_not_named_gets_nothing(road: Road, api: str) -> None:
    """The browser keeps the answers from it."""
    talk = road.conversation("talk", "alice", "bob")
    async with serving(road), answering(_page) as elsewhere, opened(road, elsewhere, api, "bob", talk) as (page, asked):
        await expect(page.locator("#line")).to_have_text("connecting")
        assert not [url for url in asked if "/v1/events" in url]
