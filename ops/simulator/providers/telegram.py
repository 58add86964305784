"""Telegram's Bot API: /bot<token>/<method>, one update a webhook with a secret token, or getUpdates."""

import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import msgspec

from chat4all.settings import Settings
from ops.simulator.model import Answer, Arrival, Poll, Refused, Said, Send
from ops.simulator.providers.provider import Provider, encode

BOT = "1000000001"
# Ids count up from the seconds since then, so that a simulator that starts again gives none twice.
ID_EPOCH_S = 1_760_000_000
IDS_PER_S = 10_000
DESCRIPTIONS = {
    400: "Bad Request: message text is empty",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request or by a webhook; make sure that only one receiver is running",
}


class Telegram(Provider):
    """One bot. As long as nobody deletes the webhook, updates go to the gateway as those of the others do."""

    name = "telegram"
    batch: ClassVar[int] = 1
    too_fast = (429, 429)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.account = BOT
        self._bot = f"bot{BOT}:{settings.secret('telegram_token')}".encode()
        self._secret = settings.secret("telegram_webhook_secret")
        self._next_id = int((time.time() - ID_EPOCH_S) * IDS_PER_S)

    def address(self, text: str) -> str:
        """A chat's id, as it is."""
        if not text.strip().removeprefix("-").isdigit():
            raise ValueError("not an address: the id of a chat such as 123456789")
        return text.strip()

    def call(self, method: str, path: Sequence[str], headers: Mapping[str, str], body: bytes) -> Send | Answer | Poll:
        """Methods are called with GET or POST, with a form or JSON."""
        if len(path) == 4 and path[0] == "file" and hmac.compare_digest(path[1].encode(), self._bot):
            return self.shelf.answer(path[3])
        if len(path) != 2 or not hmac.compare_digest(path[0].encode(), self._bot):
            raise Refused(401, 401)
        given = _fields(headers.get("Content-Type", ""), body)
        match path[1]:
            case "sendMessage" | "sendPhoto" | "sendDocument" | "sendVideo" | "sendAudio":
                return self._read(given)
            case "getFile":
                return self._file(given)
            case "getUpdates":
                return self._poll(given)
            case "setWebhook" | "deleteWebhook":
                self.polled = path[1] == "deleteWebhook"
                return _ok(True)
            case "getMe":
                return _ok({"id": int(BOT), "is_bot": True, "first_name": "Simulated", "username": "simulated_bot"})
        raise Refused(404, 404)

    def _read(self, given: Mapping[str, Any]) -> Send:
        chat, media = str(given.get("chat_id", "")), _media(given)
        text = str(given.get("caption", "") if media else given.get("text", ""))
        if not chat.lstrip("-").isdigit() or not (text or media) or len(text) > 4096:
            raise Refused(400)
        return Send(self.account, chat, text, media=media)

    def _file(self, given: Mapping[str, Any]) -> Answer:
        attached = self.shelf.known(str(given.get("file_id", "")))
        if attached is None:
            raise Refused(400)
        place = {"file_path": f"documents/{attached.media_id}", "file_size": attached.size}
        return _ok({"file_id": attached.media_id, "file_unique_id": attached.media_id} | place)

    def _poll(self, given: Mapping[str, Any]) -> Poll:
        if not self.polled:
            raise Refused(409, 409)
        return Poll(int(given.get("offset", 0)), int(given.get("limit", 100)), float(given.get("timeout", 0)))

    def new_id(self, address: str) -> str:
        """<chat>:<message_id>, which is how Telegram's ids are told apart."""
        self._next_id += 1
        return f"{address}:{self._next_id}"

    def taken(self, send: Send, provider_id: str) -> bytes:
        """The message as it was sent."""
        chat, _, message_id = provider_id.rpartition(":")
        bot = {"id": int(BOT), "is_bot": True, "first_name": "Simulated"}
        message = {"message_id": int(message_id), "from": bot, "chat": _chat(chat), "date": int(time.time()), "text": send.text}
        return encode({"ok": True, "result": message})

    def refused(self, code: int, status: int, retry_after: float | None) -> Answer:
        """ok: false, and retry_after in the body."""
        error: dict[str, Any] = {"ok": False, "error_code": code, "description": DESCRIPTIONS.get(code, "Refused")}
        if code == 429:
            wait = max(1, round(retry_after or 1))
            error |= {"description": f"Too Many Requests: retry after {wait}", "parameters": {"retry_after": wait}}
        return Answer(encode(error), status)

    def receipt(self, arrival: Arrival, kind: str, at: int, code: int) -> Any:
        """There are none."""
        raise NotImplementedError

    def said(self, said: Said) -> Any:
        """An update with a message."""
        self._next_id += 1
        chat, _, message_id = said.provider_id.rpartition(":")
        sender = {"id": abs(int(chat)), "is_bot": False, "first_name": said.name or f"Person {chat}"}
        message: dict[str, Any] = {"message_id": int(message_id), "from": sender, "chat": _chat(chat)}
        message |= {"date": said.at // 1000, "text": said.text}
        if said.attached:
            del message["text"]
            part: dict[str, Any] = {"file_id": said.attached.media_id, "file_unique_id": said.attached.media_id}
            part |= {"file_name": said.attached.filename, "mime_type": said.attached.mime_type, "file_size": said.attached.size}
            message |= {"document": part, "caption": said.text}
        if said.reply_to:
            answered = said.reply_to.rpartition(":")[2]
            message["reply_to_message"] = {"message_id": int(answered), "chat": _chat(chat), "date": said.at // 1000}
        return {"update_id": self._next_id, "message": message}

    def webhook(self, contents: Sequence[Any]) -> bytes:
        """One update."""
        return encode(contents[0])

    def signature(self, body: bytes) -> dict[str, str]:
        """The secret that setWebhook was given."""
        return {"X-Telegram-Bot-Api-Secret-Token": self._secret}

    def updates(self, contents: Sequence[Any]) -> Answer:
        """The answer to getUpdates."""
        return _ok(contents)


def _ok(result: Any) -> Answer:
    return Answer(encode({"ok": True, "result": result}))


def _chat(chat: str) -> dict[str, Any]:
    return {"id": int(chat), "type": "group" if chat.startswith("-") else "private"}


def _media(given: Mapping[str, Any]) -> str:
    return next((str(given[each]) for each in ("photo", "document", "video", "audio") if given.get(each)), "")


def _fields(content_type: str, body: bytes) -> dict[str, Any]:
    try:
        if content_type.startswith("application/json"):
            return msgspec.json.decode(body, type=dict[str, Any])
        return dict(parse_qsl(body.decode()))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Refused(400) from None
