"""What a business does in the console, in a real browser: windows and templates, broadcasts."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import expect

from ops.harness.system import System
from tests.end_to_end.browsing import (
    NARROW,
    PATIENCE_MS,
    WIDE,
    Visit,
    choose,
    inert,
    look,
    needs_chromium,
    on_embedded,
    ours,
    say,
    somebody,
)
from tests.end_to_end.conftest import STACKS, own_system
from tests.end_to_end.odd_contents import ATTACK

pytestmark = [pytest.mark.end_to_end, needs_chromium]

TWO_DAYS_S = 172_800
PEOPLE = 12


@pytest.fixture(scope="module", params=STACKS)
def shared_system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One whose simulator keeps to windows, as the real providers do."""
    with own_system(request, request.param, tmp_path_factory.mktemp("business"), {"CHAT4ALL_SIMULATED_WINDOWS": "true"}) as own:
        yield own


@contextmanager
def providers_clock(system: System, ahead_s: int) -> Iterator[None]:
    """The providers' clock is so far ahead of ours meanwhile."""

    def move(ahead_s: int) -> None:
        requests.put(f"{system.settings.simulator_url}/control/clock", json={"ahead_s": ahead_s}, timeout=5).raise_for_status()

    move(ahead_s)
    try:
        yield
    finally:
        move(0)


def test_a_shut_window_is_said_before_one_types(visit: Callable[..., Visit], shared_system: System) -> None:
    """With what can be done: a template goes out; words are refused, or held until the person opens it by writing."""
    with providers_clock(shared_system, -TWO_DAYS_S):
        address, name = somebody(shared_system, "I come back to you")
    page = visit().sign_in(place="#/templates")
    called = f"order_{uuid4().hex[:6]}"
    page.get_by_role("button", name="New template").click()
    page.get_by_label("Name", exact=True).fill(called)
    page.get_by_label("Words", exact=True).fill("Hello {{1}}, your order {{2}} is ready.")
    page.get_by_label("An example for {{1}}").fill("Maria")
    page.get_by_label("An example for {{2}}").fill("55")
    expect(page.locator(".sheet .preview-of")).to_contain_text("Hello Maria, your order 55 is ready.")
    page.get_by_role("button", name="Ask the provider for it").click()
    expect(page.locator(".letter", has_text=called)).to_contain_text("approved")
    page.get_by_role("link", name="Inbox").click()
    choose(page, name)
    shut = page.locator("window-bar .shut")
    expect(shut).to_contain_text("the window is shut")
    expect(shut).to_contain_text("24 hours")
    say(page, "Are you there?")
    expect(ours(page, "Are you there?").get_by_role("alert")).to_contain_text("send a template")
    ours(page, "Are you there?").get_by_role("button", name="Discard").click()
    shut.get_by_role("button", name="Send a template").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Template").select_option(f"{called} (en_US)")
    expect(dialog.get_by_role("button", name="Send it")).to_be_disabled()
    dialog.get_by_label("Words: 1").fill("Ana")
    dialog.get_by_label("Words: 2").fill("77")
    dialog.get_by_role("button", name="Send it").click()
    expect(ours(page, "Hello Ana, your order 77 is ready.").locator(".ticks[data-state=READ]")).to_have_count(1)
    shut.get_by_label("Keep what I write").check()
    say(page, "Ask me when you are back")
    expect(ours(page, "Ask me when you are back").locator(".ticks[data-state=PENDING]")).to_have_count(1)
    assert len(shared_system.phones.sent("whatsapp", address)) == 1
    shared_system.phones.write("whatsapp", address, "Thank you", name=name)
    expect(ours(page, "Ask me when you are back").locator(".ticks[data-state=READ]")).to_have_count(1)
    expect(shut).to_have_count(0)
    expect(page.locator("window-bar")).to_contain_text("You may write to Ana")
    say(page, "You are welcome")
    expect(ours(page, "You are welcome").locator(".ticks[data-state=READ]")).to_have_count(1)
    page.get_by_role("link", name="Templates").click()
    page.locator(".letter", has_text=called).locator("summary").click()
    page.locator(".letter", has_text=called).get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").filter(has_text="was deleted")).to_be_visible()
    expect(page.locator(".letter", has_text=called)).to_have_count(0)


def invited(system: System, tag: str) -> list[str]:
    """People with a tag: their addresses."""
    addresses = [f"+5511{str(uuid4().int)[:9]}" for _ in range(PEOPLE)]
    with system.operator() as operator:
        for each in addresses:
            operator.call("POST", "/v1/contacts", {"address": f"whatsapp:{each}", "tags": [tag]})
    return addresses


def test_a_broadcast_is_written_run_paused_and_read(visit: Callable[..., Visit], shared_system: System) -> None:
    """Who gets it is said before; it runs while one looks, waits and goes on; what became of each one is there."""
    tag = f"t{uuid4().hex[:6]}"
    addresses = invited(shared_system, tag)
    page = visit().sign_in(place="#/broadcasts")
    page.get_by_role("link", name="New broadcast").click()
    page.get_by_label("What you call it").fill("Opening hours")
    page.get_by_label("Everybody with this tag").fill(tag)
    page.get_by_label("Everybody with this tag").press("Tab")
    expect(page.get_by_text(f"{PEOPLE} people have it, {PEOPLE} of them with an address")).to_be_visible()
    page.get_by_label(re.compile("^As")).select_option("template")
    expect(page.locator(".preview-of")).to_contain_text("Welcome and congratulations!")
    page.get_by_label("Messages a second at most").fill("2")
    page.get_by_role("button", name="Keep the draft").click()
    light = page.locator("h1 + p .light")
    expect(light).to_have_text("draft")
    expect(page.get_by_text(f"If it were started now: {PEOPLE} messages")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    page.locator("dialog").get_by_role("button", name="Start").click()
    expect(light).to_have_text("running")
    expect(page.locator("[data-outcome=accepted] strong").first).not_to_have_text("0")
    page.get_by_role("button", name="Pause").click()
    expect(light).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(light).to_have_text("done", timeout=PATIENCE_MS)
    expect(page.locator(".numbers [data-outcome=accepted] strong")).to_have_text(str(PEOPLE))
    expect(page.locator(".place[data-outcome=accepted]")).to_have_count(PEOPLE)
    expect(page.get_by_role("button", name="Start")).to_have_count(0)
    assert {each["to"] for each in shared_system.phones.sent("whatsapp")} >= set(addresses)
    page.locator(".place[data-outcome=accepted]").first.get_by_role("link", name="The message's way").click()
    expect(page.get_by_role("heading", name="The way of this message")).to_be_visible()


def test_words_to_those_who_never_wrote_are_refused_one_by_one(visit: Callable[..., Visit], shared_system: System) -> None:
    """The reason stands at each of them, in words; markup in what is said and in names is text."""
    tag = f"t{uuid4().hex[:6]}"
    invited(shared_system, tag)
    page = visit().sign_in(place="#/broadcasts/new")
    page.get_by_label("What you call it").fill(ATTACK[:120])
    page.get_by_label("Everybody with this tag").fill(tag)
    page.get_by_label("Words", exact=True).fill(ATTACK)
    inert(page)
    page.get_by_role("button", name="Keep the draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ATTACK[:120])
    inert(page)
    page.get_by_role("button", name="Start").click()
    page.locator("dialog").get_by_role("button", name="Start").click()
    expect(page.locator("h1 + p .light")).to_have_text("done", timeout=PATIENCE_MS)
    expect(page.locator(".numbers [data-outcome=refused] strong")).to_have_text(str(PEOPLE))
    expect(page.locator(".place[data-outcome=refused]").first).to_contain_text("the channel takes only templates")
    page.get_by_label(re.compile("^Which")).select_option("accepted")
    expect(page.get_by_text("Nobody yet.")).to_be_visible()


@on_embedded
def test_what_a_provider_says_of_templates_is_text(visit: Callable[..., Visit]) -> None:
    """Markup in names, languages, reasons and every component is shown as it is, in the room and where one is chosen."""
    page = visit().sign_in()
    parts = [{"type": kind, "text": ATTACK, "format": "TEXT"} for kind in ("HEADER", "BODY", "FOOTER")]
    buttons = {"type": "BUTTONS", "buttons": [{"type": "URL", "text": ATTACK, "url": f"{ATTACK}{{{{1}}}}"}]}
    named = {"name": ATTACK, "language": ATTACK, "category": ATTACK, "reason": ATTACK}
    made = [{**named, "status": each, "components": [*parts, buttons]} for each in ("APPROVED", ATTACK)]
    page.route(re.compile(r"/v1/accounts/[^/]+/templates"), lambda route: route.fulfill(json={"templates": made}))
    page.get_by_role("link", name="Templates").click()
    expect(page.locator(".letter")).to_have_count(2)
    for each in page.locator(".letter summary").all():
        each.click()
    expect(page.locator(".preview-of").first).to_contain_text(ATTACK)
    inert(page)
    page.goto(page.url.partition("#")[0] + "#/broadcasts/new")
    page.get_by_label(re.compile("^As")).select_option("template")
    expect(page.locator(".preview-of")).to_contain_text(ATTACK)
    inert(page)


def test_what_failed_is_sent_again(visit: Callable[..., Visit], shared_system: System) -> None:
    """The dead letter says why; sent again from it the message arrives, and its way says so. Asked once more, nothing goes."""
    address, name = somebody(shared_system, "Tell me when it is there")
    page = visit().sign_in()
    choose(page, name)
    unreachable = {"status": 400, "code": 131026, "match": "It is there"}
    shared_system.phones.behave("whatsapp", rules=[unreachable], window="refused")
    say(page, "It is there")
    expect(ours(page, "It is there").locator(".ticks[data-state=FAILED]")).to_have_count(1)
    shared_system.phones.behave("whatsapp", window="refused")
    message = ours(page, "It is there").get_attribute("data-id")
    page.get_by_role("link", name="Dead letters").click()
    letter = page.locator(".letter", has_text=str(message))
    page.locator(".letter summary").last.click()
    expect(letter).to_contain_text("Nobody can be reached at this address")
    letter.get_by_role("button", name="Send again").click()
    page.locator("dialog").get_by_role("button", name="Send again").click()
    expect(letter.get_by_role("status")).to_have_text("Deliveries that are sent again: 1.")
    letter.get_by_role("link", name="The message's way").click()
    expect(page.locator(".branch[data-state=READ]")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)
    assert len(shared_system.phones.sent("whatsapp", address)) == 1


@pytest.mark.parametrize("locale", ["en-US", "pt-BR"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["360", "1600"])
@on_embedded
def test_everybody_can_use_these_rooms(
    visit: Callable[..., Visit], shared_system: System, scheme: Any, size: Any, locale: str, tmp_path: Path
) -> None:
    """axe finds nothing and nothing is wider than the screen, by day and by night, on a phone and a large screen."""
    with providers_clock(shared_system, -TWO_DAYS_S):
        _, name = somebody(shared_system, "I come back to you")
    seen = visit(viewport=size, color_scheme=scheme, locale=locale)
    page = seen.sign_in()
    choose(page, name)
    expect(page.locator("window-bar .shut")).to_be_visible()
    look(page, tmp_path / "shut.png")
    page.locator("window-bar button").click()
    expect(page.locator("dialog .preview-of")).to_be_visible()
    look(page, tmp_path / "template.png")
    page.keyboard.press("Escape")
    for place, shown in (("templates", ".letter"), ("broadcasts", "h1"), ("broadcasts/new", "textarea")):
        seen.open(f"#/{place}")
        expect(page.locator(shown).first).to_be_visible()
        look(page, tmp_path / f"{place.replace('/', ' ')}.png")
    seen.open("#/templates")
    page.locator(".letter summary").first.click()
    page.locator("button.primary").first.click()
    expect(page.locator(".sheet textarea").first).to_be_visible()
    look(page, tmp_path / "new template.png")
    with shared_system.operator() as operator:
        body = {
            "payload": {"type": "text", "text": "Hello"},
            "channel": "whatsapp",
            "audience": {"tag": "nobody"},
            "name": "Sale",
        }
        made = operator.call("POST", "/v1/broadcasts", body)
    seen.open(f"#/broadcasts/{made['broadcast_id']}")
    expect(page.locator("h1")).to_have_text(re.compile("Sale"))
    look(page, tmp_path / "broadcast.png")
