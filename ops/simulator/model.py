"""What the simulator's parts say to each other. Times are milliseconds UTC."""

import time
from typing import Any

from msgspec import Struct


def now() -> int:
    """Milliseconds since 1970 UTC."""
    return int(time.time() * 1000)


class Answer(Struct, frozen=True):
    """An HTTP answer with a JSON body."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}


class Send(Struct, frozen=True):
    """A message that a provider's endpoint was asked to send. `media` is the link of a file, empty for a text."""

    account: str
    to: str
    text: str
    reference: str = ""
    media: str = ""


class Poll(Struct, frozen=True):
    """Somebody fetches updates: acknowledges those before `offset`, wants `limit` more, waits up to `timeout_s` for one."""

    offset: int
    limit: int
    timeout_s: float


class Arrival(Struct, omit_defaults=True):
    """A message that reached a simulated person. `told` has when each receipt was taken by the webhook, by kind.

    `settled`: nothing more will be told of it. `media_size`, `media_sha256`: of what was behind the link, once it is fetched.
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


class Attached(Struct, frozen=True):
    """A file that a simulated person sends."""

    media_id: str
    filename: str
    mime_type: str
    size: int
    sha256: str


class Said(Struct, omit_defaults=True):
    """A simulated person wrote to the account. `taken_at` is when the webhook took it."""

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


class Refused(Exception):
    """The provider does not take a call: its error code, with the HTTP status that it comes with."""

    def __init__(self, code: int, status: int = 400, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.retry_after = retry_after


class Update(Struct, order=True):
    """Something to tell the webhook. `content` is what the provider makes a webhook of.

    `due` (monotonic seconds) and `number` are given by the outbox. `last`: nothing more will be told of `about`.
    """

    due: float
    number: int
    content: Any
    kind: str
    about: Arrival | Said
    last: bool = False
