"""A real browser for tests of the console: what it asks for, what its page complains of, and what axe finds in it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from ops.harness.system import System

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE_MS = 20_000
WIDE, NARROW = {"width": 1600, "height": 900}, {"width": 360, "height": 740}

# A browser beside a whole system on a machine at work is slow at times; what is there is seen at once.
expect.set_options(timeout=PATIENCE_MS)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")
on_embedded = pytest.mark.parametrize("shared_system", ["embedded"], indirect=True)
"""For what a page looks like and how it draws what it is given: no server behind it makes a difference."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, started once for a file of tests."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """Somebody in front of a browser of their own. What it asked for and complained of is looked at when they go."""

    def __init__(self, browser: Browser, system: System, **options: Any) -> None:
        self.system = system
        options.setdefault("viewport", WIDE)
        self.context: BrowserContext = browser.new_context(locale=options.pop("locale", "en-US"), **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        self.page = self.tab()

    def tab(self) -> Page:
        """One more tab of the same browser."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("console", self._said)
        page.on("request", lambda request: self.asked.add(urlsplit(request.url).netloc))
        return page

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(dialog.message)
        dialog.dismiss()

    def _said(self, said: ConsoleMessage) -> None:
        if "Security Policy" in said.text:
            self.complaints.append(said.text)

    def open(self, place: str = "", page: Page | None = None) -> Page:
        """The console at `place`, such as #/health."""
        page = page or self.page
        page.goto(f"{self.system.settings.gateway_url}/console{place}")
        return page

    def sign_in(self, who: str = "demo", password: str = "", place: str = "") -> Page:
        """By the form, until the stream is open."""
        page = self.open(place)
        page.locator("#name").fill(who)
        page.locator("#secret").fill(password or self.system.demo_password(who))
        page.locator("#secret").press("Enter")
        live(page)
        return page

    def close(self) -> None:
        """Nobody but this system was asked, and the page did nothing that its policy forbids."""
        settings = self.system.settings
        ours = {f"{settings.host}:{port}" for port in (settings.gateway_port, settings.events_port, settings.objects_port)}
        self.context.close()
        assert self.complaints == [], "; ".join(self.complaints)
        # On real servers files come from the object store itself.
        ours.add(urlsplit(settings.files_url).netloc)
        assert self.asked - ours == set()


def live(page: Page) -> None:
    """Wait until the page's stream is open."""
    expect(page.locator(".bar .light.good")).to_be_visible(timeout=PATIENCE_MS)


def choose(page: Page, who: str) -> None:
    """Open the conversation with somebody."""
    page.locator(".row", has_text=who).first.click()
    expect(page.locator("conversation-view h2")).to_contain_text(who)


def say(page: Page, words: str) -> None:
    """Write, and press Enter."""
    page.get_by_label("Write a message").fill(words)
    page.get_by_label("Write a message").press("Enter")


def faults(page: Page) -> list[str]:
    """What axe finds in the page as it is: rule, and where."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


def somebody(system: System, text: str, channel: str = "whatsapp", **more: Any) -> tuple[str, str]:
    """A person of this test alone, who has just written: address and name."""
    digits = str(uuid4().int)
    address = f"+5511{digits[:9]}" if channel == "whatsapp" else digits[:10]
    name = f"Ana {digits[-6:]}"
    system.phones.write(channel, address, text, name=name, **more)
    return address, name


def ours(page: Page, words: str) -> Any:
    return page.locator(".bubble.ours", has_text=words)


def theirs(page: Page, words: str) -> Any:
    return page.locator(".bubble.theirs", has_text=words)


def inert(page: Page) -> None:
    """Nothing ran, nothing was made of markup, and no link leads to a script."""
    found = page.evaluate(
        """() => ({
            ran: window.attacked ?? 0,
            scripts: document.scripts.length,
            made: document.querySelectorAll("img[onerror], iframe, object, embed, form[action], svg[onload], style").length,
            links: [...document.links].filter((each) => !/^https?:$/.test(each.protocol)).map((each) => each.href),
            handlers: [...document.querySelectorAll("*")]
                .filter((each) => each.getAttributeNames().some((one) => /^on/i.test(one))).length,
        })"""
    )
    assert found == {"ran": 0, "scripts": 1, "made": 0, "links": [], "handlers": 0}


def look(page: Page, picture: Path) -> None:
    """A picture of the page as it is; axe finds nothing in it, nothing is unsaid, and nothing is wider than the screen."""
    page.screenshot(path=picture)
    assert faults(page) == []
    assert page.get_by_text(re.compile("^(null|undefined|NaN)$")).count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
