"""What people write to a Telegram bot, in all its forms, as text and files. What we do not know says so."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.channels.times import now, within_second
from chat4all.ports import Inbound, Unreadable, Update

NAME = "telegram"
MEDIA = {
    "photo": "picture",
    "document": "document",
    "voice": "sound",
    "audio": "sound",
    "video": "video",
    "video_note": "video",
    "animation": "animation",
    "sticker": "sticker",
}


class _Chat(Struct, frozen=True):
    id: int


class _User(Struct, frozen=True):
    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class _Reply(Struct, frozen=True):
    message_id: int


class _Message(Struct, frozen=True, rename={"sender": "from"}):
    message_id: int
    chat: _Chat
    date: int = 0
    edit_date: int = 0
    sender: _User | None = None
    text: str = ""
    caption: str = ""
    reply_to_message: _Reply | None = None


class _Press(Struct, frozen=True, rename={"sender": "from"}):
    id: str
    sender: _User
    data: str = ""
    message: _Message | None = None


def provider_id(chat: str | int, message_id: int) -> str:
    """Telegram counts messages within a chat; only with the chat is the number an id."""
    return f"{chat}:{message_id}"


def read(update: Any, account: str) -> Sequence[Update]:
    """One update, as JSON that is already parsed."""
    if not isinstance(update, dict):
        return [Unreadable("not an update")]
    try:
        if "message" in update:
            return [_said(update["message"], account, "")]
        if "edited_message" in update:
            return [_said(update["edited_message"], account, "[edited] ")]
        if "callback_query" in update:
            return [_pressed(update["callback_query"], account)]
    except (msgspec.ValidationError, AttributeError, KeyError, IndexError, TypeError):
        return [Unreadable("message")]
    return [Unreadable("unknown update")]


def _said(raw: Any, account: str, mark: str) -> Inbound:
    message = msgspec.convert(raw, _Message)
    edition = f":{message.edit_date}" if mark else ""
    text, media = (message.text, {}) if message.text else _described(raw, message.caption)
    reply = message.reply_to_message
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=provider_id(message.chat.id, message.message_id) + edition,
        address=str(message.chat.id),
        text=mark + text,
        at=within_second(message.edit_date or message.date),
        sender_name=_name(message.sender),
        reply_to=provider_id(message.chat.id, reply.message_id) if reply else "",
        **media,
    )


def _pressed(raw: Any, account: str) -> Inbound:
    press = msgspec.convert(raw, _Press)
    chat = press.message.chat.id if press.message else press.sender.id
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=f"callback:{press.id}",
        address=str(chat),
        text=f"[button] {press.data}".rstrip(),
        at=now(),
        sender_name=_name(press.sender),
        reply_to=provider_id(chat, press.message.message_id) if press.message else "",
    )


def _described(raw: dict[str, Any], caption: str) -> tuple[str, dict[str, str]]:
    """(text, media fields) of everything that is not plain text."""
    kind = next((kind for kind in MEDIA if kind in raw), "")
    if kind:
        part = raw[kind][-1] if kind == "photo" else raw[kind]
        filename = str(part.get("file_name", ""))
        words = (f"[{MEDIA[kind]}]", str(part.get("emoji", "")), filename, caption)
        mime_type = str(part.get("mime_type", "image/jpeg" if kind == "photo" else ""))
        return " ".join(filter(None, words)), {"media": str(part["file_id"]), "mime_type": mime_type, "filename": filename}
    if "location" in raw:
        return f"[location] {raw['location']['latitude']},{raw['location']['longitude']}", {}
    if "contact" in raw:
        return f"[contact] {raw['contact'].get('first_name', '')} {raw['contact']['phone_number']}", {}
    return "[a kind of message that is not supported here]", {}


def _name(user: _User | None) -> str:
    if user is None:
        return ""
    return f"{user.first_name} {user.last_name}".strip() or user.username
