"""Turns what people do on Meta's messaging platform into typed content: messages, edits, reactions, buttons, orders."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from chat4all.channels.json_fields import fields, flat, ident, is_odd, items, joined, words
from chat4all.channels.messaging_attachments import Piece, link_of, pieces, unsupported, with_words
from chat4all.channels.wording import EDITED, EMPTY
from chat4all.channels.wording import unsupported as not_supported
from chat4all.model import option_tokens
from chat4all.model.content import Answer, Deletion, Edit, Order, OrderItem, Reaction, Story, Text
from chat4all.ports import Unreadable, Update

# What reactions are called where no emoji comes with them; the longest that is one.
EMOJI_MOST = 32
EMOJI = {"love": "❤", "smile": "😆", "wow": "😮", "sad": "😢", "angry": "😠", "like": "👍", "dislike": "👎"}


class Telling(Protocol):
    """An event, as these rules need it."""

    @property
    def person(self) -> str:
        """Who it is of."""

    @property
    def mark(self) -> str:
        """What tells it from the person's other events of its kind."""


# Makes an update of an event, an id and words.
Make = Callable[..., Update]


def said(event: Telling, message: dict[str, Any], make: Make) -> Iterable[Update]:
    """A message: one for its words with the first thing attached, and one for each further thing."""
    mid, attachments = ident(message.get("mid")), items(message.get("attachments"))
    lost = [Unreadable("attachment")] if _hides_something(message) else []
    if is_odd(message.get("text")) or (lost and not attachments and not words(message.get("text"))):
        return [Unreadable("event")]
    if message.get("is_deleted") is True:
        # It comes under the same mid as the message itself; it is news of its own.
        gone = Deletion()
        return [make(event, mid and f"{mid}:deleted", gone.as_text(), content=gone, about=mid)]
    first, *more = _pieces(message)
    reply_to = ident(fields(message, "reply_to").get("mid"))
    beside = {"reply_to": reply_to, "referral": flat(message.get("referral"))}
    if first.option:
        beside["about"] = reply_to
    group = mid if more else ""
    updates = [_made(event, mid, first, make, group=group, **beside)]
    updates += [_made(event, mid and f"{mid}:{_place(each, n)}", each, make, group=group) for n, each in enumerate(more, 1)]
    return [*updates, *lost]


def _made(event: Telling, mid: str, piece: Piece, make: Make, **beside: Any) -> Update:
    text = piece.content.as_text() if piece.content else piece.text
    typed = {"content": piece.content, "media": piece.media, "kind": piece.kind, "option": piece.option, "raw": piece.raw}
    return make(event, mid, text, **typed, **beside)


def _place(piece: Piece, number: int) -> str:
    """Files are counted for themselves, as they were before other things had messages of their own."""
    return f"part:{number}" if piece.file is None else str(piece.file)


def _pieces(message: dict[str, Any]) -> list[Piece]:
    """What becomes a message each; the first has the words."""
    found = pieces(items(message.get("attachments")))
    text, payload = words(message.get("text")), words(fields(message, "quick_reply").get("payload"))
    story = fields(message, "reply_to", "story")
    if message.get("is_unsupported") is True:
        if not found and not text.strip():
            found = [unsupported("", not_supported(""), message)]
        else:
            text = joined(not_supported(""), text)
    if payload:
        return [Piece(_answer(text, payload), option=payload), *found]
    if story:
        link = words(story.get("url"))
        return [Piece(Story("reply", link if "://" in link else "", text, ident(story.get("id")))), *found]
    came = came_by(fields(message, "referral"))
    if text.strip():
        return _with_origin(with_words(found, text), came)
    return _with_origin(found, came) if found else [Piece(text=came or EMPTY)]


def _with_origin(found: list[Piece], came: str) -> list[Piece]:
    """Where the person came from is said before their words; what has a type of its own is not changed by it."""
    first, *more = found
    return found if first.content else [replace(first, text=joined(came, first.text)), *more]


def _hides_something(message: dict[str, Any]) -> bool:
    """Whether something stands in the place of a file that we cannot make out."""
    attachments = message.get("attachments")
    if not isinstance(attachments, list):
        return attachments is not None
    return any(not isinstance(each, dict) or _is_odd_file(each) for each in attachments)


def _is_odd_file(attachment: dict[str, Any]) -> bool:
    payload = attachment.get("payload")
    url = fields(payload).get("url")
    return not isinstance(payload, dict | None) or (url not in (None, "") and not link_of(attachment))


def came_by(referral: Mapping[str, Any]) -> str:
    """Where somebody came from, in words; all of it is beside the message."""
    if not referral:
        return ""
    title = words(fields(referral, "ads_context_data").get("ad_title"))
    ad, product = words(referral.get("ad_id")), words(fields(referral, "product").get("id"))
    reference = words(referral.get("ref"))
    if title or ad:
        return f'[from the ad "{title}"]' if title else f"[from the ad {ad}]"
    if product:
        return f"[about the product {product}]"
    return joined("[came by a link]", reference or words(referral.get("referer_uri")) or words(referral.get("source")))


def edited(event: Telling, edit: dict[str, Any], make: Make) -> Update:
    """New words for a message: each edit is news of its own."""
    mid, text = ident(edit.get("mid")), words(edit.get("text")) or EMPTY
    if is_odd(edit.get("text")):
        return Unreadable("event")
    return make(event, mid and f"{mid}:edit:{event.mark}", EDITED + text, content=Edit(Text(text)), about=mid, edits=mid)


def reacted(event: Telling, reaction: dict[str, Any], make: Make) -> Update:
    """A reaction, or one that is taken back."""
    mid, action = ident(reaction.get("mid")), words(reaction.get("action")) or "react"
    named = words(reaction.get("reaction"))[:EMOJI_MOST]
    emoji = words(reaction.get("emoji"))[:EMOJI_MOST] or EMOJI.get(named, named) or "?"
    content = Reaction(emoji=emoji if action == "react" else "")
    return make(event, mid and f"{mid}:{action}:{event.mark}", content.as_text(), content=content, about=mid)


def pressed(event: Telling, postback: dict[str, Any], make: Make) -> Update:
    """A button of ours: its title, and what it is called among programs."""
    mid = ident(postback.get("mid")) or f"postback:{event.person}:{event.mark}"
    payload = words(postback.get("payload"))
    content, about = _answer(words(postback.get("title")), payload), ident(fields(postback, "reply_to").get("mid"))
    referral = flat(postback.get("referral"))
    return make(event, mid, content.as_text(), content=content, option=payload, about=about, referral=referral)


def _answer(title: str, payload: str) -> Answer:
    """What was chosen. The token of a choice of ours says nothing to people."""
    return Answer(title=title, data="" if option_tokens.read(payload) else payload)


def ordered(event: Telling, order: dict[str, Any], make: Make) -> Update:
    """A cart that somebody sent."""
    content = Order(tuple(_item(fields(each)) for each in items(order.get("products"))), words(order.get("note")))
    return make(event, ident(order.get("mid")) or f"order:{event.person}:{event.mark}", content.as_text(), content=content)


def _item(product: dict[str, Any]) -> OrderItem:
    named = ident(product.get("retailer_id")) or ident(product.get("id"))
    each = (words(product.get(name)) for name in ("name", "quantity", "unit_price", "currency"))
    return OrderItem(named, *each)


def referred(event: Telling, referral: dict[str, Any], make: Make) -> Update:
    """Somebody who is known came back by a link or an ad, and has said nothing yet."""
    return make(event, f"referral:{event.person}:{event.mark}", came_by(referral), referral=flat(referral))


READERS: dict[str, Callable[[Telling, dict[str, Any], Make], Update]] = {
    "message_edit": edited,
    "reaction": reacted,
    "postback": pressed,
    "order": ordered,
    "referral": referred,
}
