"""Reads what a Telegram message holds: its words, its file, or one of the kinds of content that have a type here."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.channels import vcards
from chat4all.channels.json_fields import decoded, degrees, fields, ident, is_odd, items, joined, kept, raw, words
from chat4all.channels.telegram_links import linked
from chat4all.channels.wording import NO_MEDIA, Media, unsupported
from chat4all.model.content import (
    ChatChange,
    ContactCards,
    Content,
    Form,
    Location,
    Participant,
    Poll,
    Story,
    Unsupported,
    first_words,
)

# As which kind of media a file is shown. With an animation comes a document beside it, for old clients, and with a photo that
# moves the photo.
MEDIA = {
    "live_photo": "video",
    "photo": "image",
    "animation": "animation",
    "document": "document",
    "voice": "voice",
    "audio": "audio",
    "video": "video",
    "video_note": "video",
    "sticker": "sticker",
}
QUOTED_MOST = 200
# What a message has beside what was said.
ENVELOPE = frozenset({
    "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat", "sender_boost_count",
    "sender_business_bot", "sender_tag", "date", "business_connection_id", "chat", "forward_origin", "forward_from",
    "forward_from_chat", "forward_from_message_id", "forward_signature", "forward_sender_name", "forward_date",
    "is_topic_message", "is_automatic_forward", "reply_to_message", "external_reply", "quote", "reply_to_story",
    "reply_to_checklist_task_id", "via_bot", "edit_date", "has_protected_content", "is_from_offline", "is_paid_post",
    "media_group_id", "author_signature", "paid_star_count", "entities", "link_preview_options", "suggested_post_info",
    "effect_id", "caption", "caption_entities", "show_caption_above_media", "has_media_spoiler", "reply_markup",
    "ephemeral_message_id", "guest_bot_caller_user",
})  # fmt: skip
# What Telegram says of the chat itself. Who reads a conversation misses nothing without it.
SERVICE = frozenset({
    "delete_chat_photo", "new_chat_photo", "group_chat_created", "supergroup_chat_created", "channel_chat_created",
    "message_auto_delete_timer_changed", "migrate_to_chat_id", "migrate_from_chat_id", "connected_website",
    "write_access_allowed", "passport_data", "proximity_alert_triggered", "boost_added", "chat_background_set",
    "checklist_tasks_done", "checklist_tasks_added", "direct_message_price_changed", "forum_topic_created",
    "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
    "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed", "paid_message_price_changed",
    "video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited", "unique_gift",
    "gift_upgrade_sent", "chat_owner_left", "chat_owner_changed", "suggested_post_approved", "suggested_post_approval_failed",
    "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded", "managed_bot_created",
})  # fmt: skip


class Said(Struct, frozen=True):
    """What a message holds: words, the file with them, content that is more. `kind`: how the file is meant to be shown.

    `service`: it says something of the chat that nobody misses. `raw`: of a kind that has no type here.
    """

    text: str
    media: Media = NO_MEDIA
    service: str = ""
    content: Content | None = None
    kind: str = ""
    raw: bytes = b""


def said(message: dict[str, Any]) -> Said | None:
    """What a message says; None where something stands in the place of its words that is none."""
    if is_odd(message.get("text")) or is_odd(message.get("caption")):
        return None
    if words(message.get("text")):
        return Said(joined(_quoted(message), linked(words(message["text"]), message.get("entities")), by="\n"))
    caption = joined(_quoted(message), linked(words(message.get("caption")), message.get("caption_entities")), by="\n")
    kind = next((kind for kind in MEDIA if kind in message), "")
    if kind:
        return _media(kind, message[kind], caption)
    for kind, read in READERS.items():
        content = read(message[kind], message) if kind in message else None
        if content is not None:
            return Said(joined(content.as_text(), caption), content=content)
    return _other(message, caption)


def _other(message: dict[str, Any], caption: str) -> Said:
    """A kind that has no type: in words, with what Telegram sent of it."""
    service = next((each for each in SERVICE if each in message), "")
    if service:
        return Said(caption, service=service)
    known = next((each for each in DESCRIBERS if each in message), "")
    kind = known or next((each for each in message if each not in ENVELOPE and each != "text"), "")
    if not kind and caption:
        return Said(caption)
    say = DESCRIBERS.get(kind)
    text = joined((say(message[kind]) if say else "") or unsupported(kind, message.get(kind)), caption)
    return Said(text, content=Unsupported(kind, text), raw=raw({kind: message.get(kind)}))


def _quoted(message: dict[str, Any]) -> str:
    """The words that a person picked out of what they answer, or that only this message brings here."""
    quote = fields(message, "quote")
    is_needed = quote.get("is_manual") is True or "reply_to_message" not in message
    text = first_words(words(quote.get("text")), QUOTED_MOST) if is_needed else ""
    return f"> {text}" if text else ""


def _media(kind: str, given: object, caption: str) -> Said | None:
    """The largest of several sizes; None where the file's id cannot be read."""
    part = fields(items(given)[-1]) if kind == "photo" and items(given) else fields(given)
    file_id = ident(part.get("file_id"))
    if not file_id:
        return None
    filename = words(part.get("file_name"))
    mime_type = words(part.get("mime_type")) or ("image/jpeg" if kind == "photo" else "")
    piece = joined(part.get("performer"), part.get("title"), by=" - ")
    return Said(joined(part.get("emoji"), piece, caption), Media(file_id, mime_type, filename), kind=MEDIA[kind])


def called(user: object) -> str:
    """What a person, or a chat, calls itself."""
    known = fields(user)
    return joined(known.get("first_name"), known.get("last_name")) or words(known.get("title")) or words(known.get("username"))


def _coordinates(part: object) -> tuple[float, float] | None:
    """A place on the earth; None: there is none to be read."""
    latitude, longitude = degrees(fields(part).get("latitude"), 90), degrees(fields(part).get("longitude"), 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _venue(part: object, _message: dict[str, Any]) -> Content | None:
    venue = fields(part)
    where = _coordinates(venue.get("location"))
    return Location(*where, words(venue.get("title")), words(venue.get("address"))) if where else None


def _location(part: object, message: dict[str, Any]) -> Content | None:
    where = _coordinates(part)
    until = _until(message.get("date"), fields(part).get("live_period"))
    return Location(*where, live_until=until) if where else None


def _until(begun: object, period: object) -> int:
    """When so many seconds from then are over, in ms; 0: never begun."""
    if isinstance(begun, int) and isinstance(period, int) and 0 < begun < 1 << 40 and 0 < period < 1 << 32:
        return (begun + period) * 1000
    return 0


def _contact(part: object, _message: dict[str, Any]) -> Content | None:
    known, more = fields(part), vcards.read(words(fields(part).get("vcard")))
    name, phone, person = called(part) or more.name, words(known.get("phone_number")), ident(known.get("user_id"))
    if not name and not phone:
        return None
    phones = tuple(dict.fromkeys(filter(None, (phone, *more.phones))))
    return ContactCards((msgspec.structs.replace(more, name=name, phones=phones, ids={"telegram": person} if person else {}),))


def _form(part: object, _message: dict[str, Any]) -> Content | None:
    """What a web app sent: JSON by custom, any words by right."""
    given = fields(part).get("data")
    try:
        answers = given if isinstance(given, dict) else decoded(words(given).encode())
    except ValueError:
        answers = given
    return Form(
        button=words(fields(part).get("button_text")),
        answers=kept(answers) if isinstance(answers, dict) else {"data": words(given)},
    )


def _story(part: object, _message: dict[str, Any]) -> Content | None:
    number, chat = ident(fields(part).get("id")), fields(part, "chat")
    by = ident(chat.get("username"))
    url = f"https://t.me/{by}/s/{number}" if by and number else ""
    return Story("share", url, called(chat), number)


def _poll(part: object, _message: dict[str, Any]) -> Content | None:
    poll = fields(part)
    options = [words(fields(each).get("text")) for each in items(poll.get("options"))]
    asked = {
        "question": words(poll.get("question")),
        "options": options,
        "multiple": poll.get("allows_multiple_answers") is True,
    }
    try:
        return msgspec.convert(asked | {"type": "poll"}, Poll)
    except msgspec.ValidationError:
        return None


def _dice(part: object) -> str:
    return joined("[dice]", fields(part).get("emoji"), fields(part).get("value"))


def _game(part: object) -> str:
    return joined("[game]", joined(fields(part).get("title"), fields(part).get("description"), by=": "))


def _checklist(part: object) -> str:
    tasks = joined(*(fields(each).get("text") for each in items(fields(part).get("tasks"))), by=" / ")
    return joined("[checklist]", joined(fields(part).get("title"), tasks, by=": "))


def _invoice(part: object) -> str:
    return joined("[invoice]", fields(part).get("title"), _money(part))


def _payment(part: object) -> str:
    return joined("[payment]", _money(part), fields(part).get("invoice_payload"))


def _money(part: object) -> str:
    """Telegram counts in the smallest units, and how many make a whole differs by currency."""
    return joined(fields(part).get("total_amount"), "smallest units of", fields(part).get("currency"))


def _shared(part: object) -> str:
    people = items(fields(part).get("users")) or [part]
    named = (called(each) or ident(fields(each).get("user_id")) or ident(fields(each).get("chat_id")) for each in people)
    return joined("[shared]", joined(*named, by=", "))


def _paid(part: object) -> str:
    return joined("[paid media]", fields(part).get("star_count"), "stars")


def _giveaway(part: object) -> str:
    return joined("[giveaway]", fields(part).get("prize_description"))


def _gift(part: object) -> str:
    return joined("[gift]", fields(part).get("text"))


def _joined(part: object, message: dict[str, Any]) -> Content | None:
    return _came_or_went("joined", "joined", items(part), message)


def _left(part: object, message: dict[str, Any]) -> Content | None:
    return _came_or_went("left", "removed", [part], message)


def _came_or_went(kind: str, by_others: str, people: Sequence[object], message: dict[str, Any]) -> Content | None:
    """By themselves, or because of somebody else."""
    found = tuple(Participant(called(each), ident(fields(each).get("id"))) for each in people if called(each))
    who = ident(fields(message, "from").get("id"))
    if not found:
        return None
    if who in {"", *(each.id for each in found)}:
        return ChatChange(kind, found)
    return ChatChange(by_others, found, called(message.get("from")), who)


def _title(part: object, message: dict[str, Any]) -> Content | None:
    return ChatChange("titled", (), *_by(message), text=words(part)) if words(part) else None


def _pinned(part: object, message: dict[str, Any]) -> Content | None:
    found = said(fields(part))
    return ChatChange("pinned", (), *_by(message), text=first_words(found.text, QUOTED_MOST)) if found else None


def _by(message: dict[str, Any]) -> tuple[str, str]:
    """Who did it; in a channel that is the channel itself."""
    return called(message.get("from")), ident(fields(message, "from").get("id"))


READERS: dict[str, Callable[[object, dict[str, Any]], Content | None]] = {
    "venue": _venue,
    "location": _location,
    "contact": _contact,
    "web_app_data": _form,
    "story": _story,
    "poll": _poll,
    "new_chat_members": _joined,
    "left_chat_member": _left,
    "new_chat_title": _title,
    "pinned_message": _pinned,
}
DESCRIBERS: dict[str, Callable[[object], str]] = {
    "dice": _dice,
    "game": _game,
    "checklist": _checklist,
    "invoice": _invoice,
    "successful_payment": _payment,
    "refunded_payment": _payment,
    "users_shared": _shared,
    "chat_shared": _shared,
    "paid_media": _paid,
    "gift": _gift,
    "giveaway": _giveaway,
    "giveaway_winners": _giveaway,
}
