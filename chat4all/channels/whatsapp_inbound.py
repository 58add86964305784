"""What people write on WhatsApp, in all its types, as text and files. What we do not know arrives as text that says so."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from chat4all.channels.times import within_second
from chat4all.ports import Inbound, Unreadable, Update

NAME = "whatsapp"
MEDIA = {"image": "picture", "audio": "sound", "video": "video", "document": "document", "voice": "sound", "sticker": "sticker"}
MEXICO_OLD = re.compile(r"521\d{10}")
BRAZIL_OLD = re.compile(r"55[1-9]{2}[6-9]\d{7}")


class _Context(Struct, frozen=True):
    id: str = ""


class _Body(Struct, frozen=True):
    body: str = ""


class _Message(Struct, frozen=True, rename={"sender": "from"}):
    id: str
    type: str = "unsupported"
    timestamp: str = "0"
    sender: str = ""
    from_user_id: str = ""
    text: _Body = _Body()
    context: _Context | None = None
    group_id: str = ""


class _Profile(Struct, frozen=True):
    name: str = ""
    username: str = ""


class _Contact(Struct, frozen=True):
    profile: _Profile = _Profile()
    wa_id: str = ""
    user_id: str = ""


_message = msgspec.json.Decoder(_Message).decode
_contact = msgspec.json.Decoder(_Contact).decode
_anything = msgspec.json.Decoder(dict[str, Any]).decode


def number(digits: str) -> str:
    """A wa_id or number, with or without "+", as an address.

    Two countries changed how mobile numbers are written, and WhatsApp still names many people by the old form: Mexico
    dropped the 1 after 52, Brazil put a 9 before mobile numbers of eight digits. Both forms are one person.
    """
    bare = digits.removeprefix("+")
    if MEXICO_OLD.fullmatch(bare):
        bare = f"52{bare[3:]}"
    elif BRAZIL_OLD.fullmatch(bare):
        bare = f"{bare[:4]}9{bare[4:]}"
    return f"+{bare}"


def read(messages: Sequence[Raw], contacts: Sequence[Raw], account: str) -> Iterator[Update]:
    """The messages of one change, each by itself; the contacts beside them say who the senders are."""
    people: dict[str, _Contact] = {}
    for each in contacts:
        try:
            contact = _contact(each)
        except msgspec.MsgspecError:
            continue
        people.update({key: contact for key in (contact.wa_id, contact.user_id) if key})
    for raw in messages:
        try:
            yield _inbound(raw, people, account)
        except (msgspec.MsgspecError, ValueError):
            yield Unreadable("message")


def _inbound(raw: Raw, people: dict[str, _Contact], account: str) -> Update:
    message = _message(raw)
    contact = people.get(message.sender) or people.get(message.from_user_id) or _Contact()
    phone, user_id = message.sender or contact.wa_id, message.from_user_id or contact.user_id
    if not phone and not user_id:
        return Unreadable("message without a sender")
    plain = message.type == "text"
    text, reply_to, media = _text(message) if plain else _described(message.type, _anything(raw))
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=message.id,
        address=number(phone) if phone else user_id,
        text=f"[in a WhatsApp group] {text}" if message.group_id else text or "[empty message]",
        at=within_second(message.timestamp),
        sender_name=contact.profile.name or contact.profile.username,
        reply_to=reply_to or (message.context.id if message.context else ""),
        also_known_as=user_id if phone else "",
        **media,
    )


def _text(message: _Message) -> tuple[str, str, dict[str, str]]:
    return message.text.body, "", {}


def _described(kind: str, message: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """(text, provider id that a reaction is about, media fields) of everything that is not plain text."""
    part = message.get(kind)
    if isinstance(part, dict) and kind in MEDIA:
        return _media(kind, part)
    if isinstance(part, dict) and kind == "reaction":
        return f"[reaction] {_string(part, 'emoji') or 'taken back'}", _string(part, "message_id"), {}
    say = DESCRIBERS.get(kind)
    try:
        text = say(part) if say else ""
    except (AttributeError, KeyError, IndexError, TypeError):
        text = ""
    return text or f"[{kind[:40]}: a kind of message that is not supported here]", "", {}


def _media(kind: str, part: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    filename, caption = _string(part, "filename"), _string(part, "caption")
    text = " ".join(filter(None, (f"[{MEDIA[kind]}]", filename, caption)))
    return text, "", {"media": _string(part, "id"), "mime_type": _string(part, "mime_type"), "filename": filename}


def _string(part: dict[str, Any], name: str) -> str:
    value = part.get(name, "")
    return value if isinstance(value, str) else ""


def _location(part: Any) -> str:
    where = " ".join(filter(None, (_string(part, "name"), _string(part, "address"))))
    return f"[location] {part['latitude']},{part['longitude']} {where}".rstrip()


def _cards(part: Any) -> str:
    people = [f"{each['name']['formatted_name']} {' '.join(_phones(each))}".rstrip() for each in part]
    return f"[contacts] {', '.join(people)}"


def _phones(card: dict[str, Any]) -> list[str]:
    return [_string(each, "phone") for each in card.get("phones", [])]


def _interactive(part: Any) -> str:
    reply = part[part["type"]]
    return str(reply.get("title") or reply.get("body") or "")


def _button(part: Any) -> str:
    return _string(part, "text")


def _system(part: Any) -> str:
    return f"[system] {part['body']}"


DESCRIBERS = {
    "location": _location,
    "contacts": _cards,
    "interactive": _interactive,
    "button": _button,
    "system": _system,
}
