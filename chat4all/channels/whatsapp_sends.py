"""What is sent to WhatsApp, in its own terms: content becomes a `type` and the part of that name. Pure; no I/O."""

import re
from itertools import groupby
from mimetypes import guess_type
from typing import Any

from chat4all.channels.json_fields import joined
from chat4all.model.content import (
    Card,
    Choices,
    ContactCards,
    Content,
    Form,
    Location,
    Media,
    Option,
    Reaction,
    Template,
    first_words,
)
from chat4all.model.option_tokens import token
from chat4all.ports import ChoiceLimits, FileLink, MediaSource, Outgoing, Uploaded

IMAGES = ("image/jpeg", "image/png")
VIDEOS = ("video/mp4", "video/3gpp")
AUDIO = ("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg")
STICKER_BYTES = 500 * 1000
CAPTIONED = ("image", "video", "document")
CONTENTS = frozenset({"location", "contact_cards", "form", "template", "reaction"})
CHOICES = {
    "buttons": ChoiceLimits(3, title_length=20, text_length=1024, header_length=60, footer_length=60, links=1),
    "list": ChoiceLimits(
        10, title_length=24, text_length=4096, description_length=72, header_length=60, footer_length=60
    ),
}  # fmt: skip
BUTTON_LENGTH, SECTION_LENGTH = 20, 24
FLOW_VERSION = "3"
FIRST_SCREEN = "FIRST_ENTRY_SCREEN"
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

# A type of message, and what stands under that name.
Part = tuple[str, Any]


def part_of(message: Outgoing, content: Content) -> Part:
    """The type and the part of what is neither words nor a file. Its targets are in the message."""
    match content:
        case Choices():
            return "interactive", _choices(message, content)
        case Form():
            return "interactive", _form(message, content)
        case Template():
            return "template", _template(content)
        case Location():
            return "location", _location(content)
        case ContactCards():
            return "contacts", [_card(each) for each in content.cards]
        case Reaction():
            return "reaction", {"message_id": message.targets[0], "emoji": content.emoji}
    raise NotImplementedError(f"WhatsApp carries no {type(content).__name__}")


def file_part(message: Outgoing, file: Media, source: MediaSource) -> Part:
    """A picture, sound, film, voice note or sticker where WhatsApp shows the type as that, and a document for all else."""
    kind = _media_kind(file)
    if message.text and kind not in CAPTIONED:
        # Sounds and stickers have no captions, and words must not be lost.
        kind = "document"
    media: dict[str, Any] = {"link": source.url} if isinstance(source, FileLink) else {}
    if isinstance(source, Uploaded):
        media = {"id": source.handle}
    if message.text:
        media["caption"] = message.text
    if kind == "document" and file.filename:
        media["filename"] = file.filename
    if kind == "audio" and file.kind == "voice" and file.mime_type.startswith("audio/ogg"):
        media["voice"] = True
    return kind, media


def _media_kind(file: Media) -> str:
    bare = file.mime_type.partition(";")[0].strip().lower()
    if file.kind == "document":
        return "document"
    if file.kind == "sticker" and bare == "image/webp" and file.size <= STICKER_BYTES:
        return "sticker"
    kinds = {"image": IMAGES, "video": VIDEOS, "audio": AUDIO}
    return next((kind for kind, types in kinds.items() if bare in types), "document")


def _choices(message: Outgoing, choices: Choices) -> dict[str, Any]:
    titles = [each.title for each in choices.options]
    if choices.style == "list" or len(set(titles)) < len(titles):
        # Buttons must not be called the same; rows may.
        return _interactive("list", _list(message.reference, choices), choices)
    if not choices.options:
        [link] = choices.links
        shown = {"display_text": link.title, "url": link.url}
        return _interactive("cta_url", {"name": "cta_url", "parameters": shown}, choices)
    replies = [
        {"type": "reply", "reply": {"id": token(message.reference, number), "title": each.title}}
        for number, each in enumerate(choices.options, 1)
    ]
    return _interactive("button", {"buttons": replies}, choices)


def _interactive(kind: str, action: dict[str, Any], choices: Choices) -> dict[str, Any]:
    part: dict[str, Any] = {"type": kind, "body": {"text": choices.text}, "action": action}
    if choices.header.strip():
        part["header"] = {"type": "text", "text": choices.header}
    if choices.footer.strip():
        part["footer"] = {"text": choices.footer}
    return part


def _list(reference: str, choices: Choices) -> dict[str, Any]:
    """Rows under their sections. Beside others a section must have a title."""
    groups = [(title, list(rows)) for title, rows in groupby(enumerate(choices.options, 1), lambda each: each[1].section)]
    sections = []
    for title, rows in groups:
        section: dict[str, Any] = {"rows": [_row(reference, number, each) for number, each in rows]}
        if title or len(groups) > 1:
            section["title"] = first_words(title, SECTION_LENGTH) or "…"
        sections.append(section)
    return {"button": first_words(choices.button, BUTTON_LENGTH) or "Options", "sections": sections}


def _row(reference: str, number: int, option: Option) -> dict[str, str]:
    row = {"id": token(reference, number), "title": option.title}
    return row | {"description": option.description} if option.description.strip() else row


def _form(message: Outgoing, form: Form) -> dict[str, Any]:
    """A flow. Where neither screen nor data are given WhatsApp opens its first screen."""
    parameters: dict[str, Any] = {
        "mode": "published",
        "flow_message_version": FLOW_VERSION,
        "flow_token": form.token or message.reference,
        "flow_id": form.flow_id,
        "flow_cta": first_words(form.button, BUTTON_LENGTH) or "Open",
    }
    if form.screen or form.data:
        data = {"data": form.data} if form.data else {}
        parameters |= {"flow_action": "navigate", "flow_action_payload": {"screen": form.screen or FIRST_SCREEN} | data}
    body = {"text": next(each for each in (form.text, form.button, "…") if each.strip())}
    return {"type": "flow", "body": body, "action": {"name": "flow", "parameters": parameters}}


def _template(template: Template) -> dict[str, Any]:
    given = template.parameters
    components: list[dict[str, Any]] = []
    if given.header:
        components.append({"type": "header", "parameters": [_header(each) for each in given.header]})
    if given.body:
        components.append({"type": "body", "parameters": [_words(each) for each in given.body]})
    for number, each in enumerate(given.buttons):
        # An empty one stands for a button that has no place to fill in.
        if each:
            button = {"type": "button", "sub_type": "url", "index": number, "parameters": [_words(each)]}
            components.append(button)
    named = {"name": template.name, "language": {"code": template.language}}
    return named | {"components": components} if components else named


def _words(text: str) -> dict[str, Any]:
    """A template's places hold no line breaks, tabs or rows of blanks."""
    return {"type": "text", "text": " ".join(text.split())}


def _header(given: str) -> dict[str, Any]:
    """Words, or a link to the file that stands there: no header of words holds a link."""
    if not given.startswith("https://"):
        return _words(given)
    family = (guess_type(given.partition("?")[0])[0] or "").partition("/")[0]
    kind = family if family in ("image", "video") else "document"
    return {"type": kind, kind: {"link": given}}


def _location(place: Location) -> dict[str, Any]:
    named = {name: value for name, value in (("name", place.name), ("address", place.address)) if value}
    return {"latitude": place.latitude, "longitude": place.longitude} | named


def _card(card: Card) -> dict[str, Any]:
    """A person's card. It needs a name in two forms."""
    name = card.name or joined(*card.phones, *card.emails, card.organization) or "?"
    known: dict[str, Any] = {"name": {"formatted_name": name, "first_name": name}}
    lists = {
        "phones": _phones(card),
        "emails": [{"email": each} for each in card.emails],
        "urls": [{"url": each} for each in card.urls],
        "addresses": [{"street": each} for each in card.addresses],
    }
    known |= {field: each for field, each in lists.items() if each}
    if card.organization:
        known["org"] = {"company": card.organization}
    if DAY.fullmatch(card.birthday):
        known["birthday"] = card.birthday
    return known


def _phones(card: Card) -> list[dict[str, str]]:
    """Their numbers; the one that is on WhatsApp can be written to from the card."""
    on_whatsapp = card.ids.get("whatsapp", "").removeprefix("+")
    numbers = card.phones or ((f"+{on_whatsapp}",) if on_whatsapp.isdigit() else ())
    return [
        {"phone": each} | ({"wa_id": on_whatsapp} if on_whatsapp and on_whatsapp == _digits(each) else {}) for each in numbers
    ]


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
