"""The pages hold: links lead somewhere, files that they name exist, and the first hour's example is a channel that sends."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from chat4all.ports import Channel, Outgoing
from chat4all.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "ops" / "runbook.md"])
LINK = re.compile(r"\]\(([^)\s]+)\)")
# A file in backquotes. What has a placeholder or a wildcard in it is no file.
FILE = re.compile(r"`((?:chat4all|tasks|bridges|webapp|storage|ops|tests|proto|docs)/[\w./-]+)`")
FENCED = re.compile(r"^```.*?^```", re.M | re.S)
# Made at run time, by tools, or by whoever follows a recipe.
MADE = ("chat4all/channels/outbox.py",)


def ids() -> list[str]:
    """Each page by its path."""
    return [str(page.relative_to(ROOT)) for page in PAGES]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> Iterator[str]:
    """Relative links of a page that lead nowhere."""
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=ids())
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading that is in it."""
    assert list(dead_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=ids())
def test_files_that_are_named_exist(page: Path) -> None:
    """A module that was moved or renamed is not called by its old name."""
    named = FILE.findall(FENCED.sub("", page.read_text()))
    assert [name for name in named if name not in MADE and not (ROOT / name).exists()] == []


RAISED = re.compile(r'(?:Verdict\(\w+, |(?:Permanent|Temporary|Throttled|Unknown|AddressMoved|lost)\()"(\w+)"')
TABLE = re.compile(r"^REASONS = \{(.*?)^\}", re.M | re.S)


def reasons() -> set[str]:
    """Every reason in the channels' sources: of their error tables, and of failures that they raise."""
    found: set[str] = set()
    for path in (ROOT / "chat4all" / "channels").glob("*.py"):
        source = path.read_text()
        found.update(RAISED.findall(source))
        for table in TABLE.findall(source):
            found.update(re.findall(r': "(\w+)"', table))
    return found


def test_every_reason_of_a_channel_is_explained() -> None:
    """Whoever finds a reason at a failed delivery finds it on the page that says what it means."""
    page = (ROOT / "docs" / "one-delivery.md").read_text()
    assert {"outside_window", "blocked", "no_answer"} <= reasons()
    assert sorted(each for each in reasons() if f"`{each}`" not in page) == []


@pytest.fixture
def outbox(tmp_path: Path) -> Channel:
    """The channel that docs/first-hour.md shows, made as the service makes channels."""
    found = re.search(r"<!-- example: begin -->\n```python\n(.*?)```", (ROOT / "docs" / "first-hour.md").read_text(), re.S)
    assert found
    module = ModuleType("outbox")
    exec(found[1], module.__dict__)
    made: Channel = module.Outbox(Settings(data=tmp_path))
    return made


async def test_the_first_hours_channel_sends(outbox: Channel, tmp_path: Path) -> None:
    """Whoever copies it has a channel: it has one form of an address, refuses others, and sends into its file."""
    assert outbox.address("bob") == "bob"
    with pytest.raises(ValueError, match="such as"):
        outbox.address("Bob 2")
    first = await outbox.send_text(Outgoing("bob", "Hello", "outbox:0:1:0"))
    second = await outbox.send_text(Outgoing("bob", "Again", "outbox:0:2:0"))
    assert first != second
    assert (tmp_path / "outbox.txt").read_text() == "bob: Hello\nbob: Again\n"
    await outbox.close()
