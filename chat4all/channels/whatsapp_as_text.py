"""Turns WhatsApp's types of messages into text. Types that have no type of their own here become text that holds all of it."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.channels.json_fields import decoded, fields, ident, is_odd, items, joined, words
from chat4all.channels.wording import EDITED, KIND_MOST, NO_MEDIA, TAKEN_BACK, Media, chosen, unsupported

MEDIA = {"image": "picture", "audio": "sound", "video": "video", "document": "document", "voice": "sound", "sticker": "sticker"}


class Said(Struct, frozen=True):
    """A message in words. `about`: the provider id of what it is about; `edits`: of what it replaces."""

    text: str
    about: str = ""
    edits: str = ""
    media: Media = NO_MEDIA


def said(kind: str, message: dict[str, Any]) -> Said:
    """What a message of this type says."""
    content = _content_of(kind, message)
    notes = _referral(fields(message, "referral")), _product(fields(message, "context", "referred_product"))
    beside = joined(*notes)
    return msgspec.structs.replace(content, text=joined(content.text, beside)) if beside else content


def _content_of(kind: str, message: dict[str, Any]) -> Said:
    part = message.get(kind)
    if kind == "text":
        return Said(words(fields(part).get("body")) or words(part))
    if kind in MEDIA:
        return _media(kind, fields(part))
    if kind == "reaction":
        about = ident(fields(part).get("message_id"))
        return Said(f"[reaction] {words(fields(part).get('emoji')) or 'taken back'}", about)
    if kind == "edit":
        return _edit(fields(part))
    if kind == "revoke":
        return Said(TAKEN_BACK, ident(fields(part).get("original_message_id")))
    say = DESCRIBERS.get(kind)
    return Said((say(part) if say else "") or unsupported(kind, part))


def kind_of(message: dict[str, Any]) -> str:
    """Its type; where that says nothing to us, what it holds."""
    kind = words(message.get("type"))
    if kind in KNOWN:
        return kind
    return next((each for each in KNOWN if each in message), kind or "unsupported")


def is_unreadable(kind: str, message: dict[str, Any]) -> bool:
    """Whether something stands where the words, or the file's id, should: what was said is then not for us to guess."""
    part, name = message.get(kind), "body" if kind == "text" else "id"
    if kind != "text" and kind not in MEDIA:
        return False
    return is_odd(part.get(name)) if isinstance(part, dict) else is_odd(part)


def _edit(part: dict[str, Any]) -> Said:
    inner = fields(part, "message")
    content = said(words(inner.get("type")) or "text", inner)
    return Said(EDITED + (content.text or "[empty message]"), edits=ident(part.get("original_message_id")), media=content.media)


def _media(kind: str, part: dict[str, Any]) -> Said:
    filename, caption = words(part.get("filename")), words(part.get("caption"))
    name = ident(part.get("id"))
    media = Media(name, words(part.get("mime_type")), filename) if name else NO_MEDIA
    return Said(joined(f"[{MEDIA[kind]}]", filename, caption), media=media)


def _location(part: object) -> str:
    place = fields(part)
    latitude, longitude = words(place.get("latitude")), words(place.get("longitude"))
    where = f"{latitude},{longitude}" if latitude and longitude else ""
    found = joined(where, place.get("name"), place.get("address"), place.get("url"))
    return f"[location] {found}" if found else ""


def _cards(part: object) -> str:
    people = filter(None, map(_card, items(part)))
    found = ", ".join(people)
    return f"[contacts] {found}" if found else ""


def _card(card: object) -> str:
    """A name in any of its forms, and every way to reach them."""
    name = fields(card, "name")
    parts = joined(name.get("first_name"), name.get("middle_name"), name.get("last_name"))
    called = words(name.get("formatted_name")) or parts
    known = fields(card)
    numbers = [words(fields(each).get("phone")) or words(fields(each).get("wa_id")) for each in items(known.get("phones"))]
    mails = [words(fields(each).get("email")) for each in items(known.get("emails"))]
    firm = fields(card, "org")
    pages = [words(fields(each).get("url")) for each in items(known.get("urls"))]
    homes = [_home(fields(each)) for each in items(known.get("addresses"))]
    work = joined(firm.get("company"), firm.get("department"), firm.get("title"))
    return joined(called, *numbers, *mails, work, *pages, *homes, known.get("birthday"))


def _home(place: dict[str, Any]) -> str:
    return joined(*(place.get(each) for each in ("street", "zip", "city", "state", "country")))


def _interactive(part: object) -> str:
    kind = words(fields(part).get("type"))
    reply = fields(part, kind)
    if kind == "nfm_reply":
        return _form(reply)
    if kind == "call_permission_reply":
        return "[calls allowed]" if words(reply.get("response")) == "accept" else "[calls not allowed]"
    title = joined(reply.get("title") or reply.get("body"), reply.get("description"), by=" - ")
    return chosen(title, ident(reply.get("id"))) or unsupported(kind or "interactive", reply)


def _form(reply: dict[str, Any]) -> str:
    """The answers to a flow, in their order; they are JSON in a text, and once it may be an object."""
    given = reply.get("response_json")
    try:
        answers = given if isinstance(given, dict) else decoded(words(given).encode("utf-8", "replace"))
    except ValueError:
        return f"[form] {joined(reply.get('body'), reply.get('response_json'))}".rstrip()
    content = ", ".join(f"{name}: {plain(value)}" for name, value in fields(answers).items() if name != "flow_token")
    return f"[form] {content or words(reply.get('body'))}".rstrip()


def plain(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    return words(value) if isinstance(value, str | float) else msgspec.json.encode(value).decode()


def _button(part: object) -> str:
    return chosen(words(fields(part).get("text")), fields(part).get("payload"))


def _order(part: object) -> str:
    order = fields(part)
    lines = ", ".join(filter(None, map(_line, items(order.get("product_items")))))
    found = joined(lines, order.get("text"), by="; ")
    return f"[order] {found}" if found else ""


def _line(item: object) -> str:
    product = fields(item)
    name, quantity = words(product.get("product_retailer_id")), words(product.get("quantity"))
    return joined(f"{quantity} x" if quantity and name else quantity, name, product.get("item_price"), product.get("currency"))


def _system(part: object) -> str:
    system = fields(part)
    found = words(system.get("body")) or words(system.get("type")).replace("_", " ")
    return f"[system] {found}" if found else ""


def _unsupported(part: object) -> str:
    return unsupported(words(fields(part).get("type")) or "unsupported", part)


def _welcome(_part: object) -> str:
    return "[opened the conversation]"


def _referral(referral: dict[str, Any]) -> str:
    """Which ad or post the person came from."""
    if not referral:
        return ""
    kind = words(referral.get("source_type")) or "ad"
    name = words(referral.get("headline")) or words(referral.get("body"))
    known = f'"{name}"' if name else words(referral.get("source_id")) or words(referral.get("source_url"))
    return f"[from the {joined(kind[:KIND_MOST], known)}]"


def _product(product: dict[str, Any]) -> str:
    name = words(product.get("product_retailer_id"))
    return f"[about the product {name}]" if name else ""


DESCRIBERS: dict[str, Callable[[object], str]] = {
    "location": _location,
    "contacts": _cards,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
    "system": _system,
    "unsupported": _unsupported,
    "request_welcome": _welcome,
}
KNOWN = ("text", *MEDIA, "reaction", "edit", "revoke", *DESCRIBERS)
