"""Reads WhatsApp's types of messages as content. What has no type here becomes words that hold all of it, and its raw part."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from chat4all.channels.json_fields import decoded, degrees, fields, ident, is_odd, items, joined, kept, raw, words
from chat4all.channels.meta import code_of
from chat4all.channels.wording import EDITED, EMPTY, NO_MEDIA, Media, unsupported
from chat4all.model import option_tokens
from chat4all.model.content import (
    Answer,
    Call,
    Card,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Form,
    Location,
    Order,
    OrderItem,
    Reaction,
    Text,
    Unsupported,
)

# Kinds of media, as they are shown.
MEDIA = {
    "image": "image", "audio": "audio", "video": "video", "document": "document", "voice": "voice", "sticker": "sticker",
}  # fmt: skip
# What came is not to be had: mostly somebody's first message, out of an ad, to a number that the business's own app has too.
UNAVAILABLE = 131060
ASK_AGAIN = "[a message that WhatsApp could not pass on: ask for it again]"


class Said(Struct, frozen=True):
    """A message: its words, and what it is beside words and a file. `about`: the provider id of what it points at.

    `edits`: of what it replaces. `option`: what came back of a choice. `kind`: how the media is meant.
    """

    text: str
    content: Content | None = None
    about: str = ""
    edits: str = ""
    option: str = ""
    media: Media = NO_MEDIA
    kind: str = ""
    raw: bytes = b""


def said(kind: str, message: dict[str, Any]) -> Said:
    """What a message of this type says."""
    part = message.get(kind)
    if kind == "text":
        return Said(words(fields(part).get("body")) or words(part) or EMPTY)
    if kind in MEDIA:
        return _media(kind, fields(part))
    if kind == "edit":
        return _edit(fields(part))
    if kind in PLAIN:
        return Said(PLAIN[kind](part) or unsupported(kind, part))
    content = READERS[kind](part) if kind in READERS else None
    if content is None:
        return _unknown(kind, message)
    return Said(content.as_text(), content, _about(content, message), option=_option(message))


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


def _about(content: Content, message: dict[str, Any]) -> str:
    """What it points at: reactions and deletions say so themselves, answers come as replies."""
    match content:
        case Reaction():
            return ident(fields(message, "reaction").get("message_id"))
        case Deletion():
            return ident(fields(message, "revoke").get("original_message_id"))
        case Answer() | Form():
            return ident(fields(message, "context").get("id"))
    return ""


def _option(message: dict[str, Any]) -> str:
    """What came back of a choice: the id of the button or row, or the payload of a template's button."""
    interactive = fields(message, "interactive")
    reply = fields(interactive, words(interactive.get("type")))
    return ident(reply.get("id")) or ident(fields(message, "button").get("payload"))


def _unknown(kind: str, message: dict[str, Any]) -> Said:
    part = fields(message, kind)
    inner = words(part.get("type"))
    if kind == "interactive" and inner:
        kind, part = inner, fields(part, inner)
    elif kind == "unsupported":
        kind = inner or kind
    missed = any(code_of(fields(each).get("code"), 0) == UNAVAILABLE for each in items(message.get("errors")))
    content = Unsupported(kind, ASK_AGAIN if missed else unsupported(kind, part or message.get(kind)))
    return Said(content.as_text(), content, raw=raw(message))


def _edit(part: dict[str, Any]) -> Said:
    """New words. The mark in front of them is for clients that know no edits."""
    inner = fields(part, "message")
    now = said(kind_of(inner) if inner.get("type") else "text", inner)
    original = ident(part.get("original_message_id"))
    content = Edit(Text(now.text or EMPTY))
    return Said(EDITED + content.content.as_text(), content, original, original, media=now.media, kind=now.kind)


def _media(kind: str, part: dict[str, Any]) -> Said:
    """The words beside a file; of one that cannot be had, what it was."""
    filename, caption, name = words(part.get("filename")), words(part.get("caption")), ident(part.get("id"))
    shown = "voice" if kind == "audio" and part.get("voice") is True else MEDIA[kind]
    if not name:
        return Said(joined(f"[{shown}]", filename, caption))
    return Said(caption, media=Media(name, words(part.get("mime_type")), filename), kind=shown)


def _location(part: object) -> Content | None:
    place = fields(part)
    latitude, longitude = degrees(place.get("latitude"), 90), degrees(place.get("longitude"), 180)
    if latitude is None or longitude is None:
        return None
    return Location(latitude, longitude, words(place.get("name")), joined(place.get("address"), place.get("url")))


def _cards(part: object) -> Content | None:
    cards = tuple(card for each in items(part) if (card := _card(fields(each))).as_text())
    return ContactCards(cards) if cards else None


def _card(known: dict[str, Any]) -> Card:
    """A name in any of its forms, and every way to reach them."""
    name, firm = fields(known, "name"), fields(known, "org")
    phones = [fields(each) for each in items(known.get("phones"))]
    ids = [ident(each.get("wa_id")) for each in phones]
    return Card(
        name=words(name.get("formatted_name")) or joined(*(name.get(f"{each}_name") for each in ("first", "middle", "last"))),
        phones=_texts(words(each.get("phone")) or words(each.get("wa_id")) for each in phones),
        emails=_texts(words(fields(each).get("email")) for each in items(known.get("emails"))),
        organization=joined(firm.get("company"), firm.get("department"), firm.get("title"), by=", "),
        addresses=_texts(_home(fields(each)) for each in items(known.get("addresses"))),
        urls=_texts(words(fields(each).get("url")) for each in items(known.get("urls"))),
        birthday=words(known.get("birthday")),
        ids=next(({"whatsapp": f"+{each.removeprefix('+')}"} for each in ids if each), {}),
    )


def _texts(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, found))


def _home(place: dict[str, Any]) -> str:
    return joined(*(place.get(each) for each in ("street", "zip", "city", "state", "country")))


def _reaction(part: object) -> Content:
    return Reaction(emoji=words(fields(part).get("emoji")))


def _deletion(_part: object) -> Content:
    return Deletion()


def _interactive(part: object) -> Content | None:
    kind = words(fields(part).get("type"))
    reply = fields(part, kind)
    if kind == "nfm_reply":
        return _form(reply)
    if kind == "call_permission_reply":
        return Call("allowed" if words(reply.get("response")) == "accept" else "refused")
    return _answer(reply.get("title") or reply.get("body"), reply.get("description"), reply.get("id"))


def _button(part: object) -> Content | None:
    return _answer(fields(part).get("text"), "", fields(part).get("payload"))


def _answer(title: object, description: object, given: object) -> Content | None:
    """What was chosen. The token of a choice of ours says nothing to people; of others' choices all is kept."""
    token = ident(given)
    if option_tokens.read(token):
        return Answer(title=words(title))
    answer = Answer(title=joined(title, description, by=" - "), data=token)
    return answer if answer.title or answer.data else None


def _form(reply: dict[str, Any]) -> Content:
    """The answers to a flow, in their order; they are JSON in a text, and once it may be an object."""
    given = reply.get("response_json")
    try:
        answers = fields(given if isinstance(given, dict) else decoded(words(given).encode("utf-8", "replace")))
    except ValueError:
        return Form(joined(reply.get("body"), given))
    token = words(answers.get("flow_token"))
    given = {name: kept(each) for name, each in answers.items() if name != "flow_token"}
    return Form(words(reply.get("body")), token=token, answers=given)


def _order(part: object) -> Content | None:
    order = fields(part)
    lines = tuple(filter(OrderItem.as_text, map(_line, items(order.get("product_items")))))
    found = Order(lines, words(order.get("text")), ident(order.get("catalog_id")))
    return found if lines or found.text else None


def _line(item: object) -> OrderItem:
    product = fields(item)
    return OrderItem(
        product_id=words(product.get("product_retailer_id")),
        quantity=words(product.get("quantity")),
        price=words(product.get("item_price")),
        currency=words(product.get("currency")),
    )


def _system(part: object) -> str:
    system = fields(part)
    found = words(system.get("body")) or words(system.get("type")).replace("_", " ")
    return f"[system] {found}" if found else ""


def _welcome(_part: object) -> str:
    return "[opened the conversation]"


def call(known: dict[str, Any]) -> Said:
    """A call that ended."""
    seconds = words(known.get("duration"))
    taken = words(known.get("status")).upper() == "COMPLETED"
    content = Call("ended", f"{seconds} s" if seconds else "") if taken else Call("missed")
    return Said(content.as_text(), content)


def referral_of(message: dict[str, Any]) -> dict[str, Any]:
    """The ad, post or product that the person came from, in the provider's names."""
    return fields(message, "referral") or fields(message, "context", "referred_product")


READERS: dict[str, Callable[[object], Content | None]] = {
    "location": _location,
    "contacts": _cards,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
    "reaction": _reaction,
    "revoke": _deletion,
}
# What is said of the conversation itself, in words only.
PLAIN: dict[str, Callable[[object], str]] = {"system": _system, "request_welcome": _welcome}
KNOWN = ("text", *MEDIA, "edit", *READERS, *PLAIN, "unsupported")
