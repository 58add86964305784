"""Telegram's content, both ways: what the channel sends is shown to people, what people send comes in as Telegram's updates."""

import json
from typing import Any

import msgspec
import pytest
import telegram
from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.model.content import (
    Card,
    ChatChange,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Link,
    Location,
    Media,
    Option,
    Participant,
    Poll,
    Reaction,
    Text,
    Vote,
)
from chat4all.model.deliveries import each_id
from chat4all.model.failures import Permanent
from chat4all.ports import FileLink, Inbound, Outgoing
from ops.simulator.providers.telegram import Telegram
from tests.channels import payloads
from tests.channels.conftest import serving
from tests.simulator.calling import bot
from tests.simulator.conftest import World, until

CAIO = "123456"
REFERENCE = "telegram:0:7:0"
WHICH = Choices("Which?", (Option("r", "Rye"), Option("w", "Wheat")), links=(Link("Shop", "https://shop.example/"),))


def to(text: str = "", address: str = CAIO, **more: Any) -> Outgoing:
    return Outgoing(address, text, REFERENCE, **more)


def telegrams(world: World) -> Telegram:
    provider = world.simulator.channels["telegram"].provider
    assert isinstance(provider, Telegram)
    return provider


async def sent(world: World, content: Content, message: Outgoing | None = None) -> str:
    return await world.channels["telegram"].send_content(message or to(), content)


async def heard(world: World, count: int = 1) -> list[Inbound]:
    """The last so many that people did, as our channel reads them; python-telegram-bot reads the same updates."""
    await until(lambda: len(world.gateway.said) >= count)
    return world.gateway.said[-count:]


def theirs(world: World) -> telegram.Update:
    """The newest update, by python-telegram-bot. It must know all that we say in it."""
    name, _, body = world.gateway.heard[-1]
    assert name == "telegram"
    return parsed(json.loads(body))


def parsed(update: dict[str, Any]) -> telegram.Update:
    made = telegram.Update.de_json(update, None)
    assert made is not None and not made.api_kwargs
    return made


SHOWN: list[tuple[Content, str, dict[str, Any]]] = [
    (Location(41.1, -8.6), "location", {"type": "location", "latitude": 41.1, "longitude": -8.6}),
    (
        Location(41.1, -8.6, "Café Mar", "Rua B, 2"), "venue",
        {"type": "location", "latitude": 41.1, "longitude": -8.6, "name": "Café Mar", "address": "Rua B, 2"},
    ),
    (
        ContactCards((Card("Rui Reis", ("+351911",)),)), "contact",
        {"type": "contact_cards", "cards": [{"name": "Rui Reis", "phones": ["+351911"]}]},
    ),
    (
        WHICH, "text",
        {"type": "choices", "style": "buttons", "text": "Which?",
         "options": [{"id": f"{REFERENCE}#1", "title": "Rye"}, {"id": f"{REFERENCE}#2", "title": "Wheat"}],
         "links": [{"title": "Shop", "url": "https://shop.example/"}]},
    ),
    (
        Choices("Which?", WHICH.options, "quick_replies"), "text",
        {"type": "choices", "style": "quick_replies", "text": "Which?",
         "options": [{"id": "", "title": "Rye"}, {"id": "", "title": "Wheat"}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "shown"), SHOWN)
async def test_what_is_sent_arrives_as_what_it_is(world: World, content: Content, kind: str, shown: dict[str, Any]) -> None:
    """With its content for the phones, and words that can be read."""
    provider_id = await sent(world, content)
    [arrived] = await world.sent()
    assert (arrived["provider_id"], arrived.get("kind", "text"), arrived["content"]) == (provider_id, kind, shown)
    assert arrived["text"]


async def test_a_message_is_reacted_to_edited_and_deleted(world: World) -> None:
    """Each names the message; a deleted one can be changed no more, and neither can another's."""
    channel = world.channels["telegram"]
    first = await channel.send_text(to("hi"))
    await sent(world, Reaction(emoji="❤️"), to(targets=(first,)))
    await sent(world, Edit(Text("bye")), to(targets=(first,)))
    await sent(world, Edit(Text("bye")), to(targets=(first,)))
    message = telegrams(world).chats.find(first)
    assert message is not None and message["text"] == "bye"
    await sent(world, Deletion(), to(targets=(first,)))
    arrived = [each["content"] for each in await world.sent() if each.get("content")]
    assert arrived == [
        {"type": "reaction", "target": first, "emoji": "❤"},
        {"type": "edit", "target": first, "content": {"type": "text", "text": "bye"}},
        {"type": "deletion", "target": first, "targets": [first]},
    ]
    theirs = await world.says("telegram", CAIO, "mine")
    refused: list[tuple[Content, str, str]] = [
        (Edit(Text("x")), first, "target_gone"),
        (Reaction(emoji="👍"), first, "target_gone"),
        (Edit(Text("x")), theirs, "too_late"),
        (Reaction(emoji="🧀"), theirs, "not_supported"),
    ]
    for content, target, reason in refused:
        with pytest.raises(Permanent) as caught:
            await sent(world, content, to(targets=(target,)))
        assert caught.value.reason == reason


async def test_a_poll_is_what_was_asked(world: World) -> None:
    """With its options, whichever way they are written."""
    status, answer = await bot(world, "sendPoll", chat_id=CAIO, question="When?", options=["Nine", {"text": "Ten"}])
    poll = answer["result"]["poll"]
    assert (status, poll["question"], [each["text"] for each in poll["options"]]) == (200, "When?", ["Nine", "Ten"])
    told = {"type": "poll", "question": "When?", "options": ["Nine", "Ten"]}
    assert (await world.sent())[-1]["content"] == told
    await world.says("telegram", CAIO, "", content=told)
    assert len(await heard(world)) == 1
    message = theirs(world).message
    assert message is not None and message.poll is not None and message.poll.question == "When?"


async def test_people_vote_and_a_poll_without_names_is_counted(world: World) -> None:
    """As Telegram tells it: who chose what, by the poll's id; else how many. What the poll does not have nobody can choose."""
    asked, poll = each_id(await sent(world, Poll("When?", ("Nine", "Ten"))))
    for options in ([2], []):
        await world.says("telegram", CAIO, "", content={"type": "vote", "target": asked, "options": options}, name="Caio")
    one, gone = await heard(world, 2)
    assert [(each.content, each.about, each.address) for each in (one, gone)] == [
        (Vote(options=(2,)), poll, CAIO), (Vote(), poll, CAIO),
    ]  # fmt: skip
    answer = theirs(world).poll_answer
    assert answer is not None and answer.user is not None and answer.option_ids == () and f"poll:{answer.poll_id}" == poll
    _, hidden = await bot(world, "sendPoll", chat_id=CAIO, question="When?", options=["Nine", "Ten"])
    number = hidden["result"]["message_id"]
    await world.says("telegram", CAIO, "", content={"type": "vote", "target": f"{CAIO}:{number}", "options": [1]})
    [counted] = (await heard(world, 3))[-1:]
    assert (counted.content, counted.address) == (Vote(counts=(1, 0)), "")
    known = theirs(world).poll
    assert known is not None and known.total_voter_count == 1
    for wrong in ({"target": asked, "options": [3]}, {"target": asked, "options": [1, 2]}, {"target": "9:9", "options": [1]}):
        body = {"channel": "telegram", "from": CAIO, "text": "", "content": {"type": "vote", **wrong}}
        await world.control("POST", "/inbound", 422, json=body)


async def test_an_answer_quotes_and_goes_also_when_the_quoted_is_gone(world: World) -> None:
    """reply_parameters name what is answered; a message that never was is not a reason to be silent."""
    asked = await world.says("telegram", CAIO, "open?")
    channel = world.channels["telegram"]
    await channel.send_text(to("yes", reply_to=asked))
    await channel.send_text(to("yes", reply_to=f"{CAIO}:999999999"))
    assert [each.get("reply_to", "") for each in await world.sent()] == [asked, ""]


async def test_a_button_is_pressed_and_stops_to_spin(world: World) -> None:
    """The press has the token of the option and what stands on the button; the answer to it ends its waiting."""
    asked = await sent(world, WHICH)
    await world.says("telegram", CAIO, "", content={"type": "answer", "target": asked, "option": f"{REFERENCE}#2"}, name="Caio")
    [press] = await heard(world)
    assert (press.option, press.about, press.text, press.sender_name) == (f"{REFERENCE}#2", asked, "Wheat", "Caio")
    query = theirs(world).callback_query
    assert query is not None and query.data == f"{REFERENCE}#2" and isinstance(query.message, telegram.Message)
    assert telegrams(world).chats.presses == {query.id: False}
    await world.channels["telegram"].signal(CAIO, "pressed", press.press)
    assert telegrams(world).chats.presses == {query.id: True}
    with pytest.raises(Permanent):
        await world.channels["telegram"].signal(CAIO, "pressed", "17")


SAID: list[tuple[dict[str, Any], str]] = [
    ({"type": "location", "latitude": 41.1, "longitude": -8.6}, "location"),
    ({"type": "location", "latitude": 41.1, "longitude": -8.6, "name": "Café Mar", "address": "Rua B, 2"}, "venue"),
    ({"type": "contact_cards", "cards": [{"name": "Rui", "phones": ["+351911"], "emails": ["rui@baker.example"]}]}, "contact"),
    ({"type": "form", "button": "Book", "answers": {"day": "Monday", "people": 2}}, "web_app_data"),
]


@pytest.mark.parametrize(("content", "part"), SAID)
async def test_what_people_send_is_read_as_what_it_is(world: World, content: dict[str, Any], part: str) -> None:
    """Our channel gives the content back; python-telegram-bot finds the same part in the message."""
    await world.says("telegram", CAIO, "", content=content)
    [inbound] = await heard(world)
    assert inbound.content is not None and inbound.text == inbound.content.as_text()
    assert json.loads(msgspec.json.encode(inbound.content)) == content
    message = theirs(world).message
    assert message is not None and getattr(message, part) is not None and message.text is None


async def test_people_react_edit_and_choose_by_words(world: World) -> None:
    """Each as an update of its own, about the message by its id; the key of a keyboard is a text."""
    first = await world.channels["telegram"].send_text(to("hi"))
    mine = await world.says("telegram", CAIO, "helo")
    await world.says("telegram", CAIO, "", content={"type": "reaction", "target": first, "emoji": "🔥"})
    reaction = (await heard(world, 2))[-1]
    assert (reaction.content, reaction.about) == (Reaction(emoji="🔥"), first)
    update = theirs(world).message_reaction
    assert update is not None and [each.type for each in update.new_reaction] == ["emoji"]
    edit = {"type": "edit", "target": mine, "content": {"type": "text", "text": "hello"}}
    await world.says("telegram", CAIO, "", content=edit)
    await world.says("telegram", CAIO, "", content={"type": "answer", "title": "Rye"})
    edited, chosen = (await heard(world, 4))[-2:]
    assert (edited.content, edited.edits, edited.text) == (Edit(Text("hello")), mine, "[edited] hello")
    assert (chosen.text, chosen.content) == ("Rye", None)


async def test_groups_change(world: World) -> None:
    """Who comes and goes, by themselves or because of others, titles and pins: told by the group, and by nobody in it."""
    people: dict[str, Any] = {"people": [{"name": "Ana"}]}
    words: dict[str, Any] = {"text": "Bakers"}
    told = {"joined": people, "left": people, "removed": people, "titled": words, "pinned": words}
    for kind, given in told.items():
        await world.says("telegram", "-1005550001", "", name="Rui", content={"type": "chat_change", "kind": kind, **given})
    found = await heard(world, len(told))
    ana = Participant("Ana", found[0].content.people[0].id) if isinstance(found[0].content, ChatChange) else Participant()
    rui = found[0].content.by_id if isinstance(found[0].content, ChatChange) else ""
    assert [each.content for each in found] == [
        ChatChange("joined", (ana,), "Rui", rui),
        ChatChange("left", (ana,)),
        ChatChange("removed", (ana,), "Rui", rui),
        ChatChange("titled", (), "Rui", rui, "Bakers"),
        ChatChange("pinned", (), "Rui", rui, "Bakers"),
    ]
    assert ana.id != rui
    assert {(each.address, each.speaker, each.speaker_id) for each in found} == {("-1005550001", "", "")}
    assert found[3].sender_name == "Bakers"
    assert found[4].reply_to == "-1005550001:1"


async def test_topics_and_chats_of_a_business_are_places_of_their_own(world: World) -> None:
    """What comes from there is answered there; who answers for a business hears also of deletions."""
    for number, address in enumerate(("-1001234567890.45", f"{CAIO}@BqC_1-x"), 1):
        asked = await world.says("telegram", address, "open?")
        inbound = (await heard(world, number))[-1]
        assert inbound.address == address
        await world.channels["telegram"].send_text(to("yes", inbound.address, reply_to=inbound.provider_id))
        arrived = (await world.sent())[-1]
        assert (arrived["to"], arrived["reply_to"]) == (address, asked)
    await world.says("telegram", f"{CAIO}@BqC_1-x", "", content={"type": "deletion", "target": asked})
    deleted = (await heard(world, 3))[-1]
    assert (deleted.content, deleted.about) == (Deletion(), asked)
    mine = (await world.sent())[-1]["provider_id"]
    await sent(world, Deletion(), to("", f"{CAIO}@BqC_1-x", targets=(mine,)))
    assert telegrams(world).chats.find(mine) is None


@pytest.mark.parametrize(
    "content",
    [{"type": "order"}, {"type": "answer", "target": "123456:99", "option": "x"}, {"type": "location"}, {"type": "reaction"},
     {"type": "reaction", "target": "123456:999999999", "emoji": "👍"}, {"type": "contact_cards", "cards": []},
     {"type": "edit", "target": "123456:999999999"}],
)  # fmt: skip
async def test_what_people_cannot_send_is_refused(world: World, content: dict[str, Any]) -> None:
    """The control API says what is wrong with it."""
    await world.control("POST", "/inbound", 422, json={"channel": "telegram", "from": CAIO, "text": "", "content": content})
    assert world.gateway.said == []


KNOWN = [name for channel, name in payloads.webhooks() if channel == "telegram"]
# What the library does not know, or what is no update at all.
ODD = frozenset({"malformed", "malformed_media", "not_a_message", "not_an_update", "not_json", "half_characters"})


@pytest.mark.parametrize("name", sorted({*KNOWN} - ODD))
def test_a_library_parses_the_recorded_updates(name: str) -> None:
    """What our tests take for Telegram's updates python-telegram-bot takes for such too, in the same chat."""
    body, expected = payloads.webhook("telegram", name)
    update = telegram.Update.de_json(json.loads(body), None)
    assert update is not None
    for each in expected:
        if isinstance(each, Inbound) and update.effective_chat:
            assert each.address.split(".")[0].split("@")[0] == str(update.effective_chat.id)


MARKUP = {"inline_keyboard": [[{"text": "Rye", "callback_data": "x" * 65}]]}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"text": "?", "reply_markup": MARKUP}, "BUTTON_DATA_INVALID"),
    ("sendMessage", {"text": "?", "reply_markup": {"inline_keyboard": [[{"text": "Rye"}]]}},
     "text buttons are unallowed in the inline keyboard"),
    ("sendMessage", {"text": "?", "reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
    ("sendMessage", {"text": "?", "reply_parameters": {"message_id": 999999999}}, "message to be replied not found"),
    ("sendMessage", {"text": "?", "business_connection_id": "nobody"}, "business connection not found"),
    ("sendContact", {"first_name": "Rui"}, "phone number must be non-empty"),
    ("sendContact", {"first_name": "Rui", "phone_number": "1", "vcard": "x" * 2049}, "vCard is too long"),
    ("sendPoll", {"options": ["a", "b"]}, "poll question must be non-empty and have at most 300 characters"),
    ("sendPoll", {"question": "?", "options": ["a"]}, "poll must have 2 to 12 options"),
    ("sendPoll", {"question": "?", "options": ["a", {"text": "b" * 101}]},
     "poll options must be non-empty and have at most 100 characters"),
    ("setMessageReaction", {"message_id": 999999999, "reaction": []}, "message to react not found"),
    ("editMessageText", {"message_id": 999999999, "text": "x"}, "message to edit not found"),
    ("deleteMessage", {"message_id": 999999999}, "message to delete not found"),
    ("deleteMessages", {"message_ids": list(range(1, 102))}, "too many messages to delete"),
    ("answerCallbackQuery", {"callback_query_id": "17"},
     "query is too old and response timeout expired or query ID is invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "given", "words"), REFUSED)
async def test_telegram_refuses(world: World, method: str, given: dict[str, Any], words: str) -> None:
    """In Telegram's words; nothing arrives."""
    status, answer = await bot(world, method, chat_id=CAIO, **given)
    assert (status, answer) == (400, {"ok": False, "error_code": 400, "description": f"Bad Request: {words}"})
    assert await world.sent() == []


async def test_a_voice_note_and_a_sticker_are_shown_as_such(world: World) -> None:
    """What our channel sends by sendVoice and sendSticker, from a link, is one on the phone."""

    async def handler(request: BaseRequest) -> web.Response:
        return web.Response(body=b"x" * 9, content_type=request.query["type"])

    async with serving(handler) as url:
        for kind, mime_type in (("voice", "audio/ogg"), ("sticker", "image/webp")):
            file = Media("f", mime_type=mime_type, kind=kind, size=9)
            await world.channels["telegram"].send_file(to(), file, FileLink(f"{url}/?type={mime_type}"))
    assert [(each["kind"], each["content"]["kind"]) for each in await world.sent()] == [
        ("voice", "voice"),
        ("sticker", "sticker"),
    ]
