"""Contacts in the console, in a real browser: two that are one person, and whom the team blocks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ops.harness.system import System
from tests.end_to_end.browsing import NARROW, WIDE, Visit, inert, look, needs_chromium, somebody

pytestmark = [pytest.mark.end_to_end, needs_chromium]


@pytest.mark.parametrize(
    ("locale", "find", "compare", "merge", "undo", "apart", "block", "unblock"),
    [
        ("en-US", "Find", "Compare and merge", "Merge", "Undo", "Separate", "Block", "Unblock"),
        ("pt-BR", "Buscar", "Comparar e juntar", "Juntar", "Desfazer", "Separar", "Bloquear", "Desbloquear"),
    ],
)
def test_two_are_found_to_be_one_person(
    visit: Callable[..., Visit],
    shared_system: System,
    tmp_path: Path,
    locale: str,
    find: str,
    compare: str,
    merge: str,
    undo: str,
    apart: str,
    block: str,
    unblock: str,
) -> None:
    """Both are seen side by side before they are merged; it is undone at once or later; a block is asked for twice."""
    first, name = somebody(shared_system, "from my old number")
    second, other_name = somebody(shared_system, "from my new number")
    page = visit(locale=locale).sign_in(place="#/contacts")
    page.locator("contacts-room input[type=search]").fill(f"whatsapp:{first}")
    page.get_by_role("button", name=find).click()
    page.locator(".place", has_text=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    section = page.locator("section", has=page.get_by_role("button", name=find))
    section.get_by_role("searchbox").fill(f"whatsapp:{second}")
    section.get_by_role("button", name=find).click()
    section.get_by_role("button", name=compare).click()
    dialog = page.locator("dialog")
    for words in (name, other_name, first, second):
        expect(dialog).to_contain_text(words)
    look(page, tmp_path / "merge.png")
    page.set_viewport_size({"width": NARROW["width"], "height": NARROW["height"]})
    look(page, tmp_path / "merge-narrow.png")
    page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
    dialog.get_by_role("button", name=merge, exact=True).click()
    addresses = page.locator("contacts-room code")
    expect(addresses.filter(has_text=second)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    look(page, tmp_path / "merged.png")
    page.get_by_role("button", name=undo).click()
    expect(addresses.filter(has_text=second)).to_have_count(0)
    section.get_by_role("searchbox").fill(f"whatsapp:{second}")
    section.get_by_role("button", name=find).click()
    section.get_by_role("button", name=compare).click()
    dialog.get_by_role("button", name=merge, exact=True).click()
    section.get_by_role("button", name=apart).click()
    expect(section.get_by_role("button", name=apart)).to_have_count(0)
    page.get_by_role("button", name=block, exact=True).click()
    dialog.get_by_role("button", name=block, exact=True).click()
    expect(page.get_by_role("button", name=unblock, exact=True)).to_be_visible()
    look(page, tmp_path / "blocked.png")
    page.get_by_role("button", name=unblock, exact=True).click()
    expect(page.get_by_role("button", name=block, exact=True)).to_be_visible()
    inert(page)
