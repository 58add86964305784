"""What people do on the messaging platform, as its webhooks tell it. `content` is as the service's API shows such content."""

from collections.abc import Callable, Mapping
from typing import Any

from ops.simulator.model import Said

KINDS = ("image", "audio", "video", "file", "sticker")
# What the platform calls an emoji; every other one is "other".
NAMES = {"❤": "love", "😆": "smile", "😮": "wow", "😢": "sad", "😠": "angry", "👍": "like", "👎": "dislike"}
SHARED = {"post": "ig_post", "reel": "ig_reel", "link": "fallback"}

Content = Mapping[str, Any]


def event(said: Said, link: str) -> dict[str, Any]:
    """What is told beside who said it to whom, and when. `link`: where the attached file is. ValueError: nobody can do that."""
    try:
        return _event(said, link)
    except (AttributeError, TypeError):
        raise ValueError(f"content is not of the form of {said.content.get('type')!r}") from None


def _event(said: Said, link: str) -> dict[str, Any]:
    kind = said.content.get("type", "")
    if kind in ACTIONS:
        return ACTIONS[kind](said, said.content)
    message: dict[str, Any] = {"mid": said.provider_id}
    attachments = [*_file(said, link)]
    if kind:
        if kind not in MESSAGES:
            raise ValueError(f"people here do not send {kind!r}; known: {', '.join((*ACTIONS, *MESSAGES))}")
        more = MESSAGES[kind](said.content)
        attachments += more.pop("attachments", [])
        message |= more
    text = message.pop("text", "") or said.text
    if text or not (attachments or kind):
        message["text"] = text
    if attachments:
        message["attachments"] = attachments
    if said.reply_to:
        message["reply_to"] = {"mid": said.reply_to}
    return {"message": message}


def _file(said: Said, link: str) -> list[dict[str, Any]]:
    if said.attached is None:
        return []
    kind = said.attached.kind or said.attached.mime_type.partition("/")[0]
    kind = kind if kind in KINDS else "file"
    payload = {"url": link, "sticker_id": int(said.attached.media_id)} if kind == "sticker" else {"url": link}
    return [{"type": kind, "payload": payload}]


def _needed(content: Content, name: str) -> Any:
    if name not in content:
        raise ValueError(f"content needs {name!r}")
    return content[name]


def _location(content: Content) -> dict[str, Any]:
    place = {"lat": _needed(content, "latitude"), "long": _needed(content, "longitude")}
    return {
        "attachments": [
            {"type": "location", "title": content.get("name", "Pinned Location"), "payload": {"coordinates": place}}
        ]
    }


def _tapped(content: Content) -> dict[str, Any]:
    """A quick reply: its title as a text, with the payload."""
    return {"text": _needed(content, "title"), "quick_reply": {"payload": _needed(content, "option")}}


def _story(content: Content) -> dict[str, Any]:
    """A mention in somebody's story, or a reply to ours."""
    url, text = _needed(content, "url"), {"text": content["text"]} if content.get("text") else {}
    if content.get("kind") == "reply":
        return {**text, "reply_to": {"story": {"url": url, "id": content.get("provider_id", "1")}}}
    return {**text, "attachments": [{"type": "story_mention", "payload": {"url": url}}]}


def _shared(content: Content) -> dict[str, Any]:
    payload = {name: content[name] for name in ("url", "title") if name in content}
    kind = SHARED.get(content.get("kind", "post"), content.get("kind", "post"))
    return {"attachments": [{"type": kind, "payload": payload}]} | ({"text": content["text"]} if content.get("text") else {})


def _unsupported(content: Content) -> dict[str, Any]:
    return {"is_unsupported": True}


def _answered(said: Said, content: Content) -> dict[str, Any]:
    """A tap on a quick reply is a message, one on a button a postback."""
    if content.get("style", "buttons") == "quick_replies":
        return {"message": {"mid": said.provider_id, **_tapped(content)}}
    return {"postback": {"mid": said.provider_id, "title": _needed(content, "title"), "payload": _needed(content, "option")}}


def _reacted(said: Said, content: Content) -> dict[str, Any]:
    target, emoji = _needed(content, "target"), content.get("emoji", "")
    if not emoji:
        return {"reaction": {"mid": target, "action": "unreact"}}
    name = NAMES.get(emoji.rstrip("\ufe0f"), "other")
    return {"reaction": {"mid": target, "action": "react", "reaction": name, "emoji": emoji}}


def _edited(said: Said, content: Content) -> dict[str, Any]:
    text = content.get("content", {}).get("text", said.text)
    return {"message_edit": {"mid": _needed(content, "target"), "text": text, "num_edit": content.get("number", 1)}}


def _unsent(said: Said, content: Content) -> dict[str, Any]:
    return {"message": {"mid": _needed(content, "target"), "is_deleted": True}}


def _ordered(said: Said, content: Content) -> dict[str, Any]:
    products = [
        {
            "id": each.get("product_id", ""),
            "retailer_id": each.get("product_id", ""),
            "name": each.get("name", ""),
            "unit_price": each.get("price", "0"),
            "currency": each.get("currency", ""),
            "quantity": each.get("quantity", "1"),
        }
        for each in _needed(content, "items")
    ]
    return {"order": {"products": products, "note": content.get("text", said.text)}}


def _came(said: Said, content: Content) -> dict[str, Any]:
    """By a link or an ad, without a word."""
    return {"referral": {"source": "SHORTLINK", "type": "OPEN_THREAD"} | {k: v for k, v in content.items() if k != "type"}}


MESSAGES: dict[str, Callable[[Content], dict[str, Any]]] = {
    "location": _location,
    "story": _story,
    "shared_post": _shared,
    "unsupported": _unsupported,
}
ACTIONS: dict[str, Callable[[Said, Content], dict[str, Any]]] = {
    "answer": _answered,
    "reaction": _reacted,
    "edit": _edited,
    "deletion": _unsent,
    "order": _ordered,
    "referral": _came,
}
