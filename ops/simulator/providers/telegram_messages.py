"""Messages as Telegram's Bot API writes them: those that bots sent, and those that people write."""

from typing import Any
from zlib import crc32

from ops.simulator.model import Attached, Said, Send
from ops.simulator.providers.telegram_chats import place

BOT = "1000000001"
BOT_USER = {"id": int(BOT), "is_bot": True, "first_name": "Simulated", "username": "simulated_bot"}
SIDE = 640
# What a file of each type is sent as, where the sender does not say.
SENT_AS = {
    "image/jpeg": "photo",
    "image/png": "photo",
    "image/webp": "sticker",
    "image/gif": "animation",
    "video/mp4": "video",
    "audio/ogg": "voice",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
}
FOLDERS = {
    "photo": "photos",
    "video": "videos",
    "voice": "voice",
    "audio": "music",
    "animation": "animations",
    "sticker": "stickers",
}


def chat_of(address: str) -> dict[str, Any]:
    """A chat by its id: groups have negative ones, and supergroups begin with -100."""
    where = place(address)
    chat = where.chat
    if not chat.startswith("-"):
        return {"id": int(chat), "type": "private", "first_name": f"Person {chat}"}
    forum = {"is_forum": True} if where.topic else {}
    return {"id": int(chat), "type": "supergroup" if chat.startswith("-100") else "group", "title": f"Group {chat[1:]}"} | forum


def _beside(address: str) -> dict[str, Any]:
    """What a message has beside its chat: a topic of it, or whose chat it is."""
    where = place(address)
    topic = {"message_thread_id": int(where.topic), "is_topic_message": True} if where.topic else {}
    return topic | ({"business_connection_id": where.business} if where.business else {})


def sender(said: Said) -> dict[str, Any]:
    """Who writes: in a group somebody of it."""
    chat = place(said.sender).chat
    if chat.startswith("-") and said.name:
        return member(said.name)
    return {"id": abs(int(chat)), "is_bot": False, "first_name": said.name or f"Person {chat}"}


def member(name: str) -> dict[str, Any]:
    """Somebody of a group: who is called the same is the same."""
    return {"id": crc32(name.encode()), "is_bot": False, "first_name": name}


def kind_of(attached: Attached) -> str:
    """What a person's file is sent as."""
    return attached.kind or SENT_AS.get(attached.mime_type.partition(";")[0], "document")


def path_of(attached: Attached) -> str:
    """Where a file is fetched, below the bot's files."""
    suffix = attached.filename.rpartition(".")[2]
    ending = f".{suffix}" if suffix.isascii() and suffix.isalnum() and "." in attached.filename else ""
    return f"{FOLDERS.get(kind_of(attached), 'documents')}/{attached.media_id}{ending}"


def _part(kind: str, attached: Attached) -> Any:
    """A file inside a message. A photo is a list of sizes, without name or type."""
    part: dict[str, Any] = {"file_id": attached.media_id, "file_unique_id": attached.media_id[-8:], "file_size": attached.size}
    if kind == "photo":
        return [part | {"width": SIDE, "height": SIDE}]
    if kind == "sticker":
        return part | {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
    part["mime_type"] = attached.mime_type
    if kind in {"video", "animation"}:
        part |= {"width": SIDE, "height": SIDE}
    if kind in {"video", "animation", "audio", "voice"}:
        part["duration"] = 1
    if kind != "voice":
        part["file_name"] = attached.filename
    return part


def sent(send: Send, message_id: int, at: int) -> dict[str, Any]:
    """A bot's own message, as the answer to its sending has it."""
    message = {"message_id": message_id, "from": BOT_USER, "chat": chat_of(send.to), "date": at // 1000} | _beside(send.to)
    if send.reply_to:
        message["reply_to_message"] = _answered(send.reply_to, message)
    if send.group:
        message["media_group_id"] = send.group
    if send.kind == "text":
        return message | {"text": send.text} | _markup(send.content)
    if send.kind in {"location", "venue"}:
        where = {each: send.content[each] for each in ("latitude", "longitude")}
        named = {"title": send.content.get("name", ""), "address": send.content.get("address", "")}
        return message | {"location": where} | ({"venue": {"location": where, **named}} if send.kind == "venue" else {})
    if send.kind == "poll":
        return message | {"poll": poll(send.content, message_id)}
    if send.kind == "contact":
        [card] = send.content["cards"]
        return message | {"contact": {"phone_number": card["phones"][0], "first_name": card["name"]}}
    if send.text:
        message["caption"] = send.text
    attached = send.uploaded or Attached(send.media.rpartition("/")[2], "file", "application/octet-stream", 0, "")
    return message | {send.kind: _part(send.kind, attached)}


def poll(content: dict[str, Any], number: int) -> dict[str, Any]:
    """A poll that nobody has voted in. Its id has nothing to do with that of its message."""
    texts = enumerate(content["options"], 1)
    options = [{"text": each, "voter_count": 0, "persistent_id": str(place)} for place, each in texts]
    asked = {"question": content["question"], "allows_multiple_answers": content.get("multiple", False)}
    state = {"total_voter_count": 0, "is_closed": False, "is_anonymous": not content.get("names"), "type": "regular"}
    state |= {"allows_revoting": True, "members_only": False}
    return {"id": str((1 << 61) + number), **asked, "options": options, **state}


def _answered(provider_id: str, message: dict[str, Any]) -> dict[str, Any]:
    return {"message_id": int(provider_id.rpartition(":")[2]), "chat": message["chat"], "date": message["date"]}


def _markup(content: dict[str, Any]) -> dict[str, Any]:
    """The buttons below it. Keyboards are shown to people, and to nobody else."""
    if content.get("style") != "buttons":
        return {}
    rows = [[{"text": each["title"], "callback_data": each["id"]}] for each in content["options"]]
    rows += [[{"text": each["title"], "url": each["url"]}] for each in content["links"]]
    return {"reply_markup": {"inline_keyboard": rows}}


def said(said: Said) -> dict[str, Any]:
    """What a person writes."""
    message: dict[str, Any] = {
        "message_id": int(said.provider_id.rpartition(":")[2]),
        "from": sender(said),
        "chat": chat_of(said.sender),
        "date": said.at // 1000,
        **_beside(said.sender),
    }
    if said.name and message["chat"]["type"] == "private":
        message["chat"]["first_name"] = said.name
    if said.attached:
        kind = kind_of(said.attached)
        message[kind] = _part(kind, said.attached)
        if said.text and kind != "sticker":
            message["caption"] = said.text
    else:
        message["text"] = said.content.get("text") or said.text
    if said.reply_to:
        message["reply_to_message"] = _answered(said.reply_to, message)
    if said.group:
        message["media_group_id"] = said.group
    return message
