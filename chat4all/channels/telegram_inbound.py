"""Reads what people write to a Telegram bot, as text and files. An unknown kind becomes a text that says so."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from chat4all.channels.json_fields import fields, ident, items, joined, words
from chat4all.channels.provider_times import within_second
from chat4all.channels.telegram_as_text import called, said
from chat4all.channels.wording import EDITED
from chat4all.model.clock import now_ms
from chat4all.ports import Aside, Inbound, Moved, Unreadable, Update

NAME = "telegram"
SHARED = frozenset({"group", "supergroup", "channel"})
# Kinds of updates that hold nothing that anybody said.
PASSED_OVER = (
    "my_chat_member", "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost", "poll", "poll_answer",
    "inline_query", "chosen_inline_result", "shipping_query", "pre_checkout_query", "purchased_paid_media",
    "message_reaction_count", "business_connection", "deleted_business_messages", "managed_bot",
)  # fmt: skip


def provider_id(chat: str | int, message_id: int | str) -> str:
    """Telegram counts messages within a chat; only with the chat is the number an id."""
    return f"{chat}:{message_id}"


def read(update: object, account: str) -> Sequence[Update]:
    """One update, as JSON that is already parsed."""
    known = fields(update)
    if not known:
        return [Unreadable("not an update")]
    mark = ident(known.get("update_id")) or _digest(known)
    if "message" in known:
        return _message(fields(known, "message"), account, mark)
    if "edited_message" in known:
        return [_edited(fields(known, "edited_message"), account, mark)]
    if "callback_query" in known:
        return [_pressed(fields(known, "callback_query"), account)]
    if "message_reaction" in known:
        return [_reacted(fields(known, "message_reaction"), account, mark)]
    passed = next((each for each in PASSED_OVER if each in known), "")
    return [Aside("passed_over", passed) if passed else Unreadable("unknown update")]


def _digest(update: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(update, order="deterministic")).hexdigest()[:20]


def chat_of(message: dict[str, Any]) -> str:
    """The chat's id. A private chat's is the person's, where one of both cannot be read."""
    found = ident(fields(message, "chat").get("id"))
    if not found and fields(message, "chat").get("type") in {None, "private"}:
        found = ident(fields(message, "from").get("id"))
    return found if found.removeprefix("-").isdigit() and found.isascii() else ""


def _id_of(message: dict[str, Any], mark: str) -> str:
    """What tells a message from all others of its chat. Those that only one person sees have a count of their own."""
    number, ephemeral = ident(message.get("message_id")), ident(message.get("ephemeral_message_id"))
    if number in {"", "0"}:
        number = f"ephemeral:{ephemeral}" if ephemeral else f"update:{mark}" if number else ""
    return number


def _message(message: dict[str, Any], account: str, mark: str) -> Sequence[Update]:
    chat, to = chat_of(message), ident(message.get("migrate_to_chat_id"))
    was = ident(message.get("migrate_from_chat_id"))
    if chat and (to or was):
        return [Moved(NAME, account, chat, to) if to else Moved(NAME, account, was, chat)]
    return [_said(message, account, mark)]


def _said(message: dict[str, Any], account: str, mark: str, edition: str = "") -> Update:
    chat, number, content = chat_of(message), _id_of(message, mark), said(message)
    if not chat or not number or content is None:
        return Unreadable("message")
    if content.service and not content.text:
        return Aside("passed_over", content.service)
    shared = words(fields(message, "chat").get("type")) in SHARED
    speaker = called(message.get("sender_chat")) or called(message.get("from"))
    reply = ident(fields(message, "reply_to_message").get("message_id"))
    edits = provider_id(chat, number) if edition else ""
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=provider_id(chat, number) + edition,
        address=chat,
        text=(EDITED if edition else "") + content.text,
        at=within_second(message.get("edit_date") or message.get("date")),
        sender_name=called(message.get("chat")) if shared else speaker,
        reply_to=provider_id(chat, reply) if reply else "",
        speaker=speaker if shared else "",
        edits=edits,
        media=content.media.name,
        mime_type=content.media.mime_type,
        filename=content.media.filename,
    )


def _edited(message: dict[str, Any], account: str, mark: str) -> Update:
    """Each edit is news of its own: two within a second differ by their updates."""
    if "live_period" in fields(message, "location"):
        # It comes every few seconds for hours.
        return Aside("passed_over", "live_location")
    return _said(message, account, mark, f":{ident(message.get('edit_date'))}:{mark}")


def _pressed(press: dict[str, Any], account: str) -> Update:
    number, message = ident(press.get("id")), fields(press, "message")
    chat = chat_of(message) or ident(fields(press, "from").get("id"))
    if not number or not chat:
        return Unreadable("message")
    shared = words(fields(message, "chat").get("type")) in SHARED
    asked = ident(message.get("message_id"))
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=f"callback:{number}",
        address=chat,
        text=joined("[button]", press.get("data"), press.get("game_short_name")),
        at=now_ms(),
        sender_name=called(message.get("chat")) if shared else called(press.get("from")),
        reply_to=provider_id(chat, asked) if asked else "",
        speaker=called(press.get("from")) if shared else "",
    )


def _reacted(reaction: dict[str, Any], account: str, mark: str) -> Update:
    chat, about = chat_of(reaction), ident(reaction.get("message_id"))
    if not chat or not about:
        return Unreadable("message")
    new = [words(fields(each).get("emoji")) or words(fields(each).get("type")) for each in items(reaction.get("new_reaction"))]
    shared = words(fields(reaction, "chat").get("type")) in SHARED
    speaker = called(reaction.get("user")) or called(reaction.get("actor_chat"))
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=f"{provider_id(chat, about)}:reaction:{mark}",
        address=chat,
        text=f"[reaction] {' '.join(filter(None, new)) or 'taken back'}",
        at=within_second(reaction.get("date")),
        sender_name=called(reaction.get("chat")) if shared else speaker,
        reply_to=provider_id(chat, about),
        speaker=speaker if shared else "",
    )
