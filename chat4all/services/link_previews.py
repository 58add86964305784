"""What the first link in a message leads to: the title and description of the page, fetched when somebody asks for it.

The address was chosen by whoever wrote the message. So it is fetched by https from public addresses only, within a time limit,
and no more of it is read than a page's head takes. What was found is kept for a while, and so is that nothing was.
"""

import codecs
import html
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import aiohttp
from msgspec import Struct

from chat4all.model.failures import Failure
from chat4all.model.url_guard import ANYWHERE, Allowed, Refused
from chat4all.services.files.http_fetch import Lookup, Transfer, system_lookup

IDLE_S = 3.0
READ_MOST = 256 << 10
KEPT_MOST, KEPT_S, FAILURE_KEPT_S = 500, 3600.0, 120.0
TITLE_MOST, DESCRIPTION_MOST, VALUE_MOST = 200, 300, 2000
# A link ends before what closes a sentence or a bracket.
LINK = re.compile(r"""https?://[^\s<>"]{0,2000}[^\s<>"'.,;:!?)\]}]""", re.IGNORECASE)
ASKED = {"Accept": "text/html", "Accept-Encoding": "identity", "User-Agent": "Chat4All link preview"}
PAGES = ("text/html", "application/xhtml+xml")
# Others take long to decode, or are no text: a page that names one is read as UTF-8.
CHARSETS = ("utf-8", "iso8859-1", "iso8859-15", "cp1252", "cp1251", "shift_jis", "euc_jp", "gbk", "gb18030", "big5", "euc_kr")
# Bounded patterns, which look at each byte a fixed number of times: the page may have been made to be slow to read.
META = re.compile(r"<meta\s([^>]{1,4000})>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""([a-z:-]{1,40})\s{0,9}=\s{0,9}("[^"]{0,2000}"|'[^']{0,2000}'|[^\s"'>]{1,2000})""", re.IGNORECASE)
TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,2000})", re.IGNORECASE)
NAMED_CHARSET = re.compile(rb"""<meta[^>]{1,200}charset\s{0,9}=\s{0,9}["']?([\w-]{1,40})""", re.IGNORECASE)


class LinkPreview(Struct, frozen=True):
    """What a page says of itself. `host`: where the link ended. `reason`: why there is nothing to show, else empty."""

    url: str
    host: str = ""
    title: str = ""
    description: str = ""
    reason: str = ""


def first_link(text: str) -> str:
    """The first address of a page in a text; empty where there is none."""
    found = LINK.search(text)
    return found.group() if found else ""


class LinkPreviews:
    """Previews, kept for a while. Thread-safe."""

    def __init__(
        self,
        allowed: Allowed | None = None,
        lookup: Lookup = system_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = allowed or Allowed((ANYWHERE,))
        self._lookup, self._clock = lookup, clock
        self._kept: OrderedDict[str, tuple[float, LinkPreview]] = OrderedDict()
        self._lock = threading.Lock()

    def kept(self, url: str) -> LinkPreview | None:
        """What was found lately, without asking anybody."""
        with self._lock:
            until, found = self._kept.get(url, (0.0, None))
        return found if until > self._clock() else None

    def fetch(self, url: str, seconds: float) -> LinkPreview:
        """Ask the page, for so long at most. A page that cannot be shown is told by its `reason`, not raised."""
        try:
            with Transfer(self._allowed, seconds, IDLE_S, self._lookup) as transfer:
                found = _read(url, transfer)
        except Failure as error:
            found = LinkPreview(url, reason=error.detail if isinstance(error, Refused) else error.reason)
        until = self._clock() + (FAILURE_KEPT_S if found.reason else KEPT_S)
        with self._lock:
            self._kept[url] = (until, found)
            self._kept.move_to_end(url)
            if len(self._kept) > KEPT_MOST:
                self._kept.popitem(last=False)
        return found


def _read(url: str, transfer: Transfer) -> LinkPreview:
    response = transfer.get(url, ASKED)
    host = response.url.host or ""
    if response.status != 200:
        return LinkPreview(url, host, reason="status")
    if response.content_type not in PAGES:
        return LinkPreview(url, host, reason="no_page")
    title, description = described(_decoded(response, transfer.beginning(response, READ_MOST)))
    return LinkPreview(url, host, title, description, "" if title or description else "says_nothing")


def _decoded(response: aiohttp.ClientResponse, body: bytes) -> str:
    named = NAMED_CHARSET.search(body)
    wanted = response.charset or (named.group(1).decode() if named else "")
    charset = "utf-8"
    with suppress(LookupError):
        charset = codecs.lookup(wanted).name
    return body.decode(charset if charset in CHARSETS else "utf-8", "replace")


def described(page: str) -> tuple[str, str]:
    """A page's title and description, as it gives them to those who link to it, else as it has them itself."""
    said: dict[str, str] = {}
    for meta in META.finditer(page):
        given = {each[1].lower(): _unquoted(each[2]) for each in ATTRIBUTE.finditer(meta[1])}
        said.setdefault((given.get("property") or given.get("name") or "").lower(), given.get("content", ""))
    own = TITLE.search(page)
    title = said.get("og:title") or (own[1] if own else "")
    description = said.get("og:description") or said.get("description") or ""
    return _plain(title, TITLE_MOST), _plain(description, DESCRIPTION_MOST)


def _unquoted(value: str) -> str:
    return value[1:-1] if value[0] in "\"'" else value


def _plain(text: str, most: int) -> str:
    """One line of visible characters."""
    line = " ".join(html.unescape(text[:VALUE_MOST]).split())
    seen = "".join(each for each in line if each.isprintable())
    return seen if len(seen) <= most else seen[: most - 1] + "…"
