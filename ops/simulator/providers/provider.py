"""What the simulator must know of a provider: how it is called, what it answers, and what its webhooks say."""

import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from chat4all.settings import Settings
from ops.simulator.apps import Apps
from ops.simulator.media import MediaStore
from ops.simulator.model import Album, Answer, Arrival, Call, Clock, Fetched, Poll, Refused, Said, Send

encode = msgspec.json.Encoder().encode
MB = 1 << 20
# The type of a file ("image/png", or "video/" for all of a kind, or "" for any) and its largest size in bytes.
Takes = Mapping[str, int]


class Provider(ABC):
    """One provider, for as many accounts as call it. Methods are pure and cheap: they run for each message of every load test.

    `batch`: updates in one webhook. `kinds`: receipts that it tells. `tells_failed`: also that a message failed later.
    `too_fast`: codes for (the account, one recipient). `takes`: files by kind of message. `fetches_later`: a link is looked at
    after the answer, and what is wrong with it is told as a failed receipt. `polled`: updates wait to be fetched.
    `drops_pending`: the last call wanted what waits to be forgotten.
    `pending` says how many updates wait. `apps`: where accounts are of apps; None: they are not.
    """

    name: ClassVar[str]
    batch: ClassVar[int] = 500
    kinds: ClassVar[tuple[str, ...]] = ()
    tells_failed: ClassVar[bool] = False
    fetches_later: ClassVar[bool] = False
    too_fast: ClassVar[tuple[int, int]]
    takes: ClassVar[Mapping[str, Takes]]
    apps: Apps | None = None
    account: str
    polled: bool = False
    drops_pending: bool = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.media_store = MediaStore(f"{settings.simulator_url}/{self.name}")
        self.clock = clock
        self.pending: Callable[[], int] = int
        self._start = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    @abstractmethod
    def address(self, text: str) -> str:
        """An address as the channel writes it, so that people may ask for it either way. ValueError when it is none."""

    @abstractmethod
    def call(self, call: Call) -> Send | Album | Answer | Poll:
        """What a call to the provider's endpoint wants: a send, updates, or what is answered at once. Refused when wrong."""

    @abstractmethod
    def taken(self, send: Send, provider_id: str) -> bytes:
        """The body of the answer to a send that was taken."""

    def taken_together(self, sends: Sequence[Send], provider_ids: Sequence[str]) -> bytes:
        """The same of an album, by those that take one."""
        raise NotImplementedError

    @abstractmethod
    def refused(self, refused: Refused) -> Answer:
        """The provider's error."""

    @abstractmethod
    def outside_window(self) -> Refused | None:
        """What it says when the person wrote too long ago; None where there is no window."""

    @abstractmethod
    def nobody(self) -> Refused:
        """What it says when it knows nobody of this address."""

    @abstractmethod
    def unfit(self, send: Send, found: Fetched | None) -> Refused | None:
        """What it says of the file of a send, None: fetched in vain; None when it takes the file."""

    def tells(self, arrival: Arrival, kind: str) -> bool:
        """Whether it tells this of such a message."""
        return True

    @abstractmethod
    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """What the webhook says of a message: kind sent, delivered, read, or failed with the provider's code."""

    @abstractmethod
    def said(self, said: Said) -> Any:
        """What the webhook says when a person writes; None when nobody asked to be told."""

    @abstractmethod
    def webhook(self, contents: Sequence[Any]) -> bytes:
        """The body of a webhook that tells these."""

    def account_of(self, content: Any) -> str:
        """Whom this part of a webhook is about."""
        return self.account

    def apart(self, contents: Sequence[Any]) -> list[list[int]]:
        """Which of these go into one webhook, by their places: each app is told of its own accounts."""
        if self.apps is None or not self.apps.all:
            return [list(range(len(contents)))]
        groups: dict[str, list[int]] = {}
        for place, content in enumerate(contents):
            app = self.apps.of(self.account_of(content))
            groups.setdefault(app.app_id if app else "", []).append(place)
        return list(groups.values())

    @abstractmethod
    def signature(self, body: bytes) -> dict[str, str]:
        """The headers that prove who sends it."""

    def addressed(self, contents: Sequence[Any], body: bytes) -> tuple[str, dict[str, str]]:
        """Where the webhook of these goes, and its headers, where both depend on the account."""
        return self.hook(), self.signature(body)

    def hook(self) -> str:
        """Where webhooks go instead of to the gateway, "" where nobody said so."""
        return ""

    def webhook_failed(self, why: str) -> None:  # noqa: B027 - most providers tell nobody
        """A webhook was not taken."""

    def updates(self, contents: Sequence[Any]) -> Answer:
        """The answer to a poll, by those that can be polled."""
        raise NotImplementedError

    def new_id(self, address: str) -> str:
        """The id of the next message to or from this address: never one that was given before."""
        return f"{self._start}{next(self._numbers):08x}"


def largest(takes: Takes, mime_type: str) -> int | None:
    """The largest size (bytes) of a file of this type; None when the type is not taken."""
    bare = mime_type.partition(";")[0].strip().lower()
    return takes.get(bare, takes.get(f"{bare.partition('/')[0]}/", takes.get("")))


def is_digits(text: str) -> bool:
    """Whether these are digits as computers write them; Python alone calls others digits too."""
    return text.isascii() and text.isdigit()
