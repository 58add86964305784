"""Which method of Telegram's Bot API a message goes out by, and with what: one call for one message.

The calls are begun by whoever awaits them (`telegram.py`), who says what their errors mean.
"""

from collections.abc import Awaitable, Iterable, Iterator
from itertools import groupby
from typing import Any

from telebot.async_telebot import AsyncTeleBot
from telebot.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    InputPollOption,
    KeyboardButton,
    ReactionType,
    ReactionTypeEmoji,
    ReplyKeyboardMarkup,
    ReplyParameters,
)

from chat4all.channels import telegram_address, vcards
from chat4all.model import option_tokens
from chat4all.model.content import (
    Card,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Location,
    Media,
    Modifier,
    Poll,
    Reaction,
    joined_lines,
)
from chat4all.model.failures import Permanent
from chat4all.ports import ChoiceLimits, Outgoing

TEXT_LENGTH = 4096
VCARD_BYTES = 2048
MB = 1 << 20
STICKER_BYTES = MB // 2
PHOTO_BYTES = 10 * MB
# By a link Telegram takes these kinds only, and of documents no others.
PICTURES = ("image/jpeg", "image/png", "image/webp")
DOCUMENTS = ("application/pdf", "application/zip", "image/gif")
VIDEOS = ("video/mp4",)
AUDIO = ("audio/mpeg", "audio/mp4")
VOICES = ("audio/ogg",)
FILE_BYTES = dict.fromkeys(PICTURES, 5 * MB) | dict.fromkeys((*DOCUMENTS, *VIDEOS, *AUDIO, *VOICES), 20 * MB)
GIVEN_BYTES = 50 * MB
SHOWN_AS = {
    "image": dict.fromkeys(PICTURES, PHOTO_BYTES),
    "video": dict.fromkeys(VIDEOS, GIVEN_BYTES),
    "animation": dict.fromkeys(("image/gif", *VIDEOS), GIVEN_BYTES),
    "audio": dict.fromkeys((*AUDIO, *VOICES), GIVEN_BYTES),
    "voice": dict.fromkeys((*VOICES, *AUDIO), GIVEN_BYTES),
    "sticker": {"image/webp": STICKER_BYTES},
}
CONTENTS = frozenset({"album", "location", "contact_cards", "poll", "reaction", "edit", "deletion"})
# What may stand in an album. Pictures and films go together; documents and sounds only among themselves.
INPUTS: dict[str, Any] = {
    "photo": InputMediaPhoto, "video": InputMediaVideo, "document": InputMediaDocument, "audio": InputMediaAudio,
}  # fmt: skip
GROUPS = {"photo": "shown", "video": "shown", "document": "document", "audio": "audio"}
# A button shows so much before it is cut off. What a list says of its options stands above them.
BUTTONS = ChoiceLimits(options=100, title_length=64, text_length=TEXT_LENGTH, links=100, links_alone=False)
LIST = ChoiceLimits(
    options=10, title_length=64, text_length=2048, description_length=72, links=100, links_alone=False
)  # fmt: skip
KEYBOARD = ChoiceLimits(options=100, title_length=64, text_length=TEXT_LENGTH)
CHOICES = {"buttons": BUTTONS, "list": LIST, "quick_replies": KEYBOARD, "keyboard": KEYBOARD}
# That somebody types shows for five seconds.
SIGNALS = {"typing": 4.0, "read": 60.0, "pressed": 60.0}
# What a bot may react with. The fire in a heart is written in two ways.
EMOJIS = (
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 "
    "🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 "
    "🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡 "
    "❤\ufe0f\u200d🔥"
)
REACTIONS = frozenset(EMOJIS.split())
# Whether an emoji is drawn as a text or as a picture is not for Telegram.
VARIATIONS = dict.fromkeys((0xFE0E, 0xFE0F))


def text(bot: AsyncTeleBot, message: Outgoing) -> Awaitable[Any]:
    """A text, as it is: no markup is read into it."""
    return bot.send_message(text=message.text, **_beside(message))


def file(bot: AsyncTeleBot, message: Outgoing, kind: str, what: Any, how: dict[str, Any]) -> Awaitable[Any]:
    """A file as `kind_of` says: its link, what Telegram calls it, or its name and bytes."""
    caption = {"caption": message.text} if message.text else {}
    sending: Awaitable[Any] = getattr(bot, f"send_{kind}")(**{kind: what}, **caption, **how, **_beside(message))
    return sending


def album(bot: AsyncTeleBot, message: Outgoing, files: Iterable[tuple[str, Any]], how: dict[str, Any]) -> Awaitable[Any]:
    """Several files in one call, each with its kind and as `file` has it. The first one's words are those of all."""
    media = [INPUTS[kind](what) for kind, what in files]
    media[0].caption = message.text or None
    return bot.send_media_group(media=media, **how, **_beside(message))


def kind_of(file: Media, caption: str, by_link: bool = False) -> str:
    """What the method is called after. A sticker has no words, and no sound but Ogg is a voice by a link."""
    mime_type = file.mime_type.partition(";")[0].strip()
    if file.kind == "document" or (mime_type in PICTURES and file.size > PHOTO_BYTES):
        return "document"
    if file.kind == "voice" and mime_type in AUDIO and not by_link:
        return "voice"
    if mime_type == "image/webp" and file.kind == "sticker" and not caption and file.size <= STICKER_BYTES:
        return "sticker"
    if mime_type == "image/gif" or (mime_type in VIDEOS and file.kind == "animation"):
        return "animation"
    named = {"photo": PICTURES, "video": VIDEOS, "audio": AUDIO, "voice": VOICES}
    return next((kind for kind, types in named.items() if mime_type in types), "document")


def content(bot: AsyncTeleBot, message: Outgoing, content: Content) -> Awaitable[Any]:
    """A place, a card, a poll, or choices."""
    beside = _beside(message)
    match content:
        case Location(name="", address=""):
            return bot.send_location(latitude=content.latitude, longitude=content.longitude, **beside)
        case Location():
            named: dict[str, Any] = {"title": content.name or content.address, "address": content.address or content.name}
            return bot.send_venue(latitude=content.latitude, longitude=content.longitude, **named, **beside)
        case ContactCards(cards=(card,)) if card.phones:
            name = card.name or card.phones[0]
            return bot.send_contact(phone_number=card.phones[0], first_name=name, **_more(card), **beside)
        case Poll():
            return poll(bot, message, content)
        case Choices():
            return bot.send_message(text=_question(content), reply_markup=_markup(content, message.reference), **beside)
    raise Permanent("not_supported")


def poll(bot: AsyncTeleBot, message: Outgoing, content: Poll, *, names: bool = True) -> Awaitable[Any]:
    """A poll. Without `names` the bot is told only how many chose what."""
    options: list[str | InputPollOption] = list(content.options)
    several = True if content.multiple else None
    return bot.send_poll(
        question=content.question,
        options=options,
        is_anonymous=not names,
        allows_multiple_answers=several,
        **_beside(message),
    )


def changes(bot: AsyncTeleBot, message: Outgoing, content: Modifier) -> Iterator[Awaitable[Any]]:
    """The calls that change what was sent: one for each message, as a rule there is one. Repeating one changes nothing."""
    targets = [each for each in map(telegram_address.named, message.targets) if each]
    if not targets:
        raise Permanent("not_supported")
    if isinstance(content, Deletion):
        for where, some in groupby(targets, key=lambda each: each.place):
            numbers = [each.number for each in some]
            if where.business:
                yield bot.delete_business_messages(where.business, numbers)
            else:
                yield bot.delete_messages(where.chat, numbers)
        return
    for each in targets:
        if isinstance(content, Edit):
            yield _edit(bot, each, content)
        elif not isinstance(content, Reaction) or each.place.business:
            raise Permanent("not_supported")
        else:
            yield bot.set_message_reaction(reaction=_emoji(content), **each.fields)


def signal(bot: AsyncTeleBot, address: str, kind: str, about: str) -> Awaitable[Any]:
    """The call that shows something in passing. Bots cannot read anything but what is written to a business."""
    place = telegram_address.place(address)
    if kind == "typing":
        fields: dict[str, Any] = dict(place.fields)
        return bot.send_chat_action(action="typing", **fields)
    if kind == "pressed":
        return bot.answer_callback_query(about)
    read = telegram_address.named(about)
    if kind == "read" and place.business and read:
        return bot.read_business_message(place.business, place.chat, read.number)
    raise Permanent("not_supported")


def caption(bot: AsyncTeleBot, message: Outgoing, content: Edit) -> Iterator[Awaitable[Any]]:
    """The calls of an edit where the message turned out to be a file: its words are its caption."""
    for each in filter(None, map(telegram_address.named, message.targets)):
        yield bot.edit_message_caption(caption=_words(content), **each.fields)


def _edit(bot: AsyncTeleBot, target: telegram_address.Named, content: Edit) -> Awaitable[Any]:
    if isinstance(content.content, Media):
        return bot.edit_message_caption(caption=_words(content), **target.fields)
    return bot.edit_message_text(text=_words(content), **target.fields)


def _words(content: Edit) -> str:
    return content.content.text


def _emoji(content: Reaction) -> list[ReactionType] | None:
    """One is all that a bot may give; none takes it back."""
    emoji = content.emoji.translate(VARIATIONS)
    return [ReactionTypeEmoji(emoji)] if emoji else None


def _beside(message: Outgoing) -> dict[str, Any]:
    """Where it goes, and what it answers. It is sent also when that is gone."""
    place, quoted = telegram_address.place(message.address), telegram_address.named(message.reply_to)
    beside: dict[str, Any] = dict(place.fields)
    if quoted and (quoted.place.chat, quoted.place.business) == (place.chat, place.business):
        beside["reply_parameters"] = ReplyParameters(quoted.number, allow_sending_without_reply=True)
    return beside


def _more(card: Card) -> dict[str, Any]:
    """What a card says beside a name and a number."""
    if card == Card(name=card.name, phones=card.phones[:1], ids=card.ids):
        return {}
    written = vcards.write(card)
    return {"vcard": written} if len(written.encode()) <= VCARD_BYTES else {}


def _question(choices: Choices) -> str:
    """The question; above the buttons of a list also what they say of themselves, which buttons cannot."""
    whole = joined_lines(choices.header, choices.text, choices.footer)
    if any(each.description or each.section for each in choices.options):
        listed = joined_lines(choices.header, choices.text, choices.listed(), choices.footer)
        return listed if len(listed) <= TEXT_LENGTH else whole
    return whole


def _markup(choices: Choices, reference: str) -> InlineKeyboardMarkup | ReplyKeyboardMarkup:
    """One button a row: titles stay readable on a phone."""
    if choices.style in {"quick_replies", "keyboard"}:
        keyboard = ReplyKeyboardMarkup(
            resize_keyboard=True, one_time_keyboard=choices.style == "quick_replies" or None, row_width=1
        )
        return keyboard.add(*(KeyboardButton(each.title) for each in choices.options))
    rows = [
        InlineKeyboardButton(each.title, callback_data=option_tokens.token(reference, number))
        for number, each in enumerate(choices.options, 1)
    ]
    rows += [InlineKeyboardButton(each.title, url=each.url) for each in choices.links]
    return InlineKeyboardMarkup([[each] for each in rows])
