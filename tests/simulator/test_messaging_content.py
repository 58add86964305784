"""Messenger and Instagram, simulated: choices, reactions and quotes arrive as they are, and people do all that they can."""

from typing import Any

import pytest

from chat4all.channels import open_channel
from chat4all.model.content import (
    Answer,
    Choices,
    Deletion,
    Edit,
    Link,
    Location,
    Option,
    Order,
    OrderItem,
    Reaction,
    SharedPost,
    Story,
    Text,
    Unsupported,
)
from chat4all.model.failures import Permanent
from chat4all.ports import Inbound, Outgoing
from tests.simulator.calling import PEOPLE, graph
from tests.simulator.conftest import World, until

PLATFORMS = ("instagram", "messenger")
ASKED = Choices("Tea?", (Option("mine", "Yes"), Option("other", "No")), links=(Link("Menu", "https://m.example"),))
REPLIES = Choices("Which?", tuple(Option(f"{n}", f"Choice {n}") for n in range(13)), style="quick_replies")


def outgoing(channel: str, **more: Any) -> Outgoing:
    return Outgoing(PEOPLE[channel], "", f"{channel}:0:7:0", **more)


async def heard(world: World, channel: str, **said: Any) -> Inbound:
    """What the channel reads when a person does this."""
    before = len(world.gateway.said)
    await world.says(channel, PEOPLE[channel], said.pop("text", ""), **said)
    await until(lambda: len(world.gateway.said) > before)
    return world.gateway.said[before]


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_buttons_arrive_and_are_pressed(world: World, channel: str) -> None:
    """What a person sees has the words and the buttons; a press brings the token back."""
    mid = await world.channels[channel].send_content(outgoing(channel), ASKED)
    [arrived] = await world.sent(channel=channel)
    assert arrived["provider_id"] == mid
    assert arrived["text"] == "Tea?\n1. Yes\n2. No\nMenu: https://m.example"
    yes, no = arrived["content"]["options"]
    assert (yes["title"], arrived["content"]["links"]) == ("Yes", [{"title": "Menu", "url": "https://m.example"}])
    pressed = await heard(world, channel, content={"type": "answer", "target": mid, "option": no["id"], "title": no["title"]})
    assert (pressed.content, pressed.option, pressed.text) == (Answer(title="No"), f"{channel}:0:7:0#2", "No")


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_quick_replies_arrive_and_are_tapped(world: World, channel: str) -> None:
    """A tap is a message with the title, and the token beside it."""
    mid = await world.channels[channel].send_content(outgoing(channel), REPLIES)
    [arrived] = await world.sent(channel=channel)
    assert (arrived["content"]["type"], arrived["content"]["style"]) == ("choices", "quick_replies")
    option = arrived["content"]["options"][12]
    tap = {"type": "answer", "target": mid, "option": option["id"], "title": option["title"], "style": "quick_replies"}
    tapped = await heard(world, channel, content=tap)
    assert (tapped.content, tapped.option) == (Answer(title="Choice 12"), f"{channel}:0:7:0#13")


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_reactions_arrive_and_are_taken_back(world: World, channel: str) -> None:
    """With the id of the message that they are about; no echo and no receipt tells of them."""
    theirs = await world.says(channel, PEOPLE[channel], "hello")
    for emoji in ("❤", ""):
        await world.channels[channel].send_content(outgoing(channel, targets=(theirs,)), Reaction(emoji=emoji))
    given, taken = await world.sent(channel=channel)
    assert given["content"] == {"type": "reaction", "target": theirs, "emoji": "❤"}
    assert taken["content"] == {"type": "reaction", "target": theirs}
    await world.channels[channel].send_text(Outgoing(PEOPLE[channel], "after", f"{channel}:0:8:0"))
    after = (await world.sent(channel=channel))[-1]["provider_id"]
    await until(lambda: any(getattr(each, "provider_id", "") == after for each in world.gateway.updates))
    ids = {getattr(each, "provider_id", "") for each in world.gateway.updates}
    assert ids.isdisjoint({given["provider_id"], taken["provider_id"]})


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_a_quote_arrives(world: World, channel: str) -> None:
    """The person sees which message is answered."""
    theirs = await world.says(channel, PEOPLE[channel], "when?")
    await world.channels[channel].send_text(Outgoing(PEOPLE[channel], "at ten", f"{channel}:0:7:0", reply_to=theirs))
    [arrived] = await world.sent(channel=channel)
    assert (arrived["text"], arrived["reply_to"]) == ("at ten", theirs)


STORY = "https://cdn.example/story"
DOINGS = [
    ({"type": "location", "latitude": 41.1, "longitude": -8.6, "name": "Port"}, "", Location(41.1, -8.6, "Port"), ""),
    ({"type": "reaction", "target": "m_OURS", "emoji": "👍"}, "", Reaction(emoji="👍"), "m_OURS"),
    ({"type": "reaction", "target": "m_OURS", "emoji": "🍕"}, "", Reaction(emoji="🍕"), "m_OURS"),
    ({"type": "reaction", "target": "m_OURS"}, "", Reaction(), "m_OURS"),
    ({"type": "deletion", "target": "m_THEIRS"}, "", Deletion(), "m_THEIRS"),
    ({"type": "edit", "target": "m_THEIRS"}, "at eleven", Edit(Text("at eleven")), "m_THEIRS"),
    ({"type": "story", "kind": "mention", "url": STORY}, "look", Story("mention", STORY, "look"), ""),
    ({"type": "story", "kind": "reply", "url": STORY, "provider_id": "3"}, "lovely", Story("reply", STORY, "lovely", "3"), ""),
    ({"type": "shared_post", "kind": "reel", "url": STORY, "title": "Sea"}, "", SharedPost("reel", "Sea", STORY), ""),
    ({"type": "unsupported"}, "", Unsupported("", "[a kind of message that is not supported here]"), ""),
    (
        {"type": "order", "items": [{"product_id": "S", "name": "Bread", "quantity": "2", "price": "4", "currency": "EUR"}]},
        "at ten",
        Order((OrderItem("S", "Bread", "2", "4", "EUR"),), "at ten"),
        "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "text", "read", "about"), DOINGS, ids=lambda each: str(each)[:30])
@pytest.mark.parametrize("channel", PLATFORMS)
async def test_what_people_do_is_read(
    world: World, channel: str, content: dict[str, Any], text: str, read: Any, about: str
) -> None:
    """Each comes by a signed webhook and is read as what it is."""
    inbound = await heard(world, channel, text=text, content=content)
    assert (inbound.content, inbound.about) == (read, about)


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_a_sticker_is_a_file_of_its_kind(world: World, channel: str) -> None:
    """With a link to its picture."""
    file = {"filename": "like.png", "mime_type": "image/png", "content": "UE5H", "kind": "sticker"}
    inbound = await heard(world, channel, file=file)
    assert (inbound.kind, inbound.text, inbound.media.startswith("http")) == ("sticker", "", True)


async def test_what_nobody_can_send_is_refused(world: World) -> None:
    """Whoever plays a person is told what there is."""
    wrong: list[dict[str, Any]] = [{"type": "poll"}, {"type": "reaction"}, {"type": "answer", "title": "Yes"}]
    for content in (*wrong, {"type": "order", "items": [7]}, {"type": "edit", "target": "m_1", "content": "x"}, {"type": []}):
        answer = await world.control("POST", "/inbound", 422, json={"channel": "messenger", "from": "1234", "content": content})
        assert answer


def button(**more: str) -> dict[str, str]:
    return {"type": "postback", "title": "Yes", "payload": "p", **more}


def template(**payload: Any) -> dict[str, Any]:
    return {"message": {"attachment": {"type": "template", "payload": payload}}}


def replies(many: int, title: str = "Yes", payload: str = "p", text: str = "?") -> dict[str, Any]:
    each = {"content_type": "text", "title": title, "payload": payload}
    return {"message": {"text": text, "quick_replies": [each] * many}}


BUTTONS = template(template_type="button", text="?", buttons=[button()])
WRONG = {
    "14 quick replies": replies(14),
    "no title": replies(1, title=""),
    "no payload": replies(1, payload=""),
    "a long payload": replies(1, payload="x" * 1001),
    "no text beside": replies(1, text=""),
    "another kind of reply": {"message": {"text": "?", "quick_replies": [{"content_type": "location"}]}},
    "no template": template(),
    "buttons without text": template(template_type="button", buttons=[button()]),
    "a long text": template(template_type="button", text="x" * 641, buttons=[button()]),
    "four buttons": template(template_type="button", text="?", buttons=[button()] * 4),
    "no button": template(template_type="button", text="?", buttons=[]),
    "a long title": template(template_type="button", text="?", buttons=[button(title="x" * 21)]),
    "no link": template(template_type="button", text="?", buttons=[{"type": "web_url", "title": "Menu", "url": "menu"}]),
    "another button": template(template_type="button", text="?", buttons=[{"type": "poll", "title": "Menu"}]),
    "no cards": template(template_type="generic", elements=[]),
    "a template of text": template(template_type="button", text=7),
    "a reaction to nothing": {"sender_action": "react", "payload": {"reaction": "love"}},
    "no reaction": {"sender_action": "react", "payload": {"message_id": "m"}},
    "two things at once": {"message": {"text": "?"}, "sender_action": "typing_on"},
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("channel", PLATFORMS)
async def test_what_the_platform_refuses(world: World, channel: str, wrong: str) -> None:
    """Beyond Meta's limits nothing is taken, and its words say which parameter is wrong."""
    status, answer = await graph(world, channel, {"recipient": {"id": PEOPLE[channel]}, **WRONG[wrong]})
    assert (status, answer["error"]["code"]) == (400, 100)
    assert await world.sent(channel=channel) == []


async def test_long_titles_of_quick_replies(world: World) -> None:
    """Messenger refuses them, Instagram cuts them without a word."""
    body = replies(1, title="x" * 21)
    status, _ = await graph(world, "messenger", {"recipient": {"id": PEOPLE["messenger"]}, **body})
    assert status == 400
    status, _ = await graph(world, "instagram", {"recipient": {"id": PEOPLE["instagram"]}, **body})
    [arrived] = await world.sent(channel="instagram")
    assert (status, arrived["content"]["options"][0]["title"]) == (200, "x" * 20)


async def test_an_account_on_instagram_has_the_heart_alone(world: World) -> None:
    """Another emoji is refused there; on Messenger there are all."""
    action = {"sender_action": "react", "payload": {"message_id": "m_1", "reaction": "👍"}}
    answers = [await graph(world, each, {"recipient": {"id": PEOPLE[each]}, **action}) for each in PLATFORMS]
    assert [status for status, _ in answers] == [400, 200]
    with pytest.raises(Permanent):
        await world.channels["messenger"].send_content(outgoing("messenger", targets=("",)), Reaction(emoji="👍"))


async def test_an_echo_of_choices_names_the_question(world: World) -> None:
    """Instagram tells our own sends back: the question is among the words, whichever way the choices were shown."""
    for asked in (ASKED, REPLIES):
        mid = await world.channels["instagram"].send_content(outgoing("instagram"), asked)
        await until(lambda mid=mid: any(getattr(each, "provider_id", "") == mid for each in world.gateway.updates))  # type: ignore[misc]
        [echo] = [each for each in world.gateway.updates if isinstance(each, Inbound) and each.provider_id == mid]
        assert echo.is_echo
        assert asked.text in echo.text
    assert open_channel("instagram", world.settings).limits.echoes_reference is False
