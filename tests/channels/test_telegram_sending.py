"""What Telegram is sent for each kind of content, word for word, and as python-telegram-bot writes the same."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
import telegram
import telegram.constants
from aiohttp import web
from aiohttp.web_request import BaseRequest
from msgspec.structs import replace
from telegram.request import BaseRequest as PtbRequest
from telegram.request import RequestData

from chat4all.channels import open_channel, telegram_address
from chat4all.model.content import (
    Album,
    Card,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Link,
    Location,
    Media,
    Option,
    Poll,
    Reaction,
    Text,
)
from chat4all.model.deliveries import each_id
from chat4all.model.failures import Permanent, Temporary
from chat4all.ports import Body, FileLink, Outgoing, Taken
from chat4all.services.acceptance.adaptation import adapted
from chat4all.settings import Settings
from tests.channels.conftest import Open, serving

REFERENCE = "telegram:0:7:0"
URL = "https://files.example/1"
ALBUM_SENT = {
    "ok": True,
    "result": [{"message_id": n, "date": 1, "chat": {"id": 123456, "type": "private"}, "media_group_id": "g"} for n in (9, 10)],
}
SENT: dict[str, Any] = {"ok": True, "result": {"message_id": 9, "date": 1, "chat": {"id": 123456, "type": "private"}}}
RYE = Option("rye", "Rye", "dark", "Bread")
WHEAT = Option("wheat", "Wheat", "light", "Bread")
SHOP = Link("Shop", "https://shop.example/")
CARD = Card("Rui Reis", ("+351911",))
FULL = Card("Rui Reis", ("+351911", "+351922"), ("rui@baker.example",), "Bakery; Sons", ids={"telegram": "777"})
VCARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Rui Reis\r\nN:Rui Reis;;;;\r\nTEL:+351911\r\nTEL:+351922\r\nEMAIL:rui@baker.example\r\n"
    "ORG:Bakery\\; Sons\r\nEND:VCARD\r\n"
)

Call = tuple[str, dict[str, Any]]


def to(address: str = "123456", text: str = "", **more: Any) -> Outgoing:
    return Outgoing(address, text, REFERENCE, **more)


def media(mime_type: str, kind: str = "", size: int = 5) -> Media:
    return Media("f", mime_type=mime_type, kind=kind, size=size)


def read(form: dict[str, str]) -> dict[str, Any]:
    """The fields of a form; those that hold JSON as what they say. Telegram reads true and false in whatever letters."""
    given = {name: value.lower() if value in {"True", "False"} else value for name, value in form.items()}
    return {name: json.loads(value) if value[:1] in {"{", "["} else value for name, value in given.items()}


async def ours(opened: Open, message: Outgoing, content: Content, answer: Any = SENT) -> list[Call]:
    """The calls that our channel makes."""
    calls: list[Call] = []

    async def handler(request: BaseRequest) -> web.Response:
        calls.append((request.path.rpartition("/")[2], read(dict(parse_qsl(await request.text(), keep_blank_values=True)))))
        return web.json_response(answer)

    async with serving(handler) as url:
        channel = opened("telegram", url)
        if isinstance(content, Album):
            await channel.send_album(message, content.items, [FileLink(URL)] * len(content.items))
        elif isinstance(content, Media):
            await channel.send_file(message, content, FileLink(URL))
        elif isinstance(content, Text):
            await channel.send_text(message)
        else:
            await channel.send_content(message, content)
    return calls


class Noted(PtbRequest):
    """Takes down what the library would send."""

    read_timeout = 5.0

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def do_request(  # type: ignore[override]
        self, url: str, method: str, request_data: RequestData | None = None, **_: Any
    ) -> tuple[int, bytes]:
        assert request_data is not None
        self.calls.append((url.rpartition("/")[2], read(request_data.json_parameters)))
        whole = url.endswith(("setMessageReaction", "deleteMessages", "deleteBusinessMessages"))
        answer = ALBUM_SENT if url.endswith("sendMediaGroup") else SENT
        return 200, json.dumps({"ok": True, "result": True} if whole else answer).encode()


Library = Callable[[telegram.Bot], Awaitable[Any]]
inline = telegram.InlineKeyboardButton
INLINE = telegram.InlineKeyboardMarkup(
    [
        [inline("Rye", callback_data=f"{REFERENCE}#1")],
        [inline("Wheat", callback_data=f"{REFERENCE}#2")],
        [inline("Shop", url=SHOP.url)],
    ]
)
KEYS = [[telegram.KeyboardButton("Rye")], [telegram.KeyboardButton("Wheat")]]
QUOTED = telegram.ReplyParameters(8, allow_sending_without_reply=True)
CHOICES = Choices("Which?", (Option("r", "Rye"), Option("w", "Wheat")), links=(SHOP,))
# What is sent, and how a library that knows nothing of ours sends the same.
TABLE: dict[str, tuple[Outgoing, Content, Library]] = {
    "text": (to(text="hi"), Text("hi"), lambda bot: bot.send_message(123456, "hi")),
    "text that answers": (
        to(text="hi", reply_to="123456:8"), Text("hi"), lambda bot: bot.send_message(123456, "hi", reply_parameters=QUOTED),
    ),
    "text that answers a message of another chat": (
        to(text="hi", reply_to="7777:8"), Text("hi"), lambda bot: bot.send_message(123456, "hi"),
    ),
    "text that answers a press": (
        to(text="hi", reply_to="callback:4711"), Text("hi"), lambda bot: bot.send_message(123456, "hi"),
    ),
    "text in a topic": (
        to("-1005550001.45", "hi", reply_to="-1005550001:8"), Text("hi"),
        lambda bot: bot.send_message(-1005550001, "hi", message_thread_id=45, reply_parameters=QUOTED),
    ),
    "text for a business": (
        to("123456@BqC_1-x", "hi", reply_to="123456@BqC_1-x:8"), Text("hi"),
        lambda bot: bot.send_message(123456, "hi", business_connection_id="BqC_1-x", reply_parameters=QUOTED),
    ),
    "location": (to(), Location(41.1, -8.6), lambda bot: bot.send_location(123456, 41.1, -8.6)),
    "venue": (
        to(), Location(41.1, -8.6, "Café Mar", "Rua B, 2"),
        lambda bot: bot.send_venue(123456, 41.1, -8.6, "Café Mar", "Rua B, 2"),
    ),
    "venue without an address": (
        to(), Location(41.1, -8.6, "Café Mar"), lambda bot: bot.send_venue(123456, 41.1, -8.6, "Café Mar", "Café Mar"),
    ),
    "card": (to(), ContactCards((CARD,)), lambda bot: bot.send_contact(123456, "+351911", "Rui Reis")),
    "card with more": (to(), ContactCards((FULL,)), lambda bot: bot.send_contact(123456, "+351911", "Rui Reis", vcard=VCARD)),
    "buttons": (to(), CHOICES, lambda bot: bot.send_message(123456, "Which?", reply_markup=INLINE)),
    "list": (
        to(), Choices("Which?", (RYE, WHEAT), "list", links=(SHOP,), footer="today"),
        lambda bot: bot.send_message(
            123456, "Which?\nBread:\n1. Rye - dark\n2. Wheat - light\ntoday", reply_markup=INLINE
        ),
    ),
    "quick replies": (
        to(), Choices("Which?", CHOICES.options, "quick_replies"),
        lambda bot: bot.send_message(
            123456, "Which?", reply_markup=telegram.ReplyKeyboardMarkup(KEYS, resize_keyboard=True, one_time_keyboard=True)
        ),
    ),
    "keyboard": (
        to(), Choices("Which?", CHOICES.options, "keyboard"),
        lambda bot: bot.send_message(123456, "Which?", reply_markup=telegram.ReplyKeyboardMarkup(KEYS, resize_keyboard=True)),
    ),
    "poll": (to(), Poll("When?", ("Nine", "Ten")), lambda bot: bot.send_poll(123456, "When?", ["Nine", "Ten"], False)),
    "poll with several answers": (
        to(), Poll("When?", ("Nine", "Ten"), multiple=True),
        lambda bot: bot.send_poll(123456, "When?", ["Nine", "Ten"], False, allows_multiple_answers=True),
    ),
    "reaction": (to(targets=("123456:8",)), Reaction(emoji="👍"), lambda bot: bot.set_message_reaction(123456, 8, "👍")),
    "reaction of another sort": (
        to(targets=("123456:8",)), Reaction(emoji="❤️"), lambda bot: bot.set_message_reaction(123456, 8, "❤"),
    ),
    "reaction taken back": (to(targets=("123456:8",)), Reaction(), lambda bot: bot.set_message_reaction(123456, 8)),
    "edit": (to(targets=("123456:8",)), Edit(Text("bye")), lambda bot: bot.edit_message_text("bye", 123456, 8)),
    "edit for a business": (
        to("123456@BqC_1-x", targets=("123456@BqC_1-x:8",)), Edit(Text("bye")),
        lambda bot: bot.edit_message_text("bye", 123456, 8, business_connection_id="BqC_1-x"),
    ),
    "edited caption": (
        to(targets=("123456:8",)), Edit(Media("f", "bye")), lambda bot: bot.edit_message_caption(123456, 8, caption="bye"),
    ),
    "deletion": (
        to(targets=("123456:8", "123456:9")), Deletion(), lambda bot: bot.delete_messages(123456, [8, 9]),
    ),
    "deletion for a business": (
        to("123456@BqC_1-x", targets=("123456@BqC_1-x:8",)), Deletion(),
        lambda bot: bot.delete_business_messages("BqC_1-x", [8]),
    ),
    "picture": (to(text="look"), media("image/jpeg"), lambda bot: bot.send_photo(123456, URL, "look")),
    "picture that answers": (
        to(reply_to="123456:8"), media("image/webp"), lambda bot: bot.send_photo(123456, URL, reply_parameters=QUOTED),
    ),
    "sticker": (to(), media("image/webp", "sticker"), lambda bot: bot.send_sticker(123456, URL)),
    "sticker with words": (to(text="look"), media("image/webp", "sticker"), lambda bot: bot.send_photo(123456, URL, "look")),
    "sticker too large": (to(), media("image/webp", "sticker", 1 << 20), lambda bot: bot.send_photo(123456, URL)),
    "gif": (to(), media("image/gif"), lambda bot: bot.send_animation(123456, URL)),
    "gif as a file": (to(), media("image/gif", "document"), lambda bot: bot.send_document(123456, URL)),
    "film that moves": (to(), media("video/mp4", "animation"), lambda bot: bot.send_animation(123456, URL)),
    "film": (to(), media("video/mp4"), lambda bot: bot.send_video(123456, URL)),
    "voice": (to(), media("audio/ogg; codecs=opus", "voice"), lambda bot: bot.send_voice(123456, URL)),
    "song": (to(), media("audio/mpeg"), lambda bot: bot.send_audio(123456, URL)),
    "album of pictures and films": (
        to(text="look"), Album((media("image/jpeg"), media("video/mp4"))),
        lambda bot: bot.send_media_group(
            123456, [telegram.InputMediaPhoto(URL), telegram.InputMediaVideo(URL)], caption="look",
        ),
    ),
    "album of sounds that answers, in a topic": (
        to("-1005550001.45", reply_to="-1005550001:8"), Album((media("audio/mpeg"), media("audio/mp4"))),
        lambda bot: bot.send_media_group(
            -1005550001, [telegram.InputMediaAudio(URL)] * 2, message_thread_id=45, reply_parameters=QUOTED,
        ),
    ),
    "album of documents": (
        to("123456@BqC_1-x"), Album((media("application/pdf"), media("image/jpeg", "document"))),
        lambda bot: bot.send_media_group(123456, [telegram.InputMediaDocument(URL)] * 2, business_connection_id="BqC_1-x"),
    ),
    "document": (to(text="see"), media("application/pdf"), lambda bot: bot.send_document(123456, URL, "see")),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
async def test_a_library_writes_the_same_request(name: str, opened: Open) -> None:
    """The same method with the same fields, nothing more and nothing less."""
    message, content, library = TABLE[name]
    noted = Noted()
    await library(telegram.Bot("1:x", request=noted, get_updates_request=Noted()))
    assert await ours(opened, message, content, ALBUM_SENT if isinstance(content, Album) else SENT) == noted.calls


def test_all_that_is_declared_is_in_the_table(settings: Settings) -> None:
    """Each kind of content, style of choices and type of file that the limits name is sent by a row of it."""
    limits = open_channel("telegram", settings).limits
    sent = [content for _, content, _ in TABLE.values()]
    styles = {each.style for each in sent if isinstance(each, Choices)}
    kinds = {str(each.__struct_config__.tag) for each in sent} - {"text", "file", "choices"}
    assert kinds == set(limits.contents)
    assert styles == set(limits.choices)


def test_the_reactions_are_those_that_a_library_knows(settings: Settings) -> None:
    """However an emoji is written it goes as it is: every one that python-telegram-bot lists, and no other."""
    limits = open_channel("telegram", settings).limits
    known = [each.value for each in telegram.constants.ReactionEmoji]
    assert all(limits.carries(Reaction(emoji=each)) for each in known)
    assert {each.replace("\ufe0f", "") for each in known} == {each.replace("\ufe0f", "") for each in limits.reactions}
    assert not limits.carries(Reaction(emoji="🧀"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("REACTION_INVALID", "not_supported"),
        ("message to react not found", "target_gone"),
        ("PEER_ID_INVALID", "unknown_address"),
    ],
)
async def test_a_refused_reaction_says_why(words: str, reason: str, opened: Open) -> None:
    """An emoji that Telegram does not know as a reaction is not supported, whatever is tried."""
    refusal = {"ok": False, "error_code": 400, "description": f"Bad Request: {words}"}
    with pytest.raises(Permanent) as caught:
        await ours(opened, to(targets=("123456:8",)), Reaction(emoji="🧀"), refusal)
    assert caught.value.reason == reason


async def test_a_poll_has_an_id_of_its_own_and_tells_who_votes_where_it_may(opened: Open) -> None:
    """In a channel of Telegram's own it may not: nothing was sent by the call that was refused, and the poll counts only."""
    calls: list[str] = []

    async def handler(request: BaseRequest) -> web.Response:
        calls.append(dict(parse_qsl(await request.text()))["is_anonymous"].lower())
        words = "Bad Request: non-anonymous polls can't be sent to channel chats"
        if calls == ["false"]:
            return web.json_response({"ok": False, "error_code": 400, "description": words}, status=400)
        options = [{"text": each, "voter_count": 0, "persistent_id": each} for each in ("Nine", "Ten")]
        poll = {"id": "521", "question": "When?", "options": options, "total_voter_count": 0, "is_closed": False}
        poll |= {
            "is_anonymous": True,
            "type": "regular",
            "allows_multiple_answers": False,
            "allows_revoting": True,
            "members_only": False,
        }
        return web.json_response({"ok": True, "result": {**SENT["result"], "poll": poll}})

    async with serving(handler) as url:
        taken = await opened("telegram", url).send_content(to(), Poll("When?", ("Nine", "Ten")))
    assert calls == ["false", "true"]
    first, poll = each_id(taken)
    assert (first.partition(":")[0], poll) == ("123456", "poll:521")
    assert telegram_address.named(poll) is None, "no call may take it for a message"


async def test_what_was_changed_already_is_changed(opened: Open) -> None:
    """An edit that is made a second time is refused by Telegram as no change: it is what was wanted."""
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: message is not modified: specified new message …"}
    assert len(await ours(opened, to(targets=("123456:8",)), Edit(Text("bye")), refusal)) == 1


async def test_the_words_of_a_file_are_its_caption(opened: Open) -> None:
    """Whether the message was a text or a file only Telegram knows: the second call says what the first could not."""
    calls: list[str] = []

    async def handler(request: BaseRequest) -> web.Response:
        calls.append(request.path.rpartition("/")[2])
        refusal = {"ok": False, "error_code": 400, "description": "Bad Request: there is no text in the message to edit"}
        return web.json_response(refusal if len(calls) == 1 else SENT)

    async with serving(handler) as url:
        taken = await opened("telegram", url).send_content(to(targets=("123456:8",)), Edit(Text("bye")))
    assert calls == ["editMessageText", "editMessageCaption"]
    assert taken == f"123456:8:edit:{REFERENCE}"


async def test_the_words_of_a_file_that_went_as_a_link_are_no_caption(opened: Open) -> None:
    """Telegram says so, and nothing is changed: the text keeps its link."""
    refusal = {"ok": False, "error_code": 400, "description": "Bad Request: there is no caption in the message to edit"}
    with pytest.raises(Permanent) as caught:
        await ours(opened, to(targets=("123456:8",)), Edit(Media("", "bye")), refusal)
    assert caught.value.reason == "not_supported"


def carried(data: bytes = b"pixels") -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return Body(len(data), chunks, 1.0)


AS_DOCUMENT = {"ok": True, "result": SENT["result"] | {"document": {"file_id": "DOC", "file_unique_id": "d"}}}


@pytest.mark.parametrize("why", ["PHOTO_INVALID_DIMENSIONS", "IMAGE_PROCESS_FAILED", "wrong remote file: PHOTO_EXT_INVALID"])
async def test_a_picture_that_is_not_shown_as_one_goes_as_a_document(why: str, opened: Open) -> None:
    """Whole, with its words; the next send of it goes as one at once, by the id that the document was given."""
    calls: list[tuple[str, str, Any]] = []

    async def handler(request: BaseRequest) -> web.Response:
        form, method = await request.post(), request.path.rpartition("/")[2]
        what = form.get("photo", form.get("document"))
        calls.append((method, str(form["caption"]), what.file.read() if isinstance(what, web.FileField) else what))
        refusal = {"ok": False, "error_code": 400, "description": f"Bad Request: {why}"}
        return web.json_response(refusal if method == "sendPhoto" else AS_DOCUMENT)

    file = Media("f", "look", "wide.png", "image/png", 6, "key")
    async with serving(handler) as url:
        channel = opened("telegram", url)
        assert channel.shown_as(file) == "photo wide.png"
        taken = await channel.send_file(to(text="look"), file, carried())
        assert isinstance(taken, Taken)
        assert taken.uploaded
        assert (taken, taken.uploaded.handle, channel.shown_as(file)) == ("123456:9", "DOC", "document wide.png")
        await channel.send_file(to(text="look"), file, taken.uploaded)
        assert channel.shown_as(replace(file, object_key="another")) == "photo wide.png"
    assert calls == [("sendPhoto", "look", b"pixels"), ("sendDocument", "look", b"pixels"), ("sendDocument", "look", "DOC")]


async def test_an_album_is_one_call_with_the_bytes_of_all_its_files(opened: Open) -> None:
    """The answer has the ids of all, and what Telegram calls each file from then on; one that it has is named."""
    calls: list[dict[str, Any]] = []
    photo = {"photo": [{"file_id": "small", "file_unique_id": "s", "width": 1, "height": 1},
                       {"file_id": "PIC", "file_unique_id": "p", "width": 9, "height": 9}]}  # fmt: skip
    answer = [each | photo for each in ALBUM_SENT["result"]]  # type: ignore[attr-defined]

    async def handler(request: BaseRequest) -> web.Response:
        form = await request.post()
        media = json.loads(str(form["media"]))
        for each in media:
            name = each["media"].removeprefix("attach://")
            if name in form:
                each["media"] = (form[name].filename, form[name].file.read())  # type: ignore[union-attr]
        calls.append({"method": request.path.rpartition("/")[2], "media": media, "chat_id": form["chat_id"]})
        return web.json_response({"ok": True, "result": answer})

    files = [Media("f", "", f"{n}.jpg", "image/jpeg", 6, f"key{n}") for n in range(2)]
    async with serving(handler) as url:
        channel = opened("telegram", url)
        taken = await channel.send_album(to(text="look"), files, [carried(b"one"), carried(b"two")])
        assert isinstance(taken, Taken)
        assert each_id(taken) == ("123456:9", "123456:10")
        assert [each.handle for each in taken.each_uploaded if each] == ["PIC", "PIC"]
        kept = taken.each_uploaded[0]
        assert kept
        await channel.send_album(to(), files, [kept, carried(b"two")])
    assert calls == [
        {"method": "sendMediaGroup", "chat_id": "123456",
         "media": [{"type": "photo", "media": ("0.jpg", b"one"), "caption": "look"},
                   {"type": "photo", "media": ("1.jpg", b"two")}]},
        {"method": "sendMediaGroup", "chat_id": "123456",
         "media": [{"type": "photo", "media": "PIC"}, {"type": "photo", "media": ("1.jpg", b"two")}]},
    ]  # fmt: skip


async def test_an_album_with_a_picture_that_is_not_shown_as_one_goes_as_documents(opened: Open) -> None:
    """Nothing of it was sent by the first call; at the next try all go as documents, which do not mix with films."""
    kinds: list[list[str]] = []

    async def handler(request: BaseRequest) -> web.Response:
        form = await request.post()
        kinds.append([each["type"] for each in json.loads(str(form["media"]))])
        refusal = {"ok": False, "error_code": 400, "description": "Bad Request: failed to send message #1 with the error "
                   "message \"PHOTO_INVALID_DIMENSIONS\""}  # fmt: skip
        return web.json_response(refusal if "photo" in kinds[-1] else ALBUM_SENT)

    files = [Media("f", "", "wide.png", "image/png", 6, "wide"), Media("g", "", "a.mp4", "video/mp4", 6, "film")]
    async with serving(handler) as url:
        channel = opened("telegram", url)
        with pytest.raises(Temporary):
            await channel.send_album(to(), files, [carried(), carried()])
        await channel.send_album(to(), files, [carried(), carried()])
    assert kinds == [["photo", "video"], ["document", "document"]]


def test_what_stands_in_an_album_is_told_by_its_kind(settings: Settings) -> None:
    """Pictures and films together, documents and sounds among themselves; what moves, talks or sticks goes alone."""
    channel = open_channel("telegram", settings)
    groups = {
        "image/jpeg": "shown", "video/mp4": "shown", "application/pdf": "document", "audio/mpeg": "audio", "image/gif": "",
        "audio/ogg": "",
    }  # fmt: skip
    assert {each: channel.album_group(media(each)) for each in groups} == groups
    assert channel.album_group(media("image/png", size=11 << 20)) == "document"
    assert channel.album_group(media("image/webp", "sticker")) == ""


@pytest.mark.parametrize("kind", ["", "document"])
async def test_another_refusal_of_a_picture_is_final(kind: str, opened: Open) -> None:
    """One call: another way changes nothing of who it goes to, and nothing comes after a document."""
    why = "IMAGE_PROCESS_FAILED" if kind else "chat not found"
    calls: list[str] = []

    async def handler(request: BaseRequest) -> web.Response:
        calls.append(request.path.rpartition("/")[2])
        return web.json_response({"ok": False, "error_code": 400, "description": f"Bad Request: {why}"})

    async with serving(handler) as url:
        with pytest.raises(Permanent):
            await opened("telegram", url).send_file(to(), media("image/png", kind), carried())
    assert calls == ["sendDocument" if kind else "sendPhoto"]


async def test_a_change_without_a_target_that_telegram_knows_is_refused(opened: Open) -> None:
    """What was a press of a button, or stands in a business's chat, has nothing to react to."""
    for targets in ((), ("callback:4711",), ("123456@BqC_1-x:8",)):
        with pytest.raises(Permanent):
            await ours(opened, to(targets=targets), Reaction(emoji="👍"))


def test_each_card_is_a_send(settings: Settings) -> None:
    """Telegram takes one card a call and none without a number: several are several parts, and the other is words."""
    limits = open_channel("telegram", settings).limits
    assert adapted(ContactCards((CARD,)), "", limits) == ()
    assert adapted(ContactCards((CARD, FULL)), "Eva", limits) == ("Eva:", ContactCards((CARD,)), ContactCards((FULL,)))
    assert adapted(ContactCards((CARD, Card("Ana"))), "", limits) == ("👤 Rui Reis, +351911\n👤 Ana",)


@pytest.mark.parametrize(
    ("written", "address"),
    [(" 123456 ", "123456"), ("-1005550001.45", "-1005550001.45"), ("123456@BqC_1-x", "123456@BqC_1-x"), ("12", ""),
     ("caio", ""), ("123456.", ""), ("123456.0", ""), ("123456@", ""), ("123456.4@x", ""), ("@caio", "")],
)  # fmt: skip
def test_addresses_are_chats_topics_and_chats_of_businesses(written: str, address: str, settings: Settings) -> None:
    """One way to write each; all else is refused."""
    channel = open_channel("telegram", settings)
    if address:
        assert channel.address(written) == address
    else:
        with pytest.raises(ValueError, match="Telegram address"):
            channel.address(written)
