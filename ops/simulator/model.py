"""What the simulator's parts say to each other. Times are milliseconds UTC."""

import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

WINDOW_S = 24 * 3600.0


class Clock:
    """The providers' time of day. Tests move it by `ahead_ms`, to see what a day does to a conversation."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> int:
        """Milliseconds since 1970 UTC, as the providers count them."""
        return int(time.time() * 1000) + self.ahead_ms


class Call(Struct, frozen=True):
    """An HTTP call to a provider. `path`: its segments after the provider's name. `query` is decoded, `body` is not."""

    method: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Answer(Struct, frozen=True):
    """An HTTP answer with a JSON body. `signal`: what a person sees in passing after it: typing, read or pressed."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}
    signal: str = ""


class Send(Struct, frozen=True):
    """A message that a provider's endpoint was asked to send.

    `kind`: the provider's own word for what it is (text, image, document, template). `media` is the link of its file, ""
    without one; `uploaded` where the provider has the file already. `within_s`: how long after the person's last message it
    may come, None: at any time. `content`: what it is, where it is more than words and a file, as the service's API shows it;
    `text` then are the words that stand for it. `reply_to`: the id of the message that it quotes. `group`: what those have in
    common that are shown as one album.
    """

    account: str
    to: str
    text: str
    reference: str = ""
    media: str = ""
    kind: str = "text"
    uploaded: "Attached | None" = None
    within_s: float | None = WINDOW_S
    content: dict[str, Any] = {}
    reply_to: str = ""
    group: str = ""


class Album(Struct, frozen=True):
    """One call that sends several messages: all of them, or none."""

    sends: tuple[Send, ...]


class Poll(Struct, frozen=True):
    """Somebody fetches updates: acknowledges those before `offset`, wants `limit` more, waits up to `timeout_s` for one.

    A negative `offset` wants the newest so many, and forgets all that are older.
    """

    offset: int
    limit: int
    timeout_s: float


class Arrival(Struct, omit_defaults=True):
    """A message that reached a simulated person. `told` has when each receipt was taken by the webhook, by kind.

    `settled`: nothing more will be told of it. `media_size`, `media_sha256`: of what was behind the link, once it is fetched.
    `content`, `reply_to`, `group`: as of the Send.
    """

    channel: str
    account: str
    to: str
    provider_id: str
    text: str
    at: int
    reference: str = ""
    media: str = ""
    told: dict[str, int] = {}
    settled: bool = False
    media_size: int = 0
    media_sha256: str = ""
    media_type: str = ""
    kind: str = "text"
    content: dict[str, Any] = {}
    reply_to: str = ""
    group: str = ""


class Attached(Struct, frozen=True):
    """A file that somebody gave to the provider. `kind`: what a person sends it as, where that is not clear from its type."""

    media_id: str
    filename: str
    mime_type: str
    size: int
    sha256: str
    kind: str = ""


class Fetched(Struct, frozen=True):
    """What was behind a link. `content` is kept of small pictures only."""

    size: int
    sha256: str
    mime_type: str = ""
    content: bytes = b""


class Said(Struct, omit_defaults=True):
    """A simulated person wrote to the account. `taken_at` is when the webhook took it.

    `content`: what it is, where it is more than words and a file, as the service's API shows it: `target` is the provider's
    id of what it is about, and an answer has the `option` that came with the choice. `group`: of an album, what its messages
    have in common.
    """

    channel: str
    account: str
    sender: str
    text: str
    provider_id: str
    at: int
    name: str = ""
    reply_to: str = ""
    attached: Attached | None = None
    taken_at: int = 0
    content: dict[str, Any] = {}
    group: str = ""


class Refused(Exception):
    """The provider does not take a call: its error code, with the HTTP status that it comes with.

    `words`: the provider's own, where the code alone does not give them; `details` are said beside. `kind`: the error's type
    where it is not the usual one. `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: int,
        status: int = 400,
        retry_after: float | None = None,
        words: str = "",
        details: str = "",
        subcode: int = 0,
        kind: str = "",
    ) -> None:
        super().__init__(code, words)
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.words = words
        self.details = details
        self.subcode = subcode
        self.kind = kind


class Update(Struct, order=True):
    """Something to tell the webhook. `content` is what the provider makes a webhook of.

    `due` (monotonic seconds) and `number` are given by the outbox. `about`: None for what is no message.
    `last`: nothing more will be told of it.
    """

    due: float
    number: int
    content: Any
    kind: str
    about: Arrival | Said | None
    last: bool = False
