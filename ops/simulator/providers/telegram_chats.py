"""What Telegram remembers of chats: the newest messages, for those who answer or change them, react, or press buttons."""

import re
from typing import Any

from chat4all.channels.telegram_address import Place
from ops.simulator.model import Refused
from ops.simulator.numbers import Numbers

KEPT = 5_000
ADDRESS = re.compile(r"(-?[0-9]{1,19})(?:\.([1-9][0-9]{0,17})|@([A-Za-z0-9_-]{1,128}))?")
Message = dict[str, Any]


def place(address: str) -> Place:
    """A chat by what it is called in the control API: perhaps with a topic, or a business's connection.

    ValueError: it is none.
    """
    found = ADDRESS.fullmatch(address.strip())
    if not found:
        raise ValueError("not an address: the id of a chat such as 123456789")
    return Place(found[1], found[2] or "", found[3] or "")


def bad(words: str) -> Refused:
    """A 400 in Telegram's words."""
    return Refused(400, words=f"Bad Request: {words}")


class Chats:
    """The newest messages by their ids. `presses`: of buttons, by id, and whether each was answered.

    What is older than those that are kept is taken to be there, and nothing is known of it. `connections`: of businesses.
    `votes`: in polls, by the id of the message, whose and for which options, from 0.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._messages: dict[str, Message] = {}
        self.presses: dict[str, bool] = {}
        self.connections: set[str] = set()
        self.votes: dict[str, dict[int, list[int]]] = {}

    def keep(self, provider_id: str, message: Message) -> Message:
        """Remember a message as it stands now."""
        self._messages[provider_id] = message
        if len(self._messages) > KEPT:
            del self._messages[next(iter(self._messages))]
        return message

    def find(self, provider_id: str) -> Message | None:
        """The message as it stands; None: nothing is known of it."""
        return self._messages.get(provider_id) or None

    def is_there(self, provider_id: str) -> bool:
        """Whether there may be such a message: one that is kept, or that may have been before."""
        number = provider_id.rpartition(":")[2]
        if provider_id in self._messages:
            return bool(self._messages[provider_id])
        return len(number) < 19 and 0 < int(number) < self._oldest

    def drop(self, provider_id: str) -> None:
        """It is deleted, and stays so."""
        self.keep(provider_id, {})

    def said(self, provider_id: str) -> Message:
        """A message that somebody refers to, which is still known. ValueError: it is not."""
        found = self.find(provider_id)
        if found is None:
            raise ValueError(f"target: no message {provider_id!r} is known; it is the id of one in this chat")
        return found

    def chat_of_business(self, business: str, number: str) -> str:
        """The chat that has the message of this number, of those that the bot answers for a business; empty: none."""
        mark = f"@{business}:{number}"
        return next((each.removesuffix(mark) for each in self._messages if each.endswith(mark)), "")

    def press(self) -> str:
        """A button was pressed: the id under which that waits for an answer."""
        press_id = str((1 << 40) + self._numbers.next())
        self.presses[press_id] = False
        if len(self.presses) > KEPT:
            del self.presses[next(iter(self.presses))]
        return press_id

    def answer(self, press_id: str) -> None:
        """The button stops to spin. Refused when nobody pressed it."""
        if press_id not in self.presses:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        self.presses[press_id] = True

    @property
    def _oldest(self) -> int:
        """The number of the oldest message that is kept: those before were forgotten, or are of a simulator that ended."""
        first = next(iter(self._messages), "")
        return int(first.rpartition(":")[2]) if first else self._numbers.last + 1
