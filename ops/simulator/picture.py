"""python -m ops.simulator.picture [FILE]: three people on three channels in one group, photographed in a real browser.

It starts a whole system of its own; the picture in the documents is made with it. Needs Chromium and playwright.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from ops.harness.api import Api
from ops.harness.system import System

FILE = "docs/pictures/phones.png"
PEOPLE = (("whatsapp", "+5511999990001", "Ana"), ("instagram", "6789012345", "Bruno"), ("telegram", "123456789", "Caio"))
TALK = ((0, "Dinner at eight?"), (1, "I will bring the wine"), (2, "Running late, start without me"), (0, "Never 😄"))
PATIENCE_MS = 30_000


def _gather(operator: Api) -> str:
    """One group of the three, and what each of them writes goes into it."""
    for channel, address, name in PEOPLE:
        operator.call("POST", "/v1/users", {"user_id": name.lower(), "display_name": name})
        operator.call("PUT", f"/v1/users/{name.lower()}/identities/{channel}", {"address": address})
    members = [name.lower() for _, _, name in PEOPLE]
    group = operator.call("POST", "/v1/conversations", {"type": "group", "members": members})["conversation_id"]
    for channel, address, _ in PEOPLE:
        operator.call("PUT", f"/v1/conversations/{group}/links/{channel}/{address}")
    return str(group)


def _talk(page: Page) -> None:
    phones = page.locator(".phone")
    expect(page.locator("#line")).to_have_text("live")
    for speaker, words in TALK:
        phones.nth(speaker).locator(".words").fill(words)
        phones.nth(speaker).locator(".words").press("Enter")
        for index, (channel, _, _) in enumerate(PEOPLE):
            bubble = phones.nth(index).locator(".bubble", has_text=words)
            expect(bubble).to_have_count(1, timeout=PATIENCE_MS)
            if index != speaker and channel != "telegram":
                expect(bubble.locator(".ticks.read")).to_have_count(1, timeout=PATIENCE_MS)
    page.locator("h1").click()


def _more_than_words(page: Page, operator: Api, group: str) -> None:
    """Bruno asks in a way that can be pressed, Caio presses; Ana says where, and Bruno likes it."""
    ana, bruno, caio = (page.locator(".phone").nth(number) for number in range(3))
    options = [{"id": "red", "title": "Red"}, {"id": "white", "title": "White"}]
    payload = {"type": "choices", "text": "Red or white?", "options": options}
    operator.call("POST", "/v1/messages", {"conversation_id": group, "from": "bruno", "payload": payload}, expect=(202,))
    caio.locator(".option", has_text="White").click(timeout=PATIENCE_MS)
    expect(bruno.locator(".bubble", has_text="Caio: White")).to_have_count(1, timeout=PATIENCE_MS)
    ana.locator(".place").click()
    place = bruno.locator(".bubble", has_text="Avenida Paulista")
    expect(place).to_have_count(1, timeout=PATIENCE_MS)
    place.hover()
    place.locator(".like").click()
    expect(ana.locator(".bubble.mine .reactions")).to_have_count(1, timeout=PATIENCE_MS)
    for phone in (ana, bruno, caio):
        phone.locator(".talk").evaluate("talk => talk.scrollTop = talk.scrollHeight")
    page.locator("h1").click()


def main() -> int:
    """Make the picture; 1 without a browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no Chromium on this machine: apt install chromium", file=sys.stderr)
        return 1
    file = Path(sys.argv[1] if len(sys.argv) > 1 else FILE)
    file.parent.mkdir(parents=True, exist_ok=True)
    asked = "&".join(f"phone={channel}:{address}:{name}" for channel, address, name in PEOPLE).replace("+", "%2B")
    with tempfile.TemporaryDirectory() as folder, System(Path(folder)) as system, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1000, "height": 660})
        page.goto(f"{system.settings.simulator_url}/phones?{asked}")
        with system.operator() as operator:
            group = _gather(operator)
            _talk(page)
            _more_than_words(page, operator, group)
        page.screenshot(path=file)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
