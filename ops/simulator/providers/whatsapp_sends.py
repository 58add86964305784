"""What WhatsApp's messages endpoint takes, and what it says of the rest."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chat4all.model.file_signatures import HEAD_BYTES
from ops.simulator.media import MediaStore
from ops.simulator.model import WINDOW_S, Attached, Refused, Send
from ops.simulator.providers import whatsapp_interactive
from ops.simulator.providers.templates import Templates
from ops.simulator.providers.whatsapp_interactive import wrong

NUMBER = re.compile(r"\+?[0-9]{7,15}")
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
LONGEST = {"body": 4096, "caption": 1024}
FILES = ("image", "audio", "video", "document", "sticker")
CAPTIONED = ("image", "video", "document")
CALLBACK_LENGTH = 512
# A group's id says nothing of what it is: the address of one begins so.
GROUP = "group."
GROUP_ID = re.compile(r"[A-Za-z0-9+/=_.@-]{1,200}")
IN_GROUPS = ("text", "template", *FILES)
EMOJI_LENGTH = 32
LATITUDE, LONGITUDE = 90, 180
# Where the header of Opus says how many channels there are.
CHANNELS_AT = 9

Part = Mapping[str, Any]
# The words that a person reads, and what it is where it is more than words.
Shown = tuple[str, dict[str, Any]]


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
    """Whom it goes to: "+<digits>", a user id, or "group.<id>". Refused when it is none of them."""
    to, user = given.get("to"), given.get("recipient")
    kind = given.get("recipient_type", "individual")
    if kind not in ("individual", "group"):
        raise invalid("Param recipient_type must be one of {INDIVIDUAL, GROUP}.")
    if kind == "group":
        if not isinstance(to, str) or not GROUP_ID.fullmatch(to):
            raise wrong("Parameter 'to' is not a valid group id.")
        return f"{GROUP}{to}"
    if isinstance(user, str) and user:
        if not USER_ID.fullmatch(user):
            raise Refused(131009, details="Parameter 'recipient' is not a valid business-scoped user id.")
        return user
    if not to:
        raise invalid("The parameter to is required.")
    if not isinstance(to, str) or not NUMBER.fullmatch(to):
        raise Refused(131009, details="Parameter 'to' is not a valid phone number.")
    return f"+{to.lstrip('+')}"


def read(account: str, given: Part, media_store: MediaStore, templates: Templates) -> Send:
    """The message that these parameters ask for. Refused with WhatsApp's own code and words."""
    kind = given.get("type", "text")
    if not isinstance(kind, str) or kind not in READERS:
        names = ", ".join(sorted(each.upper() for each in READERS))
        raise invalid(f"Param type must be one of {{{names}}} - got {str(kind)[:40]!r}.")
    to, reference, quoted = recipient(given), _reference(given), _quoted(given)
    if to.startswith(GROUP) and kind not in IN_GROUPS:
        raise Refused(131051, details=f"Message type {kind} is currently not supported in groups.")
    part = _part(given, kind)
    if kind in FILES:
        text, link, kept = _file(part, kind, media_store)
        is_voice = kind == "audio" and part.get("voice") is True
        if is_voice and kept and not is_voice_note(media_store.content(kept.media_id) or b""):
            raise Refused(131053, details="A voice message must be an .ogg file encoded with the OPUS codec, of one channel.")
        voice = {"type": "media", "kind": "voice"} if is_voice else {}
        return Send(account, to, text, reference, link, kind, kept, content=voice, reply_to=quoted)
    text, content = _template(templates, part) if kind == "template" else READERS[kind](part)
    within = None if kind == "template" else WINDOW_S
    return Send(account, to, text, reference, kind=kind, within_s=within, content=content, reply_to=quoted)


def is_voice_note(content: bytes) -> bool:
    """Whether a sound is Opus in Ogg with one channel: of others WhatsApp makes no voice note."""
    head = content.find(b"OpusHead")
    return (
        content.startswith(b"OggS") and 0 < head < HEAD_BYTES and content[head + CHANNELS_AT : head + CHANNELS_AT + 1] == b"\1"
    )


def _reference(given: Part) -> str:
    reference = given.get("biz_opaque_callback_data") or ""
    if not isinstance(reference, str) or len(reference) > CALLBACK_LENGTH:
        raise invalid(f"Param biz_opaque_callback_data must be at most {CALLBACK_LENGTH} characters long.")
    return reference


def _quoted(given: Part) -> str:
    """The id of the message that this one answers. Refused when it is none of WhatsApp's."""
    context = given.get("context")
    if context is None:
        return ""
    quoted = context.get("message_id") if isinstance(context, dict) else None
    if not isinstance(quoted, str) or not quoted.startswith("wamid."):
        raise wrong("Parameter 'context['message_id']' is not a valid message id.")
    return quoted


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


def _text(part: Part) -> Shown:
    text = _words(part, "text", "body")
    if not text.strip():
        raise invalid("The parameter text['body'] is required.")
    return text, {}


def _template(templates: Templates, part: Part) -> Shown:
    text = templates.check(part)
    return text, {"type": "template", "name": part["name"], "language": part["language"]["code"], "text": text}


def _file(part: Part, kind: str, media_store: MediaStore) -> tuple[str, str, Attached | None]:
    """The caption, and where the file is: behind its link, or in the media store under its id."""
    if part.get("caption") and kind not in CAPTIONED:
        raise invalid(f'Unexpected key "caption" on param "{kind}".')
    caption, link, media_id = _words(part, kind, "caption"), part.get("link"), part.get("id")
    if media_id:
        kept = media_store.known(str(media_id))
        if kept is None:
            raise invalid(f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID")
        return caption, media_store.url(kept.media_id), kept
    if not link:
        raise invalid(f"Either the parameter {kind}['id'] or {kind}['link'] is required.")
    if not isinstance(link, str) or not link.startswith(("http://", "https://")):
        raise invalid(f"Param {kind}['link'] is not a valid URL.")
    return caption, link, None


def _location(part: Part) -> Shown:
    try:
        latitude, longitude = float(part["latitude"]), float(part["longitude"])
    except (KeyError, TypeError, ValueError):
        raise invalid("Param location['latitude'] and location['longitude'] must be numbers.") from None
    if not abs(latitude) <= LATITUDE or not abs(longitude) <= LONGITUDE:
        raise wrong("Param location['latitude'] or location['longitude'] is out of range.")
    named = {name: str(part[name]) for name in ("name", "address") if part.get(name)}
    content = {"type": "location", "latitude": latitude, "longitude": longitude} | named
    return " ".join((*named.values(), f"{latitude:g}, {longitude:g}")), content


def _contacts(part: Part) -> Shown:
    people = part["contacts"]
    if not people or not all(isinstance(each, dict) for each in people):
        raise invalid("Param contacts must be an array of contacts.")
    cards = [_card(each, number) for number, each in enumerate(people)]
    return ", ".join(each["name"] for each in cards), {"type": "contact_cards", "cards": cards}


def _card(person: Part, number: int) -> dict[str, Any]:
    name = person.get("name")
    if not isinstance(name, dict) or not name.get("formatted_name"):
        raise invalid(f"Param contacts[{number}]['name']['formatted_name'] is required.")
    if not any(name.get(each) for each in NAMES):
        raise wrong(f"contacts[{number}]['name'] must have one of {', '.join(NAMES)} beside formatted_name.")
    card: dict[str, Any] = {"name": str(name["formatted_name"])}
    for field, inner in (("phones", "phone"), ("emails", "email"), ("urls", "url"), ("addresses", "street")):
        if found := [str(each[inner]) for each in person.get(field) or [] if isinstance(each, dict) and each.get(inner)]:
            card[field] = found
    return card


def _reaction(part: Part) -> Shown:
    target, emoji = part.get("message_id"), part.get("emoji")
    if not target:
        raise invalid("The parameter reaction['message_id'] is required.")
    if not isinstance(emoji, str):
        raise invalid("The parameter reaction['emoji'] is required.")
    if len(emoji) > EMOJI_LENGTH or emoji.isalnum():
        raise wrong("reaction['emoji'] must be one emoji.")
    return emoji or "(took a reaction back)", {"type": "reaction", "target": str(target), "emoji": emoji}


def _interactive(part: Part) -> Shown:
    shown = whatsapp_interactive.read(part)
    return shown["text"], shown


NAMES = ("first_name", "last_name", "middle_name", "suffix", "prefix")
READERS: dict[str, Callable[[Part], Shown]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    # These are read with what the account keeps: files and templates.
    **dict.fromkeys((*FILES, "template"), _text),
}
