"""What WhatsApp's messages endpoint takes, and what it says of the rest."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ops.simulator.media import Shelf
from ops.simulator.model import Attached, Refused, Send
from ops.simulator.providers.templates import Templates

NUMBER = re.compile(r"\+?[0-9]{7,15}")
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
LONGEST = {"body": 4096, "caption": 1024}
FILES = ("image", "audio", "video", "document", "sticker")
CAPTIONED = ("image", "video", "document")
BUTTONS, ROWS = 3, 10
BUTTON_LENGTH, ROW_LENGTH = 20, 24
CALLBACK_LENGTH = 512

Part = Mapping[str, Any]


def invalid(words: str) -> Refused:
    """A parameter that is missing or wrong."""
    return Refused(100, words=f"(#100) {words}", details=words)


def body_of(body: bytes) -> dict[str, Any]:
    """The call's JSON. Refused when it is none, or not for WhatsApp."""
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise invalid("The parameter messaging_product is required.") from None
    if given.get("messaging_product") != "whatsapp":
        raise invalid("Param messaging_product must be one of {WHATSAPP}.")
    return given


def recipient(given: Part) -> str:
    """Whom it goes to: "+<digits>", or a user id. Refused when it is neither."""
    to, user = given.get("to"), given.get("recipient")
    if isinstance(user, str) and user:
        if not USER_ID.fullmatch(user):
            raise Refused(131009, details="Parameter 'recipient' is not a valid business-scoped user id.")
        return user
    if not to:
        raise invalid("The parameter to is required.")
    if not isinstance(to, str) or not NUMBER.fullmatch(to):
        raise Refused(131009, details="Parameter 'to' is not a valid phone number.")
    return f"+{to.lstrip('+')}"


def read(account: str, given: Part, shelf: Shelf, templates: Templates) -> Send:
    """The message that these parameters ask for. Refused with WhatsApp's own code and words."""
    kind = given.get("type", "text")
    if kind not in READERS:
        names = ", ".join(sorted(each.upper() for each in READERS))
        raise invalid(f"Param type must be one of {{{names}}} - got {str(kind)[:40]!r}.")
    if given.get("recipient_type", "individual") != "individual":
        raise invalid("Param recipient_type must be one of {INDIVIDUAL}.")
    to = recipient(given)
    reference = given.get("biz_opaque_callback_data") or ""
    if not isinstance(reference, str) or len(reference) > CALLBACK_LENGTH:
        raise invalid(f"Param biz_opaque_callback_data must be at most {CALLBACK_LENGTH} characters long.")
    if kind == "template":
        text = templates.check(_part(given, kind))
        return Send(account, to, text, reference, kind=kind, within_s=None)
    if kind in FILES:
        text, link, kept = _file(_part(given, kind), kind, shelf)
        return Send(account, to, text, reference, link, kind, kept)
    return Send(account, to, READERS[kind](_part(given, kind)), reference, kind=kind)


def _part(given: Part, kind: str) -> Part:
    part = given.get(kind)
    # A list of contacts is read as one part, by its own reader.
    part = {"contacts": part} if kind == "contacts" and isinstance(part, list) else part
    if not isinstance(part, dict):
        raise invalid(f"The parameter {kind} is required.")
    return part


def _words(part: Part, kind: str, name: str) -> str:
    """A text in a part, not too long."""
    text = part.get(name) or ""
    if not isinstance(text, str):
        raise invalid(f"Param {kind}['{name}'] must be a string.")
    if len(text) > LONGEST[name]:
        raise invalid(f"Param {kind}['{name}'] must be at most {LONGEST[name]} characters long.")
    return text


def _text(part: Part) -> str:
    text = _words(part, "text", "body")
    if not text.strip():
        raise invalid("The parameter text['body'] is required.")
    return text


def _file(part: Part, kind: str, shelf: Shelf) -> tuple[str, str, Attached | None]:
    """The caption, and where the file is: behind its link, or on the shelf under its id."""
    if part.get("caption") and kind not in CAPTIONED:
        raise invalid(f'Unexpected key "caption" on param "{kind}".')
    caption, link, media_id = _words(part, kind, "caption"), part.get("link"), part.get("id")
    if media_id:
        kept = shelf.known(str(media_id))
        if kept is None:
            raise invalid(f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID")
        return caption, shelf.url(kept.media_id), kept
    if not link:
        raise invalid(f"Either the parameter {kind}['id'] or {kind}['link'] is required.")
    if not isinstance(link, str) or not link.startswith(("http://", "https://")):
        raise invalid(f"Param {kind}['link'] is not a valid URL.")
    return caption, link, None


def _location(part: Part) -> str:
    try:
        place = f"{float(part['latitude']):g}, {float(part['longitude']):g}"
    except (KeyError, TypeError, ValueError):
        raise invalid("Param location['latitude'] and location['longitude'] must be numbers.") from None
    return " ".join(str(each) for each in (part.get("name"), part.get("address"), place) if each)


def _contacts(part: Part) -> str:
    try:
        return ", ".join(str(each["name"]["formatted_name"]) for each in part["contacts"])
    except (KeyError, TypeError):
        raise invalid("Param contacts[0]['name']['formatted_name'] is required.") from None


def _reaction(part: Part) -> str:
    if not part.get("message_id"):
        raise invalid("The parameter reaction['message_id'] is required.")
    return str(part.get("emoji", ""))


def _interactive(part: Part) -> str:
    action, body = part.get("action"), part.get("body")
    if not isinstance(action, dict) or not isinstance(body, dict):
        raise invalid("The parameters interactive['body'] and interactive['action'] are required.")
    text = str(body.get("text", ""))
    if not 1 <= len(text) <= LONGEST["body"]:
        raise invalid("Param interactive['body']['text'] must be between 1 and 4096 characters long.")
    _buttons(action.get("buttons") or [])
    _rows([row for each in action.get("sections") or [] for row in each.get("rows") or []])
    return text


def _buttons(buttons: list[Any]) -> None:
    if len(buttons) > BUTTONS:
        raise Refused(131009, details=f"Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: {BUTTONS}")
    titles = [str(each.get("reply", {}).get("title", "")) for each in buttons]
    if any(not 1 <= len(each) <= BUTTON_LENGTH for each in titles):
        raise Refused(131009, details=f"Button title length invalid. Min length: 1, Max length: {BUTTON_LENGTH}")
    if len(set(titles)) < len(titles):
        raise Refused(131009, details="Duplicated button titles are not allowed")


def _rows(rows: list[Any]) -> None:
    if len(rows) > ROWS:
        raise Refused(131009, details=f"Total row count exceed max allowed count: {ROWS}")
    if any(not 1 <= len(str(each.get("title", ""))) <= ROW_LENGTH for each in rows):
        raise Refused(131009, details=f"Row title is invalid. Min length: 1, Max length: {ROW_LENGTH}")


READERS: dict[str, Callable[[Part], str]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    # These two are read with what the account keeps: files and templates.
    **dict.fromkeys((*FILES, "template"), _text),
}
