"""The HTTP session of pyTelegramBotAPI, in which every call leaves once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
from telebot.asyncio_helper import SessionManager


class Once(SessionManager):
    """Calls go by POST, whatever the library asks for.

    It sends places, cards and other things by GET, and aiohttp repeats a GET by itself when the connection ends without an
    answer: the person would have it twice, and nobody would know.
    """

    async def get_session(self) -> "Posts":
        """The session of this thread's loop."""
        return Posts(await super().get_session())  # type: ignore[no-untyped-call]

    @contextmanager
    def used(self) -> Iterator[None]:
        """Calls of the library that are made in here go through this bot's connections."""
        before = _USED.set(self)
        try:
            yield
        finally:
            _USED.reset(before)


_USED: ContextVar[Once] = ContextVar("connections of a bot")


class OfBots(SessionManager):
    """What the library asks for connections: it has one place for all bots."""

    async def get_session(self) -> "Posts":
        """Those of the bot whose call this is; where a caller is none of ours, its own."""
        bot = _USED.get(None)
        return await bot.get_session() if bot else Posts(await super().get_session())  # type: ignore[no-untyped-call]


class Posts:
    """A session's calls, by POST."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, url: str, **how: Any) -> Any:
        """A call, as `aiohttp.ClientSession.request`."""
        del method
        return self._session.request("POST", url, **how)


OF_BOTS = OfBots()
