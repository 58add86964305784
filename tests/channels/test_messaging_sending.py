"""What goes out to Messenger and Instagram beside words and files, word for word, and which of it is declared."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from msgspec.structs import replace

from chat4all.channels import open_channel
from chat4all.model import option_tokens
from chat4all.model.content import Choices, Content, Deletion, Edit, Link, Location, Media, Option, Reaction, Text
from chat4all.model.failures import Temporary, Unknown
from chat4all.ports import Channel, FileLink, Outgoing
from chat4all.services.acceptance.adaptation import adapted, carried
from chat4all.settings import Settings
from tests.channels.conftest import Open, serving
from tests.channels.test_sending import captured

PLATFORMS = ("instagram", "messenger")
ADDRESS = "6789012345"
EITHER = Choices("Tea or coffee?", (Option("a", "Tea"), Option("b", "Coffee")))


def outgoing(channel: str, **more: Any) -> Outgoing:
    return Outgoing(ADDRESS, "", f"{channel}:0:7:0", **more)


def envelope(channel: str, message: dict[str, Any]) -> dict[str, Any]:
    """The body of a send with this message."""
    if channel == "instagram":
        return {"recipient": {"id": ADDRESS}, "message": message}
    reference = f"{channel}:0:7:0"
    return {"recipient": {"id": ADDRESS}, "messaging_type": "RESPONSE", "message": {**message, "metadata": reference}}


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("as_human", [False, True])
@pytest.mark.parametrize("content", [Text("hello"), EITHER, Media("f", mime_type="image/png")])
async def test_what_a_person_writes_after_the_window_says_so(
    channel: str, as_human: bool, content: Content, opened: Open
) -> None:
    """By its tag, whatever it is; all else has none."""

    async def send(each: Channel) -> None:
        what = outgoing(channel, as_human=as_human)
        match content:
            case Text():
                await each.send_text(replace(what, text=content.text))
            case Media():
                await each.send_file(what, content, FileLink("https://files.example/1"))
            case _:
                await each.send_content(what, content)

    [(_, body)] = await captured(channel, opened, send)
    tagged = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    plain = {} if channel == "instagram" else {"messaging_type": "RESPONSE"}
    expected = tagged if as_human else plain
    assert {name: body[name] for name in ("messaging_type", "tag") if name in body} == expected


async def sent(channel: str, opened: Open, content: Content, **more: Any) -> Any:
    """The body of what goes out for this content, once it is fitted."""

    async def send(each: Channel) -> None:
        fitted = carried(content, each.limits)
        assert fitted is not None
        await each.send_content(outgoing(channel, **more), fitted)

    [(_, body)] = await captured(channel, opened, send)
    return body


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_buttons_are_a_template(channel: str, opened: Open) -> None:
    """Up to three, links among them; a token of ours stands for an option, never the caller's id."""
    asked = Choices(
        "Tea?", (Option("my id", "Yes"), Option("b", "No")), header="Today", links=(Link("Menu", "https://m.example"),)
    )
    buttons = [
        {"type": "postback", "title": "Yes", "payload": f"{channel}:0:7:0#1"},
        {"type": "postback", "title": "No", "payload": f"{channel}:0:7:0#2"},
        {"type": "web_url", "title": "Menu", "url": "https://m.example"},
    ]
    template = {"template_type": "button", "text": "Today\nTea?", "buttons": buttons}
    body = await sent(channel, opened, asked)
    assert body == envelope(channel, {"attachment": {"type": "template", "payload": template}})


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_more_choices_are_quick_replies(channel: str, opened: Open) -> None:
    """Up to thirteen, whatever style was asked for, and each token comes back as the option that it stands for."""
    many = Choices("Which?", tuple(Option(f"{n}", f"Choice {n}") for n in range(13)), style="list", footer="Until ten")
    replies = [
        {"content_type": "text", "title": f"Choice {n}", "payload": f"{channel}:0:7:0#{n + 1}"} for n in range(13)
    ]  # fmt: skip
    body = await sent(channel, opened, many)
    assert body == envelope(channel, {"text": "Which?\nUntil ten", "quick_replies": replies})
    read = option_tokens.read(body["message"]["quick_replies"][4]["payload"])
    assert read is not None
    assert (str(read[0]), read[1]) == (f"{channel}:0:7:0", 5)


@pytest.mark.parametrize("channel", PLATFORMS)
def test_titles_are_counted_in_characters(channel: str, settings: Settings) -> None:
    """Twenty letters of any script fit; with one more the choices become a numbered list, for a title would be cut."""
    limits = open_channel(channel, settings).limits
    assert carried(Choices("?", (Option("a", "й" * 20),)), limits) is not None
    assert carried(Choices("?", (Option("a", "й" * 21),)), limits) is None


@pytest.mark.parametrize(
    ("choices", "style"),
    [
        (EITHER, "buttons"),
        (Choices("x" * 641, EITHER.options), "quick_replies"),
        (Choices("?", EITHER.options, links=(Link("A", "https://a.example"),)), "buttons"),
        (Choices("?", EITHER.options, links=(Link("A", "https://a.example"), Link("B", "https://b.example"))), ""),
        (Choices("?", tuple(Option(f"{n}", f"{n}") for n in range(14))), ""),
        (Choices("?", (Option("a", "A", description="of both"),)), ""),
        (Choices("x" * 2001, EITHER.options), ""),
    ],
)
@pytest.mark.parametrize("channel", PLATFORMS)
def test_choices_take_the_style_that_fits(channel: str, choices: Choices, style: str, settings: Settings) -> None:
    """Three buttons with links in all, below 640 characters; thirteen quick replies; else a numbered list with every word."""
    limits = open_channel(channel, settings).limits
    fitted = carried(choices, limits)
    assert (fitted.style if isinstance(fitted, Choices) else "") == style
    if not style:
        parts = adapted(choices, "", limits)
        words = "".join(part for part in parts if isinstance(part, str))
        assert all(each.title in words and each.description in words for each in choices.options)


@pytest.mark.parametrize(
    ("channel", "emoji", "name"), [("messenger", "😆", "😆"), ("instagram", "❤️", "love"), ("instagram", "❤", "love")]
)
async def test_a_reaction_is_an_action(channel: str, emoji: str, name: str, opened: Open) -> None:
    """To the message by the provider's id. Instagram's accounts have the heart alone, which has a name there."""
    body = await sent(channel, opened, Reaction(emoji=emoji), targets=("m_THEIRS",))
    payload = {"message_id": "m_THEIRS", "reaction": name}
    assert body == {"recipient": {"id": ADDRESS}, "sender_action": "react", "payload": payload}


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_a_reaction_is_taken_back(channel: str, opened: Open) -> None:
    """Without an emoji there is none any more."""
    body = await sent(channel, opened, Reaction(), targets=("m_THEIRS",))
    assert body == {"recipient": {"id": ADDRESS}, "sender_action": "unreact", "payload": {"message_id": "m_THEIRS"}}


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_a_reaction_has_an_id_of_its_own(channel: str, opened: Open) -> None:
    """The platform gives none: two reactions to one message are two sends. An answer that is none leaves the outcome open."""
    answers = iter([{"recipient_id": ADDRESS}, {"recipient_id": ADDRESS}, {}])

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response(next(answers))

    async with serving(handler) as url:
        each = opened(channel, url)
        ids = [
            await each.send_content(Outgoing(ADDRESS, "", f"{channel}:0:{n}:0", targets=("m_THEIRS",)), Reaction(emoji="❤"))
            for n in range(2)
        ]
        assert len(set(ids)) == 2
        with pytest.raises(Unknown):
            await each.send_content(outgoing(channel, targets=("m_THEIRS",)), Reaction(emoji="❤"))


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_an_answer_quotes_what_it_answers(channel: str, opened: Open, settings: Settings) -> None:
    """Words and choices alike; the quote stands beside the message, not in it."""
    quoting = Outgoing(ADDRESS, "yes", f"{channel}:0:7:0", reply_to="m_THEIRS")
    seen = await captured(
        channel, opened, lambda each: each.send_text(quoting), lambda each: each.send_content(quoting, EITHER)
    )  # fmt: skip
    assert seen[0][1] == {**envelope(channel, {"text": "yes"}), "reply_to": {"mid": "m_THEIRS"}}
    assert seen[1][1]["reply_to"] == {"mid": "m_THEIRS"}
    assert open_channel(channel, settings).limits.quotes


@pytest.mark.parametrize(
    ("mime_type", "kind", "on_messenger", "on_instagram"),
    [
        ("image/png", "", "image", "image"),
        ("image/png", "sticker", "image", "image"),
        ("image/png", "document", "file", "image"),
        ("video/mp4", "", "video", "video"),
        ("video/mp4", "animation", "video", "video"),
        ("video/mp4", "voice", "audio", "audio"),
        ("video/mp4", "audio", "audio", "audio"),
        ("audio/mp4", "", "audio", "audio"),
        ("application/pdf", "", "file", "file"),
    ],
)
async def test_a_file_goes_as_what_it_is_meant_to_be(
    mime_type: str, kind: str, on_messenger: str, on_instagram: str, opened: Open
) -> None:
    """By its kind, and where that says nothing by its type. Instagram shows pictures and films whatever they are called."""
    file = Media("f", mime_type=mime_type, kind=kind)
    link = FileLink("https://files.example/1")
    for channel, expected in (("messenger", on_messenger), ("instagram", on_instagram)):
        [(_, body)] = await captured(
            channel, opened, lambda each, channel=channel: each.send_file(outgoing(channel), file, link)
        )  # fmt: skip
        assert body["message"]["attachment"] == {"type": expected, "payload": {"url": "https://files.example/1"}}


@pytest.mark.parametrize(
    ("mime_type", "takes"),
    [("video/mp4", True), ("video/quicktime", True), ("video/webm", True), ("video/x-matroska", False), ("video/mpeg", False)],
)
def test_instagram_takes_some_films_only(mime_type: str, takes: bool, settings: Settings) -> None:
    """What it would refuse goes as a link."""
    assert open_channel("instagram", settings).limits.takes(mime_type, 5, "") is takes


def test_what_they_cannot_show_is_not_declared(settings: Settings) -> None:
    """Edits, deletions and places become words on both, and on Instagram every reaction but the heart."""
    for channel in PLATFORMS:
        limits = open_channel(channel, settings).limits
        for content in (Edit(Text("b")), Deletion(), Location(41.1, -8.6)):
            assert not limits.carries(content)
        assert limits.carries(Reaction())
        assert limits.carries(Reaction(emoji="👍")) is (channel == "messenger")


async def test_a_page_that_is_restricted_waits(opened: Open) -> None:
    """It is not the token that is refused, and not the message: the operator is told, and it goes out later."""
    error = {"error": {"code": 10, "error_subcode": 1893063, "message": "restricted"}}

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response(error, status=400)

    async with serving(handler) as url:
        with pytest.raises(Temporary) as caught:
            await opened("messenger", url).send_text(outgoing("messenger"))
    assert caught.value.reason == "account_blocked"
