"""What a link leads to: what is read of a page, what is never asked, how long it may take, and what is kept."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from chat4all.model.url_guard import Allowed
from chat4all.services.link_previews import DESCRIPTION_MOST, READ_MOST, TITLE_MOST, LinkPreviews, described, first_link
from tests.channels.conftest import serving

PAGE = '<html><head><title>Where is my order</title><meta name="description" content="On its way"></head></html>'


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("see https://shop.example/a?b=1.", "https://shop.example/a?b=1"),
        ("(HTTP://shop.example/a)", "HTTP://shop.example/a"),
        ("first https://a.example then https://b.example", "https://a.example"),
        ("mailto:ana@shop.example, ftp://shop.example, https://", ""),
        ("", ""),
    ],
)
def test_the_first_link_of_a_text(text: str, link: str) -> None:
    """Without what closes a sentence; only addresses of pages."""
    assert first_link(text) == link


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE, ("Where is my order", "On its way")),
        (f"<meta property='og:title' content='Order &amp; \"way\"'>{PAGE}", ('Order & "way"', "On its way")),
        ("<TITLE>\n two\n lines </TITLE>", ("two lines", "")),
        ("<title>a\u202eb\x07</title>", ("ab", "")),
        (f"<title>{'a' * 1000}</title><meta name=description content={'b' * 1000}>", None),
        ("<title></title><meta><meta content><meta name=>", ("", "")),
        ("nothing", ("", "")),
    ],
)
def test_what_a_page_says_of_itself(page: str, said: tuple[str, str] | None) -> None:
    """What it gives to those who link to it comes first; one line of visible characters, cut where it is long."""
    found = described(page)
    if said is None:
        assert tuple(map(len, found)) == (TITLE_MOST, DESCRIPTION_MOST)
    else:
        assert found == said


@pytest.mark.parametrize("bait", ["<meta ", "<title", "<meta a=", "<meta a='", "<!--", "<meta a   ", "&#"])
def test_a_page_that_was_made_to_be_slow_is_read_all_the_same(bait: str) -> None:
    """Nothing is found in it, within moments."""
    assert described(bait * (READ_MOST // len(bait))) == ("", "")


async def previewed(answers: Callable[[Any], Any], path: str = "/", **more: Any) -> tuple[Any, list[str]]:
    """What is found at a place that answers so, asked twice, and what it was asked for."""
    asked: list[str] = []

    async def handle(request: Any) -> Any:
        asked.append(request.path)
        found = answers(request)
        return await found if asyncio.iscoroutine(found) else found

    async with serving(handle) as url:
        previews = LinkPreviews(Allowed(own=url))
        return await asyncio.to_thread(previews.fetch, url + path, more.get("seconds", 3.0)), asked


def html(body: str | bytes, charset: str = "utf-8", **more: Any) -> Callable[[Any], web.Response]:
    given = body.encode(charset) if isinstance(body, str) else body
    return lambda _request: web.Response(body=given, headers={"Content-Type": f"text/html; charset={charset}", **more})


async def test_a_page_is_shown_with_where_it_is() -> None:
    """Title, description, and the host where the link ended; in the page's own characters."""
    found, _ = await previewed(html("<title>Preço: ação</title>", "iso8859-1"))
    assert (found.title, found.host, found.reason) == ("Preço: ação", "127.0.0.1", "")


@pytest.mark.parametrize("charset", ["unicode_escape", "punycode", "no-such"])
async def test_only_character_sets_of_pages_are_read(charset: str) -> None:
    """What a page names beside them is not used."""
    found, _ = await previewed(html(b"<title>plain</title>", charset))
    assert found.title == "plain"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (lambda _: web.Response(status=404, text=PAGE, content_type="text/html"), "status"),
        (lambda _: web.Response(body=b"MZ", content_type="application/octet-stream"), "no_page"),
        (html("<p>words</p>"), "says_nothing"),
        (lambda _: web.Response(status=302, headers={"Location": "https://10.0.0.1/inside"}), "not_public"),
        (lambda _: web.Response(status=302, headers={"Location": "http://shop.example/"}), "not_https"),
        (lambda _: web.Response(status=302, headers={"Location": "/"}), "redirects"),
    ],
)
async def test_what_cannot_be_shown_says_why(answers: Callable[[Any], Any], reason: str) -> None:
    """And nothing is raised: whoever asks is told."""
    found, _ = await previewed(answers)
    assert (found.reason, found.title) == (reason, "")


async def test_a_slow_page_is_given_up() -> None:
    """Within the time that it was given."""

    async def slow(_request: Any) -> web.Response:
        await asyncio.sleep(1.5)
        return web.Response(text=PAGE, content_type="text/html")

    found, _ = await previewed(slow, seconds=0.3)
    assert found.reason == "too_slow"


async def test_no_more_of_a_page_is_read_than_its_beginning() -> None:
    """An endless page has a preview by what stands first."""
    sent = 0

    async def endless(request: Any) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(headers={"Content-Type": "text/html"})
        await answer.prepare(request)
        await answer.write(PAGE.encode())
        while sent < 100 * READ_MOST:
            sent += 65536
            await answer.write(b" " * 65536)
        return answer

    found, _ = await previewed(endless)
    assert found.title == "Where is my order"
    assert sent < 100 * READ_MOST


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://shop.example/", "not_https"),
        ("https://127.0.0.1/", "not_public"),
        ("https://[::1]/", "not_public"),
        ("https://169.254.169.254/latest/meta-data", "not_public"),
        ("https://inside.example/", "not_public"),
        ("https://shop.example:8443/", "port"),
        ("https://me:secret@shop.example/", "credentials"),
    ],
)
def test_nobody_inside_is_asked(url: str, reason: str) -> None:
    """Not by a number, not by a name that leads inside, not at another port."""

    async def lookup(_host: str, _port: int) -> list[str]:
        return ["10.0.0.7"]

    assert LinkPreviews(lookup=lookup).fetch(url, 2.0).reason == reason


def test_what_was_found_is_kept_for_a_while() -> None:
    """So is that nothing was, for less long; the oldest goes when there are many."""
    now = 0.0
    previews = LinkPreviews(clock=lambda: now)
    refused = "http://shop.example/0"
    assert previews.kept(refused) is None
    found = previews.fetch(refused, 1.0)
    assert previews.kept(refused) == found
    now = 121.0
    assert previews.kept(refused) is None
    for number in range(600):
        previews.fetch(f"http://shop.example/{number}", 1.0)
    assert previews.kept("http://shop.example/50") is None
    assert previews.kept("http://shop.example/599") is not None
