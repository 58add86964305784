"""From the banner of a fresh system to the first answered message, by what banner and pages say alone."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from chat4all.cli import banner
from ops.harness.system import System
from tests.end_to_end.browsing import Visit, live, needs_chromium, on_embedded

FIRST_ANSWER_S = 60


@pytest.mark.end_to_end
@needs_chromium
@on_embedded
def test_somebody_is_answered_within_a_minute_of_the_banner(visit: Callable[..., Visit], shared_system: System) -> None:
    """The console's address, a name and its password are the banner's; where to write from, the empty inbox says."""
    said = banner.text(shared_system.settings)
    console = re.search(r"console: look and answer +(http\S+)", said)
    password = re.search(r"demo \(password (\S+)\)", said)
    assert console and password
    began = time.monotonic()
    somebody = visit()
    page = somebody.page
    page.goto(console[1])
    page.get_by_label("Your name here").fill("demo")
    page.get_by_label("Password").fill(password[1])
    page.get_by_role("button", name="Sign in").click()
    live(page)
    expect(page.locator(".empty").first).to_contain_text(
        "To try it: open the simulated phones, press “Add a phone”, and write from it."
    )
    phones = somebody.context.new_page()
    phones.goto(page.get_by_role("link", name="The simulated phones").get_attribute("href") or "")
    phones.get_by_role("button", name="Add a phone").click()
    phones.locator(".words").fill("Are you open?")
    phones.locator(".words").press("Enter")
    page.locator(".row", has_text="Are you open?").click()
    page.get_by_label("Write a message").fill("Yes, until six")
    page.get_by_label("Write a message").press("Enter")
    expect(phones.locator(".bubble", has_text="Yes, until six")).to_have_count(1)
    took = time.monotonic() - began
    phones.close()
    assert took < FIRST_ANSWER_S, took
