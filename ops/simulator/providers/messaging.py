"""What Instagram and Messenger share: /v23.0/<account>/messages, and webhooks of "messaging" events."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from chat4all.settings import Settings
from ops.simulator.model import Answer, Arrival, Refused, Said, Send
from ops.simulator.providers.provider import Provider, encode, graph_error, hub_signature

TITLES = {4: "Application request limit reached", 10: "Message sent outside of allowed window", 100: "Invalid parameter"}


class _Recipient(Struct, frozen=True):
    id: str


class _Payload(Struct, frozen=True):
    url: str


class _Attachment(Struct, frozen=True):
    type: str
    payload: _Payload


class _Message(Struct, frozen=True):
    text: str = ""
    attachment: _Attachment | None = None
    metadata: str = ""


class _Send(Struct, frozen=True):
    recipient: _Recipient
    message: _Message


_send = msgspec.json.Decoder(_Send).decode


class MessagingProvider(Provider):
    """One account. `webhook_object` names the kind of account in webhooks; `outside_window` is the subcode of code 10."""

    webhook_object: ClassVar[str]
    outside_window: ClassVar[int]
    simulated_account: ClassVar[str]
    longest: ClassVar[int]
    too_fast = (613, 613)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.account = self.simulated_account
        self._bearer = f"Bearer {settings.secret(f'{self.name}_token')}".encode()
        self._app_secret = settings.secret(f"{self.name}_app_secret")

    def address(self, text: str) -> str:
        """Digits, as they are."""
        if not text.strip().isdigit():
            raise ValueError("not an address: digits such as 6789012345")
        return text.strip()

    def call(self, method: str, path: Sequence[str], headers: Mapping[str, str], body: bytes) -> Send | Answer:
        """POST messages; the account and its subscriptions are for whoever connects."""
        if path[:1] == ["media"] and len(path) == 2:
            return self.shelf.answer(path[1])
        if not hmac.compare_digest(headers.get("Authorization", "").encode(), self._bearer):
            raise Refused(190, 401)
        match method, [*path[2:]]:
            case "POST", ["messages"]:
                return self._read(path[1], body)
            case "POST", ["subscribed_apps"]:
                return Answer(encode({"success": True}))
            case "GET", [] if len(path) == 2:
                return Answer(encode({"id": path[1], "name": "Simulated business", "username": "simulated"}))
        raise Refused(100, 404)

    def _read(self, account: str, body: bytes) -> Send:
        try:
            send = _send(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Refused(100) from None
        text, attachment = send.message.text, send.message.attachment
        url = attachment.payload.url if attachment else ""
        if not send.recipient.id.isdigit() or bool(text) == bool(url) or len(text.encode()) > self.longest:
            raise Refused(100)
        return Send(account, send.recipient.id, text, send.message.metadata, url)

    def new_id(self, address: str) -> str:
        """m_<unique>."""
        return f"m_{super().new_id(address)}"

    def taken(self, send: Send, provider_id: str) -> bytes:
        """The recipient and the message's id."""
        return encode({"recipient_id": send.to, "message_id": provider_id})

    def refused(self, code: int, status: int, retry_after: float | None) -> Answer:
        """The Graph API's envelope; code 10 is about the window here."""
        return graph_error(code, status, retry_after, self.outside_window if code == 10 else 0, TITLES.get(code, ""))

    def event(self, arrival: Arrival, by_person: bool, at: int, **what: Any) -> tuple[str, dict[str, Any]]:
        """An event about a message, with whose account it goes to."""
        parties = (arrival.to, arrival.account) if by_person else (arrival.account, arrival.to)
        return arrival.account, {"sender": {"id": parties[0]}, "recipient": {"id": parties[1]}, "timestamp": at, **what}

    def said(self, said: Said) -> Any:
        """A message event."""
        message: dict[str, Any] = {"mid": said.provider_id, "text": said.text}
        if said.attached:
            kind = said.attached.mime_type.partition("/")[0]
            kind = kind if kind in ("image", "audio", "video") else "file"
            message["attachments"] = [{"type": kind, "payload": {"url": self.shelf.url(said.attached.media_id)}}]
        if said.reply_to:
            message["reply_to"] = {"mid": said.reply_to}
        event = {"sender": {"id": said.sender}, "recipient": {"id": said.account}, "timestamp": said.at, "message": message}
        return said.account, event

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """One entry for each account that is spoken of."""
        events: dict[str, list[Any]] = {}
        for account, event in contents:
            events.setdefault(account, []).append(event)
        entries = [{"id": account, "time": each[-1]["timestamp"], "messaging": each} for account, each in events.items()]
        return encode({"object": self.webhook_object, "entry": entries})

    def signature(self, body: bytes) -> dict[str, str]:
        """X-Hub-Signature-256."""
        return hub_signature(self._app_secret, body)
