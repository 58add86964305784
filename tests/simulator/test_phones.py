"""The phones page in a real browser: one types, the other sees it arrive, ticks change."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from chat4all.ports import Outgoing
from tests.simulator.conftest import World

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
ANA, BRUNO = "+5511999990001", "6789012345"
ACROSS = {("whatsapp", ANA): ("instagram", BRUNO), ("instagram", BRUNO): ("whatsapp", ANA)}

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt install chromium")


async def carry(world: World) -> None:
    """What the system does between two people, in a few lines: words go to the other one, in order."""
    done = 0
    while True:
        for told in world.gateway.said[done:]:
            done += 1
            channel, address = ACROSS[told.channel, told.address]
            await world.channels[channel].send_text(Outgoing(address, told.text, f"r{done}"))
        await asyncio.sleep(0.01)


@pytest.fixture
async def page(world: World) -> AsyncIterator[Page]:
    """The page with Ana's and Bruno's phones, and somebody who carries their words."""
    carrier = asyncio.create_task(carry(world))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = await browser.new_page(viewport={"width": 1120, "height": 720})
        query = f"phone=whatsapp:{ANA.replace('+', '%2B')}:Ana&phone=instagram:{BRUNO}:Bruno"
        await opened.goto(f"{world.settings.simulator_url}/phones?{query}")
        await expect(opened.locator("#line")).to_have_text("live")
        yield opened
        await browser.close()
    carrier.cancel()
    await asyncio.gather(carrier, return_exceptions=True)


@needs_chromium
async def test_one_types_and_the_other_sees_it(page: Page, world: World, tmp_path: Path) -> None:
    """Words typed on one phone come out of the other, both ways, and the ticks go on to read."""
    ana, bruno = page.locator(".phone").nth(0), page.locator(".phone").nth(1)
    await ana.locator(".words").fill("Are you coming?")
    await ana.locator("form button").click()
    await expect(bruno.locator(".bubble").first).to_contain_text("Are you coming?")
    await expect(ana.locator(".bubble.mine .ticks.read")).to_have_count(1)
    await bruno.locator(".words").fill("On my way")
    await bruno.locator(".words").press("Enter")
    await expect(ana.locator(".bubble:not(.mine)")).to_contain_text("On my way")
    await expect(ana.locator(".bubble:not(.mine) .ticks.read")).to_have_count(1)
    await expect(bruno.locator(".bubble")).to_have_count(2)
    assert await ana.locator(".words").input_value() == ""
    await page.screenshot(path=tmp_path / "phones.png")


@needs_chromium
async def test_ticks_wait_for_receipts(page: Page, world: World) -> None:
    """While the other phone is off there is one tick; nothing claims more."""
    await world.behave("instagram", receipts={"read_after_ms": None})
    ana = page.locator(".phone").nth(0)
    await ana.locator(".words").fill("Hello?")
    await ana.locator(".words").press("Enter")
    await expect(page.locator(".phone").nth(1).locator(".bubble")).to_contain_text("Hello?")
    await expect(ana.locator(".bubble.mine .ticks")).to_have_text("✓")
    await expect(ana.locator(".bubble.mine .ticks.read")).to_have_count(0)


@needs_chromium
async def test_the_page_shows_what_was_before_and_survives_markup(page: Page, world: World) -> None:
    """Loaded again it shows the talk as it was; words are shown as words, never as markup; a reset empties it."""
    await world.channels["whatsapp"].send_text(Outgoing(ANA, "<b>bold</b> & <script>x</script>", "r"))
    await page.reload()
    ana = page.locator(".phone").nth(0)
    await expect(ana.locator(".bubble")).to_contain_text("<b>bold</b> & <script>x</script>")
    await world.control("DELETE", "")
    await expect(ana.locator(".bubble")).to_have_count(0)


@needs_chromium
async def test_a_phone_is_added_and_taken_away(page: Page) -> None:
    """Phones come and go; what cannot be said is told on the phone, and its words are kept."""
    await page.locator("#add").click()
    await expect(page.locator(".phone")).to_have_count(3)
    added = page.locator(".phone").nth(2)
    await added.locator(".address").fill("nobody")
    await added.locator(".words").fill("hello?")
    await added.locator(".words").press("Enter")
    await expect(added.locator(".trouble")).to_contain_text("address")
    assert await added.locator(".words").input_value() == "hello?"
    await added.locator(".remove").click()
    await expect(page.locator(".phone")).to_have_count(2)
