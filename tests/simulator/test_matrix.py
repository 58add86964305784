"""Every kind of content, from every channel that people can say it on, to every channel and to the stream: what arrives, whole.

From a channel it is read out of the simulator's webhook. To a channel it goes through the real adaptation and the channel's own
calls; what is looked at is what the provider says arrived: the content itself (native), or words that stand for it (adapted).
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from msgspec.structs import replace

from chat4all.channels import CHANNELS
from chat4all.model.content import (
    MODIFIERS,
    Album,
    Answer,
    Call,
    Card,
    ChatChange,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Form,
    Link,
    Location,
    Media,
    Option,
    Order,
    OrderItem,
    Participant,
    Poll,
    Reaction,
    SharedPost,
    Story,
    Template,
    Text,
    Unsupported,
    Vote,
    kinds,
    shown,
    type_of,
    words_of,
)
from chat4all.model.deliveries import Delivery, Pointer
from chat4all.model.event_json import event_json
from chat4all.model.messages import Message, Recipient
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import Channel, FileLink, Outgoing
from chat4all.services.acceptance.renditions import rendered
from tasks.lanes.calls import Calls
from tasks.outcomes.events import message_event
from tests.channels.conftest import serving
from tests.simulator.conftest import World, until

ADDRESSES = {"whatsapp": "+5511999990000", "instagram": "6789012345", "telegram": "123456", "messenger": "6789012346"}
WORDS = "meet me there"
DAYS = tuple(Option(str(n), f"Day {n}", "at noon") for n in range(5))
TEA = (Option("a" * 150, "Tea"), Option("b", "Coffee, black"))
NATIVE, ADAPTED = "native", "adapted"
EVERYWHERE, NOWHERE = dict.fromkeys(CHANNELS, NATIVE), dict.fromkeys(CHANNELS, ADAPTED)


def on(*channels: str) -> dict[str, str]:
    """Native on these, adapted elsewhere."""
    return {name: NATIVE if name in channels else ADAPTED for name in CHANNELS}


# What is said, and what becomes of it on each channel.
TABLE: dict[str, tuple[Content, dict[str, str]]] = {
    "text": (Text("hello"), EVERYWHERE),
    "location": (Location(-23.5, -46.6, "Paulista", "Avenida Paulista 1"), on("whatsapp", "telegram")),
    "contact cards": (ContactCards((Card("Ana Lima", ("+5511988887777",)),)), on("whatsapp", "telegram")),
    "choices": (Choices("Tea or coffee?", TEA), EVERYWHERE),
    "a list": (
        Choices("Which day?", tuple(Option(str(n), f"Day {n}", "at noon") for n in range(5)), "list"),
        on("whatsapp", "telegram"),
    ),
    "quick replies": (Choices("Tea or coffee?", TEA, "quick_replies"), EVERYWHERE),
    "a keyboard": (Choices("Tea or coffee?", TEA, "keyboard"), EVERYWHERE),
    "long choices": (
        Choices("Which?", tuple(Option(str(n), f"A very long name of choice {n}") for n in range(3))),
        on("telegram"),
    ),
    "a link": (Choices("Look", links=(Link("Our page", "https://example.com/a"),)), EVERYWHERE),
    "a form": (Form("Your order", "Open", "123"), on("whatsapp")),
    "an answer": (Answer("m", "a", "Tea"), NOWHERE),
    "a poll": (Poll("When?", ("Nine", "Ten"), multiple=True), on("telegram")),
    "a template": (Template("hello_world", "en_US", text="Welcome and congratulations!"), on("whatsapp")),
    "a reaction": (Reaction("m", "❤"), EVERYWHERE),
    "a reaction taken back": (Reaction("m", ""), EVERYWHERE),
    "a vote": (Vote("m", (2,), ("Ten",)), NOWHERE),
    "an edit": (Edit(Text("meet me here"), "m"), on("telegram")),
    "a deletion": (Deletion("m"), on("telegram")),
    "an order": (Order((OrderItem("SKU-1", "", "2", "10.00", "BRL"),), "quick, please"), NOWHERE),
    "a shared post": (SharedPost("reel", "A cat", "https://example.com/r"), NOWHERE),
    "a story": (Story("reply", "https://example.com/s", "wow"), NOWHERE),
    "a call": (Call("missed"), NOWHERE),
    "somebody came": (ChatChange("joined", (Participant("Tomas", "7"),), "Caio", "8"), NOWHERE),
    "a kind without a type": (Unsupported("gift", "[gift] a rose"), NOWHERE),
}
# Who can say it there. Where it reads otherwise than it was said, what is read stands in READ.
SAID = {
    "text": CHANNELS,
    "location": CHANNELS,
    "contact cards": ("whatsapp", "telegram"),
    "an answer": CHANNELS,
    "a poll": ("telegram",),
    "a reaction": CHANNELS,
    "a reaction taken back": CHANNELS,
    "an edit": CHANNELS,
    "a deletion": ("whatsapp", "instagram", "messenger"),
    "an order": ("whatsapp", "instagram", "messenger"),
    "a call": ("whatsapp",),
}
PICTURES = tuple(Media(f"f{n}", "", f"{n}.jpg", "image/jpeg", 9, f"key{n}") for n in range(3))
# What an album of three pictures with a caption comes to: the words of each message there, and whether they are one album.
ALBUMS: dict[str, tuple[list[str], bool]] = {
    "whatsapp": ([WORDS, "", ""], False),
    "instagram": (["", "", "", WORDS], False),
    "telegram": ([WORDS, "", ""], True),
    "messenger": (["", "", "", WORDS], False),
}
# Meta's inbox tells a place's name and not its street.
NAMED = Location(-23.5, -46.6, "Paulista")
READ: dict[tuple[str, str], Content] = {("instagram", "location"): NAMED, ("messenger", "location"): NAMED}
# What a provider, or the simulator that stands for it, adds or leaves out of what it shows.
NOT_COMPARED = {"target", "style", "token", "option_id", "data", "type", "text", "ids", "catalog_id"}


def test_every_kind_and_channel_has_a_cell() -> None:
    """None is left out, whatever is added later. Albums have a table of their own, and media (test_providers, tests/tasks)."""
    assert {type_of(content) for content, _ in TABLE.values()} == set(kinds()) - {"media", "album"}
    assert set(ALBUMS) == set(CHANNELS)
    assert all(set(cells) == set(CHANNELS) for _, cells in TABLE.values())


async def arrived(world: World, content: Content, channel: Channel) -> tuple[list[dict[str, Any]], str]:
    """What each of its sends came to on the person's phone; and the id of what a modifier points at."""
    address = ADDRESSES[channel.name]
    target = str(await channel.send_text(Outgoing(address, WORDS, f"{channel.name}:0:6:0")))
    about = Pointer("m", WORDS, (target,)) if isinstance(content, MODIFIERS) else None
    to = [Recipient("bob", channel.name, address)]
    recipients, renditions = rendered(content, "", to, {channel.name: channel})
    message = Message("m", "c", "alice", content, 1, 1, recipients, renditions=renditions, seq=7)
    before = len(await world.sent(channel=channel.name))
    parts: Any = SimpleNamespace(settings=world.settings)
    for slot in slots(message):
        row = Delivery(delivery_key(message, slot, 0), "c", "m", "bob", address, slot.payload, 1, about=about)
        await Calls(channel, parts, parts).post(row)
    return (await world.sent(channel=channel.name))[before:], target


def is_as_it_was(content: Content, arrival: dict[str, Any], target: str) -> bool:
    """Whether the phone shows the same content: each field that was said, and the message that it is about."""
    seen = arrival.get("content") or {"type": "text", "text": arrival["text"]}
    said = json.loads(json.dumps(shown(plain(content))))
    if said["type"] != seen["type"] or (isinstance(content, MODIFIERS) and seen["target"] != target):
        return False
    if isinstance(content, Choices):
        assert "a" * 150 not in json.dumps(seen), "an id of the sender's own was given to the provider"
        everything = json.dumps(seen) + arrival["text"]
        titles = [each.get("title") for each in seen.get("options", [])]
        all_said = all(each.description in everything for each in content.options) and content.text in everything
        return titles == [each.title for each in content.options] and all_said
    return all(seen.get(name, "") == value for name, value in said.items() if name not in NOT_COMPARED)


async def carries(world: World, content: Content, cells: dict[str, str]) -> dict[str, str]:
    """What becomes of it on each channel; anything that is neither is told as it is."""
    found = {}
    for name, cell in cells.items():
        arrivals, target = await arrived(world, content, world.channels[name])
        if len(arrivals) == 1 and is_as_it_was(content, arrivals[0], target) and cell == NATIVE:
            found[name] = NATIVE
        elif [each["text"] for each in arrivals] == [words_of(content, WORDS)] and not arrivals[0].get("content"):
            found[name] = ADAPTED
        else:
            found[name] = f"neither: {arrivals}"
    return found


@pytest.mark.parametrize("what", TABLE)
async def test_what_we_send_arrives(what: str, world: World) -> None:
    """From a client of ours to each channel: the content where the cell is native, its words where it is adapted."""
    content, cells = TABLE[what]
    assert await carries(world, content, cells) == cells


@pytest.mark.parametrize("name", ALBUMS)
async def test_an_album_arrives(name: str, world: World) -> None:
    """As one album where there are such, in one call; else picture by picture. The words stand beside the first, or follow."""

    async def handler(_request: BaseRequest) -> web.Response:
        return web.Response(body=b"x" * 9, content_type="image/jpeg")

    channel, address, (words, is_one) = world.channels[name], ADDRESSES[name], ALBUMS[name]
    to = [Recipient("bob", name, address)]
    recipients, renditions = rendered(Album(PICTURES, WORDS), "", to, {name: channel})
    message = Message("m", "c", "alice", Album(PICTURES, WORDS), 1, 1, recipients, renditions=renditions, seq=7)
    async with serving(handler) as url:
        for slot in slots(message):
            outgoing = Outgoing(address, getattr(slot.payload, "text", ""), str(delivery_key(message, slot, 0)))
            if isinstance(slot.payload, Album):
                await channel.send_album(outgoing, slot.payload.items, [FileLink(f"{url}/{each.file_id}") for each in PICTURES])
            elif isinstance(slot.payload, Media):
                await channel.send_file(outgoing, slot.payload, FileLink(f"{url}/{slot.payload.file_id}"))
            else:
                await channel.send_text(outgoing)
    arrivals = await world.sent(channel=name)
    assert [each["text"] for each in arrivals] == words
    assert [each["media"].rpartition("/")[2] for each in arrivals if each.get("media")] == ["f0", "f1", "f2"]
    groups = {each.get("group", "") for each in arrivals}
    assert len(groups) == 1 and bool(groups.pop()) is is_one


@pytest.mark.parametrize("what", TABLE)
def test_the_stream_tells_it_as_rest_does(what: str) -> None:
    """Every kind, whole, with the same names."""
    content, _ = TABLE[what]
    event = message_event(Message("m", "c", "alice", content, 1, 1, seq=7), 1)
    assert json.loads(event_json(event.body))["payload"] == json.loads(json.dumps(shown(content)))


@pytest.mark.parametrize("origin", CHANNELS)
async def test_what_people_say_arrives_elsewhere(origin: str, world: World) -> None:
    """From this channel, read out of its webhook, to each channel."""
    channel, address = world.channels[origin], ADDRESSES[origin]
    for what, where in SAID.items():
        if origin not in where:
            continue
        content, cells = TABLE[what]
        target = await shown_before(channel, content)
        known = len(world.gateway.said)
        told = shown(content) | {name: value for name, value in pointing(content, target, origin).items() if value}
        await world.says(origin, address, content.as_text(), content={} if what == "text" else told)
        await until(lambda known=known: len(world.gateway.said) > known)  # type: ignore[misc]
        inbound = world.gateway.said[-1]
        read = inbound.content or Text(inbound.text)
        assert plain(read) == plain(READ.get((origin, what), content)), what
        assert inbound.about == target or not isinstance(content, MODIFIERS), what
        assert (inbound.option == f"{origin}:0:6:0#1") is isinstance(content, Answer), what
        assert await carries(world, read, cells) == cells, what


async def shown_before(channel: Channel, content: Content) -> str:
    """What a person points at: words of ours, or choices of ours."""
    given = Outgoing(ADDRESSES[channel.name], WORDS, f"{channel.name}:0:6:0")
    if not isinstance(content, Answer):
        return str(await channel.send_text(given))
    return str(await channel.send_content(given, Choices("Tea or coffee?", TEA)))


def pointing(content: Content, target: str, origin: str) -> dict[str, str]:
    """What the simulator must be told of what a person points at."""
    if isinstance(content, Answer):
        return {"target": target, "option": f"{origin}:0:6:0#1"}
    return {"target": target} if isinstance(content, MODIFIERS) else {}


def plain(content: Content) -> Content:
    """Without what only the service, or only one provider, knows of it."""
    match content:
        case Reaction() | Edit() | Deletion():
            return replace(content, target="")
        case Answer():
            return Answer(title=content.title)
        case ContactCards():
            return ContactCards(tuple(replace(each, ids={}) for each in content.cards))
        case Order():
            return replace(content, catalog_id="")
    return content
