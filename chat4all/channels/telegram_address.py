"""Where a Telegram message goes, and what it is called: a chat, a topic of it, or a chat that the bot answers for a business.

An address is `<chat>`, `<chat>.<topic>` or `<chat>@<business connection>`. Telegram counts messages within a chat, and anew for
each business account: an id is `<chat>:<number>` or `<chat>@<connection>:<number>`. What is more than one thing about a
message has more behind it: `<chat>:<number>:<more>`. Pure; no I/O.
"""

import re
from typing import Any

from msgspec import Struct

ADDRESS = re.compile(r"(?P<chat>-?[1-9][0-9]{3,19})(?:\.(?P<topic>[1-9][0-9]{0,17})|@(?P<business>[A-Za-z0-9_-]{1,128}))?")
MESSAGE = re.compile(r"(?P<chat>-?[0-9]+)(?:@(?P<business>[A-Za-z0-9_-]+))?:(?P<number>[1-9][0-9]*)(?::.*)?", re.S)
WRONG = "a Telegram address is the id of a chat with the bot, such as 123456789; usernames cannot be written to"


class Place(Struct, frozen=True):
    """A chat, and where in it. `topic`: of a forum; `business`: the connection for whose owner the bot speaks."""

    chat: str
    topic: str = ""
    business: str = ""

    @property
    def address(self) -> str:
        """As the API and the stores write it."""
        return f"{self.chat}.{self.topic}" if self.topic else self._counted

    def id_of(self, number: int | str) -> str:
        """What the message of this number is called: a chat counts on through all its topics."""
        return f"{self._counted}:{number}"

    @property
    def _counted(self) -> str:
        return f"{self.chat}@{self.business}" if self.business else self.chat

    @property
    def fields(self) -> dict[str, str]:
        """How a call names it."""
        named = {"chat_id": self.chat, "message_thread_id": self.topic, "business_connection_id": self.business}
        return {name: value for name, value in named.items() if value}


class Named(Struct, frozen=True):
    """A message of a place, by its number."""

    place: Place
    number: int

    @property
    def fields(self) -> dict[str, Any]:
        """How a call that is about it names it."""
        return {**self.place.fields, "message_id": self.number}


def place(address: str) -> Place:
    """What this address names. ValueError: it is none."""
    found = ADDRESS.fullmatch(address.strip())
    if not found:
        raise ValueError(WRONG)
    return Place(found["chat"], found["topic"] or "", found["business"] or "")


def named(provider_id: str) -> Named | None:
    """Which message this id names; None: none that a call can name."""
    found = MESSAGE.fullmatch(provider_id)
    return Named(Place(found["chat"], "", found["business"] or ""), int(found["number"])) if found else None
