"""The phones page in a real browser: one types, the other sees it arrive, ticks change."""

import asyncio
import os
import shutil
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect

from chat4all.model.content import Media, Poll, Vote
from chat4all.ports import FileLink, Outgoing
from tests.channels.conftest import serving
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
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def page(world: World, browser: Browser) -> AsyncIterator[Page]:
    """The page with Ana's and Bruno's phones, and somebody who carries their words."""
    carrier = asyncio.create_task(carry(world))
    yield await look(world, browser, f"?phone=whatsapp:{ANA.replace('+', '%2B')}:Ana&phone=instagram:{BRUNO}:Bruno")
    carrier.cancel()
    await asyncio.gather(carrier, return_exceptions=True)


async def look(world: World, browser: Browser, query: str = "") -> Page:
    """The phones page, opened."""
    opened = await browser.new_page(viewport={"width": 1120, "height": 720})
    await opened.goto(f"{world.settings.simulator_url}/phones{query}")
    await expect(opened.locator("#line")).to_have_text("live")
    return opened


@needs_chromium
async def test_one_types_and_the_other_sees_it(page: Page, world: World, tmp_path: Path) -> None:
    """Words typed on one phone come out of the other, both ways, and the ticks go on to read."""
    ana, bruno = page.locator(".phone").nth(0), page.locator(".phone").nth(1)
    await ana.locator(".words").fill("Are you coming?")
    await ana.locator("form button:not(.place)").click()
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


@needs_chromium
async def test_each_phone_that_is_added_is_somebody_new(world: World, browser: Browser) -> None:
    """No two share a name or a number, nor one with anybody who spoke; when the names have run out they are numbered."""
    await world.says("whatsapp", "+5511999990003", "Oi", name="Elis")
    page = await look(world, browser)
    await expect(page.locator(".phone")).to_have_count(1)
    for _ in range(13):
        await page.locator("#add").click()
    phones = await page.locator(".phone").all()
    fields = {of: [await each.locator(f".{of}").input_value() for each in phones] for of in ("name", "address")}
    assert fields["name"][:3] == ["Elis", "Dora", "Fábio"]
    assert fields["name"][-2:] == ["Dora 2", "Elis 2"]
    assert len(set(fields["name"])) == len(set(fields["address"])) == 14


@needs_chromium
@pytest.mark.parametrize("width", [360, 1600])
async def test_a_place_goes_with_send_and_not_before(page: Page, width: int) -> None:
    """The pin shows what would go, and it can be left out; the field for words has the phone's width to itself."""
    await page.set_viewport_size({"width": width, "height": 740})
    ana, bruno = page.locator(".phone").nth(0), page.locator(".phone").nth(1)
    await ana.get_by_label("Add a place").click()
    await expect(ana.locator(".ready")).to_contain_text("Avenida Paulista")
    await ana.get_by_label("Leave the place out").click()
    await expect(ana.locator(".ready")).to_be_empty()
    await ana.locator(".words").fill("Hello")
    await ana.locator(".words").press("Enter")
    await expect(bruno.locator(".bubble")).to_have_count(1)
    await ana.get_by_label("Add a place").click()
    await expect(ana.locator(".bubble")).to_have_count(1)
    await ana.get_by_role("button", name="Send", exact=True).click()
    await expect(ana.locator(".bubble", has_text="Avenida Paulista")).to_have_count(1)
    await expect(ana.locator(".ready")).to_be_empty()
    words, phone = await ana.locator(".words").bounding_box(), await ana.bounding_box()
    assert words and phone and words["width"] > phone["width"] * 0.85
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_chromium
async def test_the_page_opens_with_whoever_has_spoken(world: World, browser: Browser) -> None:
    """Nobody at first; then those who wrote and those who were written to, with their names, and whoever comes later."""
    page = await look(world, browser)
    await expect(page.locator(".phone")).to_have_count(0)
    await world.says("whatsapp", "+5511988880001", "Olá", name="Diego")
    await expect(page.locator(".phone")).to_have_count(1)
    await world.channels["instagram"].send_text(Outgoing("6789000001", "Hello Inês", "r"))
    await page.reload()
    await expect(page.locator(".phone")).to_have_count(2)
    await expect(page.locator(".phone .name").nth(0)).to_have_value("Diego")
    await expect(page.locator(".phone .address").nth(1)).to_have_value("6789000001")
    await world.says("instagram", "6789000001", "Oi", name="Inês")
    await expect(page.locator(".phone .name").nth(1)).to_have_value("Inês")
    await page.locator(".phone .remove").nth(0).click()
    await world.says("whatsapp", "+5511988880001", "Are you there?", name="Diego")
    await world.says("telegram", "70001001", "Hi", name="Tomás")
    await expect(page.locator(".phone .name")).to_have_count(2)
    await expect(page.locator(".phone .name").nth(1)).to_have_value("Tomás")


@needs_chromium
async def test_a_poll_is_voted_on_and_a_second_press_takes_the_vote_back(world: World, browser: Browser) -> None:
    """A button for each option, with how many chose it; the account is told each vote."""
    await world.channels["telegram"].send_content(Outgoing("123456", "", "r"), Poll("When?", ("Nine", "Ten")))
    opened = await look(world, browser, "?phone=telegram:123456:Caio")
    ten = opened.locator(".phone .option").nth(1)
    await ten.click()
    await expect(ten.locator(".votes")).to_have_text("1")
    await opened.locator(".phone .option").nth(0).click()
    await expect(opened.locator(".phone .option .votes")).to_have_count(1)
    await opened.locator(".phone .option").nth(0).click()
    await expect(opened.locator(".phone .votes")).to_have_count(0)
    assert [each.content for each in world.gateway.said] == [Vote(options=(2,)), Vote(options=(1,)), Vote()]


@needs_chromium
async def test_a_crowd_does_not_fill_the_page(world: World, browser: Browser) -> None:
    """Of many people the page opens with the newest few."""
    for number in range(30):
        await world.says("whatsapp", f"+55119888{number:05d}", "Olá")
    page = await look(world, browser)
    await expect(page.locator(".phone")).to_have_count(8)
    await expect(page.locator(".phone .address").last).to_have_value("+5511988800029")


@needs_chromium
async def test_pictures_are_shown(world: World, browser: Browser, tmp_path: Path) -> None:
    """What a person sends and what is sent to them, as pictures; other files by their names; a file is chosen on a phone."""
    png = await _picture(browser)
    file = {"filename": "cat.png", "mime_type": "image/png", "content": b64encode(png).decode()}
    await world.says("whatsapp", ANA, "my cat", name="Ana", file=file)

    async def behind(_request: Any) -> web.Response:
        return web.Response(body=png, content_type="image/png")

    async with serving(behind) as url:
        for channel, to in (("whatsapp", ANA), ("telegram", "70001001")):
            sent = Outgoing(to, "ours", "r")
            await world.channels[channel].send_file(
                sent, Media("f", "", "dog.png", "image/png", len(png), "k"), FileLink(f"{url}/dog.png")
            )
        page = await look(world, browser)
        await expect(page.locator(".bubble img")).to_have_count(3)
        await page.wait_for_function("[...document.images].every(each => each.naturalWidth === 40)")
    pdf = tmp_path / "tea.pdf"
    pdf.write_bytes(b"%PDF tea")
    await page.locator(".phone .file").first.set_input_files(pdf)
    await expect(page.locator(".phone").first.locator(".bubble.mine").last).to_contain_text("tea.pdf")
    await page.screenshot(path=os.environ.get("SHOWN", tmp_path / "pictures.png"))


async def _picture(browser: Browser) -> bytes:
    page = await browser.new_page(viewport={"width": 40, "height": 40})
    await page.set_content("<body style='background: linear-gradient(orange, purple)'>")
    return await page.screenshot()


async def test_only_pictures_are_served(world: World) -> None:
    """What a browser might run is not handed out by the page's server: neither pages nor drawings with scripts."""
    for mime_type in ("text/html", "image/svg+xml"):
        file = {"filename": "x", "mime_type": mime_type, "content": b64encode(b"<script>").decode()}
        await world.says("telegram", "70001001", "x", file=file)
    for said in world.simulator.channels["telegram"].said:
        assert said.attached is not None
        url = f"{world.settings.simulator_url}/phones/pictures/telegram/{said.attached.media_id}"
        async with world.session.get(url) as answer:
            assert answer.status == 404
