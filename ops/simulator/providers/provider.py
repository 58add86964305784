"""What the simulator must know of a provider: how it is called, what it answers, and what its webhooks say."""

import hashlib
import hmac
import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from chat4all.settings import Settings
from ops.simulator.media import Shelf
from ops.simulator.model import Answer, Arrival, Poll, Said, Send

encode = msgspec.json.Encoder().encode


class Provider(ABC):
    """One provider with one account. Methods are pure and cheap: they run for every message of every load test.

    `batch`: updates in one webhook. `kinds`: receipts that it tells. `tells_failed`: also that a message failed later.
    `too_fast`: codes for (the account, one recipient). `polled`: updates wait to be fetched.
    """

    name: ClassVar[str]
    batch: ClassVar[int] = 500
    kinds: ClassVar[tuple[str, ...]] = ()
    tells_failed: ClassVar[bool] = False
    too_fast: ClassVar[tuple[int, int]]
    account: str
    polled: bool = False

    def __init__(self, settings: Settings) -> None:
        self.shelf = Shelf(f"{settings.simulator_url}/{self.name}")
        self._start = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    @abstractmethod
    def address(self, text: str) -> str:
        """An address as the channel writes it, so that people may ask for it either way. ValueError when it is none."""

    @abstractmethod
    def call(self, method: str, path: Sequence[str], headers: Mapping[str, str], body: bytes) -> Send | Answer | Poll:
        """What a call to the provider's endpoint wants: a send, updates, or what is answered at once. Refused when wrong."""

    @abstractmethod
    def taken(self, send: Send, provider_id: str) -> bytes:
        """The body of the answer to a send that was taken."""

    @abstractmethod
    def refused(self, code: int, status: int, retry_after: float | None) -> Answer:
        """The provider's error."""

    @abstractmethod
    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """What the webhook says of a message: kind sent, delivered, read, or failed with the provider's code."""

    @abstractmethod
    def said(self, said: Said) -> Any:
        """What the webhook says when a person writes."""

    @abstractmethod
    def webhook(self, contents: Sequence[Any]) -> bytes:
        """The body of a webhook that tells these."""

    @abstractmethod
    def signature(self, body: bytes) -> dict[str, str]:
        """The headers that prove who sends it."""

    def updates(self, contents: Sequence[Any]) -> Answer:
        """The answer to a poll, by those that can be polled."""
        raise NotImplementedError

    def new_id(self, address: str) -> str:
        """The id of the next message to or from this address: never one that was given before."""
        return f"{self._start}{next(self._numbers):08x}"


def hub_signature(secret: str, body: bytes) -> dict[str, str]:
    """Meta's."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def graph_error(code: int, status: int, retry_after: float | None, subcode: int = 0, title: str = "") -> Answer:
    """Meta's error envelope."""
    error: dict[str, Any] = {
        "message": f"(#{code}) {title or 'Refused by the simulator'}",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": title or "Refused by the simulator"},
        "fbtrace_id": "Simulated",
    }
    if subcode:
        error["error_subcode"] = subcode
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return Answer(encode({"error": error}), status, headers)
