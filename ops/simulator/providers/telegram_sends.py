"""The methods of Telegram that send what is neither words nor a file, or change what was sent, with Telegram's checks."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from chat4all.channels.telegram_address import Place
from chat4all.channels.telegram_sending import REACTIONS
from ops.simulator.model import Send
from ops.simulator.providers import telegram_chats
from ops.simulator.providers.telegram_chats import Chats, bad
from ops.simulator.providers.telegram_messages import BOT

Given = Mapping[str, Any]
CALLBACK_BYTES = 64
BUTTONS_MOST = 100
VCARD_BYTES = 2048
DELETED_MOST = 100
QUESTION_LENGTH, OPTION_LENGTH, OPTIONS_MOST = 300, 100, 12
ALBUM_LEAST, ALBUM_MOST = 2, 10
TEXT_LENGTH, CAPTION_LENGTH = 4096, 1024
SCHEMES = ("http://", "https://", "tg://")
# What a call answers with: the message, or that it is done.
DONE = frozenset({"reaction", "deletion"})


def place_of(given: Given, chats: Chats) -> Place:
    """The chat that is written to. A name, however true, is nobody here: private chats have none."""
    named = given.get("chat_id")
    chat = "" if named is None else str(named).strip()
    if not chat:
        raise bad("chat_id is empty")
    try:
        where = telegram_chats.place(chat)
    except ValueError:
        raise bad("chat not found") from None
    if where.address != where.chat or not chat.isascii() or int(chat) == 0 or not -(1 << 63) <= int(chat) < 1 << 63:
        raise bad("chat not found")
    business = str(given.get("business_connection_id") or "")
    if business and business not in chats.connections:
        raise bad("business connection not found")
    topic = str(given.get("message_thread_id") or "")
    if topic and not (topic.isascii() and topic.isdigit()):
        raise bad("message thread not found")
    return Place(where.chat, "" if business else topic, business)


def quoted(given: Given, where: Place, chats: Chats) -> str:
    """The id of the message that is answered. Refused when it is not there, and must be."""
    asked = _json(given, "reply_parameters", dict, "can't parse reply parameters JSON object")
    number = str(asked.get("message_id") or "")
    if not number:
        return ""
    quoted_id = where.id_of(number)
    if number.isascii() and number.isdigit() and chats.is_there(quoted_id):
        return quoted_id
    if asked.get("allow_sending_without_reply") is True:
        return ""
    raise bad("message to be replied not found")


def shown(given: Given, text: str) -> dict[str, Any]:
    """The choices below a text, as the service's API shows them; empty: there are none."""
    markup = _json(given, "reply_markup", dict, "can't parse reply keyboard markup JSON object")
    if "inline_keyboard" in markup:
        buttons = [_button(each) for each in _buttons(markup["inline_keyboard"])]
        options = [{"id": each["callback_data"], "title": each["text"]} for each in buttons if "callback_data" in each]
        links = [{"title": each["text"], "url": each["url"]} for each in buttons if "url" in each]
        return {"type": "choices", "style": "buttons", "text": text, "options": options, "links": links}
    if "keyboard" in markup:
        titles = [each if isinstance(each, str) else str(each.get("text", "")) for each in _buttons(markup["keyboard"])]
        if not all(titles):
            raise bad("keyboard button text must be non-empty")
        style = "quick_replies" if markup.get("one_time_keyboard") else "keyboard"
        return {"type": "choices", "style": style, "text": text, "options": [{"id": "", "title": each} for each in titles]}
    return {}


def send(method: str, given: Given, chats: Chats) -> Send:
    """What this method, in small letters, asks for."""
    where = Place("") if method == "deletebusinessmessages" else place_of(given, chats)
    kind, text, content = METHODS[method](given, where, chats)
    if kind in {"reaction", "edit", "deletion"}:
        return Send(
            BOT,
            telegram_chats.place(content["target"].rpartition(":")[0]).address,
            text,
            kind=kind,
            within_s=None,
            content=content,
        )
    return Send(BOT, where.address, text, kind=kind, within_s=None, content=content, reply_to=quoted(given, where, chats))


Asked = tuple[str, str, dict[str, Any]]


def album(given: Given) -> list[tuple[str, str, str]]:
    """Of an album each one's kind, its file and its words."""
    media = _json(given, "media", list, "can't parse media JSON object")
    if not ALBUM_LEAST <= len(media) <= ALBUM_MOST:
        raise bad(f"media group must have {ALBUM_LEAST} to {ALBUM_MOST} items")
    found = []
    for each in media:
        if not isinstance(each, dict) or each.get("type") not in {"photo", "video", "document", "audio"}:
            raise bad("can't parse InputMedia: invalid type")
        found.append((str(each["type"]), str(each.get("media") or ""), str(each.get("caption") or "")))
    kinds = {kind for kind, _, _ in found}
    for alone in ("document", "audio"):
        if alone in kinds and len(kinds) > 1:
            raise bad(f"{alone.capitalize()} can't be mixed with other media types")
    return found


def _location(given: Given, _where: Place, _chats: Chats) -> Asked:
    latitude, longitude = _degrees(given)
    return "location", f"{latitude:g}, {longitude:g}", {"type": "location", "latitude": latitude, "longitude": longitude}


def _venue(given: Given, _where: Place, _chats: Chats) -> Asked:
    latitude, longitude = _degrees(given)
    title, address = (str(given.get(name) or "") for name in ("title", "address"))
    if not title or not address:
        raise bad(f"venue {'address' if title else 'title'} must be non-empty")
    content = {"type": "location", "latitude": latitude, "longitude": longitude, "name": title, "address": address}
    return "venue", f"{title}, {address}, {latitude:g}, {longitude:g}", content


def _contact(given: Given, _where: Place, _chats: Chats) -> Asked:
    phone, name = (str(given.get(each) or "") for each in ("phone_number", "first_name"))
    if not phone or not name:
        raise bad(f"{'first name' if phone else 'phone number'} must be non-empty")
    if len(str(given.get("vcard") or "").encode()) > VCARD_BYTES:
        raise bad("vCard is too long")
    name = f"{name} {given.get('last_name') or ''}".rstrip()
    return "contact", f"{name}, {phone}", {"type": "contact_cards", "cards": [{"name": name, "phones": [phone]}]}


def _poll(given: Given, _where: Place, _chats: Chats) -> Asked:
    question, options = str(given.get("question") or "").strip(), _options(given)
    if not 0 < len(question) <= QUESTION_LENGTH:
        raise bad(f"poll question must be non-empty and have at most {QUESTION_LENGTH} characters")
    if not 2 <= len(options) <= OPTIONS_MOST:
        raise bad(f"poll must have 2 to {OPTIONS_MOST} options")
    if not all(0 < len(each) <= OPTION_LENGTH for each in options):
        raise bad(f"poll options must be non-empty and have at most {OPTION_LENGTH} characters")
    multiple = {"multiple": True} if _is_true(given.get("allows_multiple_answers")) else {}
    names = {} if _is_true(given.get("is_anonymous", True)) else {"names": True}
    asked = {"type": "poll", "question": question, "options": options, **multiple, **names}
    return "poll", f"{question}: {' / '.join(options)}", asked


def _is_true(given: object) -> bool:
    return str(given).lower() in {"true", "yes", "1"}


def _options(given: Given) -> list[str]:
    """Their texts; older clients write nothing else of them."""
    options = _json(given, "options", list, "can't parse options JSON object")
    return [str(each.get("text") or "" if isinstance(each, dict) else each).strip() for each in options]


def _reaction(given: Given, where: Place, chats: Chats) -> Asked:
    target = _target(given, where, chats, "message to react not found")
    reactions = _json(given, "reaction", list, "can't parse reaction types JSON object")
    emojis = [each.get("emoji", "") if isinstance(each, dict) and each.get("type") == "emoji" else "" for each in reactions]
    if len(emojis) > 1:
        raise bad("REACTIONS_TOO_MANY")
    if any(each not in REACTIONS or "\ufe0f" in each for each in emojis):
        raise bad("REACTION_INVALID")
    emoji = emojis[0] if emojis else ""
    return "reaction", emoji or "(took a reaction back)", {"type": "reaction", "target": target, "emoji": emoji}


def _edit(given: Given, where: Place, chats: Chats, name: str, most: int) -> Asked:
    target, words = _target(given, where, chats, "message to edit not found"), str(given.get(name) or "")
    if name == "text" and not words.strip():
        raise bad("message text is empty")
    if len(words) > most:
        raise bad("MESSAGE_TOO_LONG" if name == "text" else "message caption is too long")
    message = chats.find(target)
    if message is not None:
        if str(message["from"]["id"]) != BOT:
            raise bad("message can't be edited")
        if ("text" in message) != (name == "text"):
            raise bad(f"there is no {name} in the message to edit")
        if message.get(name, "") == words and "reply_markup" not in message and "reply_markup" not in given:
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a "
                "current content and reply markup of the message"
            )
    inner = {"type": "text", "text": words}
    return "edit", words, {"type": "edit", "target": target, "content": inner}


def _delete_all(given: Given, where: Place, chats: Chats) -> Asked:
    numbers = _json(given, "message_ids", list, "can't parse message identifiers JSON array")
    if not numbers:
        raise bad("message identifiers are not specified")
    if len(numbers) > DELETED_MOST:
        raise bad("too many messages to delete")
    if not where.chat:
        where = _business_chat(given, numbers, chats)
    targets = [where.id_of(each) for each in numbers if str(each).isdigit()]
    return "deletion", "(deleted)", {"type": "deletion", "target": (targets or [where.id_of(0)])[0], "targets": targets}


def _business_chat(given: Given, numbers: list[Any], chats: Chats) -> Place:
    """These ids count through all chats of a business: the chat is that of the message."""
    business = str(given.get("business_connection_id") or "")
    if business not in chats.connections:
        raise bad("business connection not found")
    chat = chats.chat_of_business(business, str(numbers[0]))
    if not chat:
        raise bad("message to delete not found")
    return Place(chat, "", business)


def _delete(given: Given, where: Place, chats: Chats) -> Asked:
    target = _target(given, where, chats, "message to delete not found")
    return "deletion", "(deleted)", {"type": "deletion", "target": target, "targets": [target]}


METHODS: dict[str, Callable[[Given, Place, Chats], Asked]] = {
    "sendlocation": _location,
    "sendvenue": _venue,
    "sendcontact": _contact,
    "sendpoll": _poll,
    "setmessagereaction": _reaction,
    "editmessagetext": lambda given, where, chats: _edit(given, where, chats, "text", TEXT_LENGTH),
    "editmessagecaption": lambda given, where, chats: _edit(given, where, chats, "caption", CAPTION_LENGTH),
    "deletemessages": _delete_all,
    "deletebusinessmessages": _delete_all,
    "deletemessage": _delete,
}


def _target(given: Given, where: Place, chats: Chats, gone: str) -> str:
    number = str(given.get("message_id") or "")
    if not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise bad("message identifier is not specified")
    if not chats.is_there(where.id_of(number)):
        raise bad(gone)
    return where.id_of(number)


def _degrees(given: Given) -> tuple[float, float]:
    found = []
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            degrees = float(str(given.get(name, "")).strip() or "nan")
        except ValueError:
            degrees = float("nan")
        if not abs(degrees) <= most:
            raise bad(f"{name} is empty" if not given.get(name) else f"wrong {name} specified")
        found.append(degrees)
    return found[0], found[1]


def _json(given: Given, name: str, kind: type, wrong: str) -> Any:
    """A parameter that is JSON in a form, and an object where the body is JSON; empty where there is none."""
    value = given.get(name)
    if value is None or value == "":
        return kind()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise bad(wrong) from None
    if not isinstance(value, kind):
        raise bad(wrong)
    return value


def _buttons(rows: Any) -> list[Any]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad("can't parse reply keyboard markup JSON object")
    buttons = [each for row in rows for each in row]
    if len(buttons) > BUTTONS_MOST:
        raise bad("REPLY_MARKUP_TOO_LONG")
    if not all(isinstance(each, dict | str) for each in buttons):
        raise bad("can't parse keyboard button: KeyboardButton must be an Object")
    return buttons


def _button(button: Any) -> dict[str, Any]:
    """A button of an inline keyboard: with words, and with something that it does."""
    if not isinstance(button, dict) or not isinstance(button.get("text"), str):
        raise bad("can't parse inline keyboard button: Can't find field \"text\"")
    if not button["text"].strip():
        raise bad("inline keyboard button text must be non-empty")
    data, url = button.get("callback_data"), button.get("url")
    if data is None and url is None:
        raise bad("text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(str(data).encode()) <= CALLBACK_BYTES:
        raise bad("BUTTON_DATA_INVALID")
    if url is not None and not str(url).startswith(SCHEMES):
        raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    return button
