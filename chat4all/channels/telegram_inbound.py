"""Reads what people write to a Telegram bot. An unknown kind becomes words that say so, and keeps what Telegram sent of it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from chat4all.channels.json_fields import fields, ident, items, words
from chat4all.channels.provider_times import within_second
from chat4all.channels.telegram_address import Place
from chat4all.channels.telegram_content import called, said
from chat4all.channels.wording import EDITED
from chat4all.model import option_tokens
from chat4all.model.clock import now_ms
from chat4all.model.content import POLL_OPTIONS_MOST, Answer, ChatChange, Deletion, Edit, Reaction, Text, Vote, words_of
from chat4all.ports import Aside, Inbound, Moved, Reached, Unreadable, Update

NAME = "telegram"
SHARED = frozenset({"group", "supergroup", "channel"})
# Kinds of updates that hold nothing that anybody said.
PASSED_OVER = (
    "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost",
    "inline_query", "chosen_inline_result", "shipping_query", "pre_checkout_query", "purchased_paid_media",
    "message_reaction_count", "business_connection", "managed_bot", "guest_message", "subscription",
    "stopped_message_generation",
)  # fmt: skip
# Of the bot's own membership of a chat: then it may not write there.
OUT = frozenset({"kicked", "left"})
EMOJI_MOST = 64
COUNT_MOST = (1 << 53) - 1


def read(update: object, account: str) -> Sequence[Update]:
    """One update, as JSON that is already parsed."""
    known = fields(update)
    if not known:
        return [Unreadable("not an update")]
    mark = ident(known.get("update_id")) or _digest(known)
    for kind, read_kind in KINDS.items():
        if kind in known:
            return list(read_kind(fields(known, kind), account, mark))
    passed = next((each for each in PASSED_OVER if each in known), "")
    return [Aside("passed_over", passed) if passed else Unreadable("unknown update")]


def _digest(update: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(update, order="deterministic")).hexdigest()[:20]


def _place(message: dict[str, Any]) -> Place | None:
    """Where it was said. A private chat's id is the person's, where one of both cannot be read."""
    found = ident(fields(message, "chat").get("id"))
    if not found and fields(message, "chat").get("type") in {None, "private"}:
        found = ident(fields(message, "from").get("id"))
    if not (found.removeprefix("-").isdigit() and found.isascii()):
        return None
    topic = ident(message.get("message_thread_id")) if message.get("is_topic_message") is True else ""
    business = ident(message.get("business_connection_id"))
    return Place(found, topic if topic.isdigit() and not business else "", business)


def _id_of(message: dict[str, Any], mark: str) -> str:
    """What tells a message from all others of its chat. Those that only one person sees have a count of their own."""
    number, ephemeral = ident(message.get("message_id")), ident(message.get("ephemeral_message_id"))
    if number in {"", "0"}:
        number = f"ephemeral:{ephemeral}" if ephemeral else f"update:{mark}" if number else ""
    return number


def _written(message: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
    where, to = _place(message), ident(message.get("migrate_to_chat_id"))
    was = ident(message.get("migrate_from_chat_id"))
    if where and (to or was):
        yield Moved(NAME, account, where.chat, to) if to else Moved(NAME, account, was, where.chat)
    else:
        yield _said(message, account, mark)


def _edited(message: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
    """Each edit is news of its own: two within a second differ by their updates."""
    if "live_period" in fields(message, "location"):
        # It comes every few seconds for hours.
        yield Aside("passed_over", "live_location")
    else:
        yield _said(message, account, mark, f":{ident(message.get('edit_date'))}:{mark}")


def _business(read_kind: "Read") -> "Read":
    """The same of a chat that the bot answers for somebody. Without the connection nobody can tell whose chat it is."""

    def read_business(message: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
        if ident(message.get("business_connection_id")):
            yield from read_kind(message, account, mark)
        else:
            yield Unreadable("business message without its connection")

    return read_business


def _said(message: dict[str, Any], account: str, mark: str, edition: str = "") -> Update:
    where, number, found = _place(message), _id_of(message, mark), said(message)
    if not where or not number or found is None:
        return Unreadable("message")
    if found.service and not found.text:
        return Aside("passed_over", found.service)
    reply = ident(fields(message, "reply_to_message").get("message_id"))
    original = where.id_of(number) if edition else ""
    is_change = isinstance(found.content, ChatChange)
    # Nobody said it: it stands under nobody's name.
    speakers = () if is_change else (message.get("author_signature"), message.get("sender_chat"), message.get("from"))
    if is_change:
        reply = ident(fields(message, "pinned_message").get("message_id"))
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=where.id_of(number) + edition,
        text=(EDITED if edition else "") + found.text,
        at=within_second(message.get("edit_date") or message.get("date")),
        reply_to=where.id_of(reply) if reply else "",
        edits=original,
        media=found.media.name,
        mime_type=found.media.mime_type,
        filename=found.media.filename,
        is_echo=_is_ours(message, where),
        referral=_start(message),
        content=Edit(Text(found.text or f"[{found.kind}]")) if edition else found.content,
        about=original,
        kind=found.kind,
        forwarded=any(each in message for each in ("forward_origin", "forward_date")),
        raw=found.raw,
        group=ident(message.get("media_group_id")),
        **_who(message, where, *speakers),
    )


def _who(message: dict[str, Any], where: Place, *speakers: object) -> dict[str, Any]:
    """Whose address it is: a person's, or a chat's of several, where each of them has a name."""
    speaker = next(filter(None, (called(each) or words(each) for each in speakers)), "")
    if words(fields(message, "chat").get("type")) in SHARED:
        number = next(filter(None, (ident(fields(each).get("id")) for each in speakers)), "")
        named = {"speaker": speaker, "speaker_id": number}
        return {"address": where.address, "sender_name": called(message.get("chat")), **named}
    name = called(message.get("chat")) or speaker if where.business else speaker
    # Their topics are all the same person's.
    return {"address": where.address, "sender_name": name, "also_known_as": where.chat if where.topic else ""}


def _is_ours(message: dict[str, Any], where: Place) -> bool:
    """Whether the owner of the account wrote it, that the bot only helps: all others there are the one who has the chat."""
    writer = ident(fields(message, "from").get("id"))
    return bool(where.business and writer and writer != where.chat)


def _start(message: dict[str, Any]) -> dict[str, str]:
    """What the link carried that opened the chat: Telegram gives it as the command that the app sends."""
    command, _, payload = words(message.get("text")).partition(" ")
    return {"start": payload.strip()} if command == "/start" and payload.strip() else {}


def _pressed(press: dict[str, Any], account: str, _mark: str) -> Iterator[Update]:
    number, message = ident(press.get("id")), fields(press, "message")
    person = ident(fields(press, "from").get("id"))
    where = _place(message) or (Place(person) if person.isdigit() else None)
    if not number or not where:
        yield Unreadable("message")
        return
    asked, data = ident(message.get("message_id")), words(press.get("data"))
    # Our own token says nothing to anybody else.
    foreign = "" if option_tokens.read(data) else data or words(press.get("game_short_name"))
    content = Answer(title=_title_of(message, data), data=foreign)
    about = where.id_of(asked) if asked not in {"", "0"} else ""
    yield Inbound(
        channel=NAME,
        account=account,
        provider_id=f"callback:{number}",
        text=content.as_text(),
        at=now_ms(),
        reply_to=about,
        content=content,
        about=about,
        option=data,
        press=number,
        **_who(message, where, press.get("from")),
    )


def _title_of(message: dict[str, Any], data: str) -> str:
    """What stands on the button that was pressed, as the message shows it."""
    for row in items(fields(message, "reply_markup").get("inline_keyboard")):
        for button in map(fields, items(row)):
            if data and button.get("callback_data") == data:
                return words(button.get("text"))
    return ""


def _reacted(reaction: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
    where, about = _place(reaction), ident(reaction.get("message_id"))
    if not where or not about:
        yield Unreadable("message")
        return
    old = items(reaction.get("old_reaction"))
    new = [each for each in items(reaction.get("new_reaction")) if fields(each)]
    content = Reaction(emoji=_emoji(next((each for each in new if each not in old), new[0])) if new else "")
    yield Inbound(
        channel=NAME,
        account=account,
        provider_id=f"{where.id_of(about)}:reaction:{mark}",
        text=content.as_text(),
        at=within_second(reaction.get("date")),
        reply_to=where.id_of(about),
        content=content,
        about=where.id_of(about),
        **_who(reaction, where, reaction.get("user"), reaction.get("actor_chat")),
    )


def _emoji(reaction: object) -> str:
    """A reaction as people see it, where it is an emoji; else what Telegram calls it."""
    known = fields(reaction)
    kind = words(known.get("type"))
    return words(known.get("emoji"))[:EMOJI_MOST] or ("⭐" if kind == "paid" else f"[{kind.replace('_', ' ')[:EMOJI_MOST]}]")


def id_of_poll(number: object) -> str:
    """What a poll is called beside the id of its message: all that votes name."""
    return f"poll:{ident(number)}"


def _voted(answer: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
    """Somebody's choice in a poll of the bot's own, as it is now; none: taken back. Nothing says in which chat."""
    poll, voter = ident(answer.get("poll_id")), fields(answer, "user") or fields(answer, "voter_chat")
    person, chosen = ident(voter.get("id")), answer.get("option_ids")
    if not poll or not person or not isinstance(chosen, list) or not _are_counts(chosen, POLL_OPTIONS_MOST - 1):
        yield Unreadable("message")
        return
    numbers = tuple(dict.fromkeys(number + 1 for number in chosen))
    yield _of_poll(poll, person, account, mark, Vote(options=numbers), called(voter))


def _counted(poll: dict[str, Any], account: str, mark: str) -> Iterator[Update]:
    """How a poll stands. Where names are told each vote comes by itself."""
    number = ident(poll.get("id"))
    counts: list[Any] = [fields(each).get("voter_count") for each in items(poll.get("options"))]
    if not number:
        yield Unreadable("message")
    elif poll.get("is_anonymous") is False:
        yield Aside("passed_over", "poll")
    elif not 0 < len(counts) <= POLL_OPTIONS_MOST or not _are_counts(counts, COUNT_MOST):
        yield Unreadable("message")
    else:
        yield _of_poll(number, "", account, mark, Vote(counts=tuple(counts)), "")


def _are_counts(given: Iterable[object], most: int) -> bool:
    return all(type(each) is int and 0 <= each <= most for each in given)


def _of_poll(poll: str, person: str, account: str, mark: str, vote: Vote, name: str) -> Update:
    about = id_of_poll(poll)
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=f"{about}:{'vote' if person else 'counts'}:{mark}",
        address=person,
        text=vote.as_text(),
        at=now_ms(),
        reply_to=about,
        content=vote,
        about=about,
        speaker=name,
        speaker_id=person,
        is_where_target_is=True,
    )


def _joined(change: dict[str, Any], account: str, _mark: str) -> Iterator[Update]:
    """Whether the bot may write to a chat: a person blocks it or starts it again, a group throws it out or takes it in."""
    where, status = _place(change), words(fields(change, "new_chat_member").get("status"))
    if not where or not status:
        yield Unreadable("message")
        return
    is_shared = words(fields(change, "chat").get("type")) in SHARED
    why = ("gone" if is_shared else "blocked") if status in OUT else ""
    yield Reached(NAME, account, where.address, why, within_second(change.get("date")))


def _deleted(deleted: dict[str, Any], account: str, _mark: str) -> Iterator[Update]:
    """Only chats of a business tell that something was deleted, and not by whom."""
    where = _place(deleted)
    for each in items(deleted.get("message_ids")) or [""]:
        about = where.id_of(ident(each)) if where and ident(each) else ""
        if not where or not about:
            yield Unreadable("message")
            continue
        yield Inbound(
            channel=NAME,
            account=account,
            provider_id=f"{about}:deleted",
            text=words_of(Deletion()),
            at=now_ms(),
            reply_to=about,
            content=Deletion(),
            about=about,
            **_who(deleted, where),
        )


Read = Callable[[dict[str, Any], str, str], Iterator[Update]]
# The kinds of updates that are read, and how.
KINDS: dict[str, Read] = {
    "message": _written,
    "edited_message": _edited,
    "channel_post": _written,
    "edited_channel_post": _edited,
    "callback_query": _pressed,
    "message_reaction": _reacted,
    "poll_answer": _voted,
    "poll": _counted,
    "my_chat_member": _joined,
    "business_message": _business(_written),
    "edited_business_message": _business(_edited),
    "deleted_business_messages": _business(_deleted),
}
