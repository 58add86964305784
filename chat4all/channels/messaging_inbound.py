"""Turns what people do on Meta's messaging platform into text and files: messages, edits, reactions, buttons, referrals."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from chat4all.channels.json_fields import fields, flat, gist, ident, is_odd, items, joined, words
from chat4all.channels.wording import EDITED, NOT_SUPPORTED, TAKEN_BACK, chosen
from chat4all.ports import Unreadable, Update

KIND_MOST = 40
# All other kinds name a page, not a file: nobody fetches it, and the words carry its link.
MEDIA = frozenset({"image", "video", "audio", "file", "story_mention"})


# What nobody reads in the words of an attachment.
BESIDE = ("template_type", "image_url", "sharable", "type", "id", "retailer_id")


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
    """A message: its words with its first file, and each further file as a message of its own."""
    mid, attachments = ident(message.get("mid")), items(message.get("attachments"))
    lost = [Unreadable("attachment")] if _hides_something(message) else []
    if is_odd(message.get("text")) or (lost and not attachments and not words(message.get("text"))):
        return [Unreadable("event")]
    if message.get("is_deleted") is True:
        # It comes under the same mid as the message itself; it is news of its own.
        return [make(event, mid and f"{mid}:deleted", TAKEN_BACK)]
    places = [n for n, each in enumerate(attachments) if _url(each)]
    files, later = [attachments[n] for n in places], set(places[1:])
    words_of = [_described(each) for n, each in enumerate(attachments) if n not in later]
    if message.get("is_unsupported") is True:
        words_of.append(f"[{NOT_SUPPORTED}]")
    text = joined(_origin(message), *words_of, chosen(words(message.get("text")), _payload(message))) or "[empty message]"
    reply_to = ident(fields(message, "reply_to").get("mid"))
    referral = flat(message.get("referral"))
    first = make(event, mid, text, reply_to=reply_to, media=_url(files[0]) if files else "", referral=referral)
    more = [make(event, mid and f"{mid}:{n}", _described(each), media=_url(each)) for n, each in enumerate(files[1:], 1)]
    return [first, *more, *lost]


def _hides_something(message: dict[str, Any]) -> bool:
    """Whether something stands in the place of a file that we cannot make out."""
    attachments = message.get("attachments")
    if not isinstance(attachments, list):
        return attachments is not None
    return any(not isinstance(each, dict) or _is_odd_file(each) for each in attachments)


def _is_odd_file(attachment: dict[str, Any]) -> bool:
    payload = attachment.get("payload")
    url = fields(payload).get("url")
    return not isinstance(payload, dict | None) or (url not in (None, "") and not _link(attachment))


def _payload(message: dict[str, Any]) -> str:
    """What the choice is called among programs, where a quick reply was pressed."""
    return words(fields(message, "quick_reply").get("payload"))


def _url(attachment: object) -> str:
    """Where a file is."""
    return _link(attachment) if words(fields(attachment).get("type")) in MEDIA else ""


def _link(attachment: object) -> str:
    links = (words(each.get("url")) for each in (fields(attachment, "payload"), fields(attachment)))
    return next((each for each in links if "://" in each), "")


def _described(attachment: object) -> str:
    known, payload = fields(attachment), fields(attachment, "payload")
    kind = words(known.get("type"))[:KIND_MOST] or "attachment"
    place = fields(payload, "coordinates")
    if place:
        return f"[location] {words(place.get('lat'))},{words(place.get('long'))}"
    title = words(known.get("title")) or words(payload.get("title"))
    link = "" if _url(attachment) else _link(attachment)
    # Cards, products and whatever is new: all that they say but what is said already.
    more = (
        "" if kind in MEDIA else gist({name: each for name, each in payload.items() if name not in ("title", "url")}, *BESIDE)
    )
    return joined(f"[{kind}]", title, more, link)


def _origin(message: dict[str, Any]) -> str:
    """What the message was written at: a story of ours, an ad, a product, a link."""
    story = "[answers your story]" if fields(message, "reply_to", "story") else ""
    return joined(story, came_by(fields(message, "referral")))


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
    mid, text = ident(edit.get("mid")), words(edit.get("text"))
    if is_odd(edit.get("text")):
        return Unreadable("event")
    return make(event, mid and f"{mid}:edit:{event.mark}", EDITED + (text or "[empty message]"), edits=mid)


def reacted(event: Telling, reaction: dict[str, Any], make: Make) -> Update:
    """A reaction, or one that is taken back."""
    mid, action = ident(reaction.get("mid")), words(reaction.get("action")) or "react"
    what = words(reaction.get("emoji")) or words(reaction.get("reaction")) or "?"
    text = f"[reaction] {what}" if action == "react" else "[reaction] taken back"
    return make(event, mid and f"{mid}:{action}:{event.mark}", text, reply_to=mid)


def pressed(event: Telling, postback: dict[str, Any], make: Make) -> Update:
    """A button of ours: its title, and what it is called among programs."""
    mid = ident(postback.get("mid")) or f"postback:{event.person}:{event.mark}"
    title, payload = words(postback.get("title")), words(postback.get("payload"))
    text = chosen(title, payload) if title else joined("[button]", payload)
    referral = fields(postback, "referral")
    return make(event, mid, joined(came_by(referral), text), referral=flat(referral))


def referred(event: Telling, referral: dict[str, Any], make: Make) -> Update:
    """Somebody who is known came back by a link or an ad, and has said nothing yet."""
    return make(event, f"referral:{event.person}:{event.mark}", came_by(referral), referral=flat(referral))


READERS: dict[str, Callable[[Telling, dict[str, Any], Make], Update]] = {
    "message_edit": edited,
    "reaction": reacted,
    "postback": pressed,
    "referral": referred,
}
