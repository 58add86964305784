"""The HTTP session of pyTelegramBotAPI, in which every call leaves once."""

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


class Posts:
    """A session's calls, by POST."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, method: str, url: str, **how: Any) -> Any:
        """A call, as `aiohttp.ClientSession.request`."""
        del method
        return self._session.request("POST", url, **how)
