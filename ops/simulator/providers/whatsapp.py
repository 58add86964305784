"""WhatsApp's Cloud API: /v23.0/<phone number id>/messages, webhooks with statuses and messages, X-Hub-Signature-256."""

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from chat4all.settings import Settings
from ops.simulator.model import Answer, Arrival, Attached, Refused, Said, Send
from ops.simulator.providers.provider import Provider, encode, graph_error, hub_signature

TITLES = {
    100: "Invalid parameter",
    190: "Invalid OAuth access token",
    130429: "Rate limit hit",
    131009: "Parameter value is not valid",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
}
NUMBER = re.compile(r"\+?\d{7,15}")
USER_ID = re.compile(r"[A-Z]{2}\.\w+")
SHOWN_NUMBER = "15550000001"


class _Text(Struct, frozen=True):
    body: str = ""


class _Media(Struct, frozen=True):
    link: str = ""
    caption: str = ""


class _Send(Struct, frozen=True):
    messaging_product: str
    type: str = "text"
    to: str = ""
    recipient: str = ""
    text: _Text = _Text()
    image: _Media | None = None
    audio: _Media | None = None
    video: _Media | None = None
    document: _Media | None = None
    biz_opaque_callback_data: str = ""


_send = msgspec.json.Decoder(_Send).decode


class WhatsApp(Provider):
    """One business number. It answers for whatever phone number id it is called with."""

    name = "whatsapp"
    kinds: ClassVar[tuple[str, ...]] = ("sent", "delivered", "read")
    tells_failed = True
    too_fast = (130429, 131056)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.account = "100000000000001"
        self._bearer = f"Bearer {settings.secret('whatsapp_token')}".encode()
        self._app_secret = settings.secret("whatsapp_app_secret")

    def address(self, text: str) -> str:
        """ "+<digits>", or a user id as it is."""
        bare = text.strip().replace(" ", "")
        if NUMBER.fullmatch(bare):
            return f"+{bare.lstrip('+')}"
        if not USER_ID.fullmatch(bare):
            raise ValueError("not an address: a number such as +5511999990000, or a user id")
        return bare

    def call(self, method: str, path: Sequence[str], headers: Mapping[str, str], body: bytes) -> Send | Answer:
        """POST messages; GET and POST on the number itself are for whoever connects."""
        if not hmac.compare_digest(headers.get("Authorization", "").encode(), self._bearer):
            raise Refused(190, 401)
        if len(path) < 2:
            raise Refused(100, 404)
        if path[0] == "media":
            return self.shelf.answer(path[1])
        attached = self.shelf.known(path[1])
        if attached and method == "GET":
            return Answer(encode(self._page(attached)))
        if path[2:] == ["messages"] and method == "POST":
            return self._read(path[1], body)
        if path[2:]:
            raise Refused(100, 404)
        if method == "POST":
            return Answer(encode({"success": True}))
        number = {"id": path[1], "display_phone_number": SHOWN_NUMBER, "verified_name": "Simulated business"}
        return Answer(encode(number))

    def _page(self, attached: Attached) -> dict[str, Any]:
        named = {"id": attached.media_id, "mime_type": attached.mime_type, "sha256": attached.sha256}
        return named | {"file_size": attached.size, "url": self.shelf.url(attached.media_id), "messaging_product": "whatsapp"}

    def _read(self, account: str, body: bytes) -> Send:
        try:
            send = _send(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Refused(100) from None
        media = send.image or send.audio or send.video or send.document
        text = media.caption if media else send.text.body
        if send.messaging_product != "whatsapp" or not (media.link if media else text) or len(text) > 4096:
            raise Refused(100)
        if not send.recipient and not NUMBER.fullmatch(send.to):
            raise Refused(131009)
        to = send.recipient or self.address(send.to)
        return Send(account, to, text, send.biz_opaque_callback_data, media.link if media else "")

    def new_id(self, address: str) -> str:
        """wamid.<unique>."""
        return f"wamid.{super().new_id(address)}"

    def taken(self, send: Send, provider_id: str) -> bytes:
        """Contacts and the message's id."""
        contact = {"input": send.to, "wa_id": send.to.lstrip("+")}
        return encode({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": provider_id}]})

    def refused(self, code: int, status: int, retry_after: float | None) -> Answer:
        """The Graph API's envelope."""
        return graph_error(code, status, retry_after, title=TITLES.get(code, ""))

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """A status."""
        status: dict[str, Any] = {
            "id": arrival.provider_id,
            "status": kind,
            "timestamp": str(at // 1000),
            "recipient_id": arrival.to.lstrip("+"),
        }
        if arrival.reference:
            status["biz_opaque_callback_data"] = arrival.reference
        if code:
            status["errors"] = [{"code": code, "title": TITLES.get(code, "Refused"), "message": TITLES.get(code, "Refused")}]
        return ("statuses", arrival.account, status)

    def said(self, said: Said) -> Any:
        """A message of type text, and its sender's contact."""
        by_number = said.sender.startswith("+")
        message: dict[str, Any] = {
            "from" if by_number else "from_user_id": said.sender.lstrip("+"),
            "id": said.provider_id,
            "timestamp": str(said.at // 1000),
            "type": "text",
            "text": {"body": said.text},
        }
        if said.attached:
            kind = said.attached.mime_type.partition("/")[0]
            kind = kind if kind in ("image", "audio", "video") else "document"
            part = {"id": said.attached.media_id, "mime_type": said.attached.mime_type, "caption": said.text}
            del message["text"]
            message |= {"type": kind, kind: part | ({"filename": said.attached.filename} if kind == "document" else {})}
        if said.reply_to:
            message["context"] = {"from": SHOWN_NUMBER, "id": said.reply_to}
        contact = {"wa_id" if by_number else "user_id": said.sender.lstrip("+"), "profile": {"name": said.name or said.sender}}
        return ("messages", said.account, message, contact)

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """One entry, one change for each account that is spoken of."""
        values: dict[str, dict[str, Any]] = {}
        for what, account, item, *contact in contents:
            metadata = {"display_phone_number": SHOWN_NUMBER, "phone_number_id": account}
            value = values.setdefault(account, {"messaging_product": "whatsapp", "metadata": metadata})
            value.setdefault(what, []).append(item)
            if contact:
                value.setdefault("contacts", []).extend(contact)
        changes = [{"field": "messages", "value": value} for value in values.values()]
        return encode({"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", "changes": changes}]})

    def signature(self, body: bytes) -> dict[str, str]:
        """X-Hub-Signature-256."""
        return hub_signature(self._app_secret, body)
