"""An album is one send: one row, one call with all its files, and as many ids, each of which leads back to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Album, Content, Deletion, Edit, Media, Reaction, Text
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.deliveries import Pointer, each_id, together
from chat4all.model.failures import Permanent
from chat4all.model.messages import Message
from chat4all.ports import Body, MediaSource, Outgoing, Taken, Uploaded
from tasks.lanes.outcome import Done, Wait
from tasks.lanes.pointing import outgoing
from tests.tasks.test_provider_uploads import BYTES, LIMITS, TALK, Carrying, Way, picture, way
from tests.tasks.test_provider_uploads import road as road  # noqa: PLC0414 - a fixture
from tests.tasks.world import World, granted, message, whatsapp

ANA = whatsapp(1)
CAN = frozenset({"album", "reaction", "edit", "deletion"})


class Albums(Carrying):
    """A channel that takes albums and changes what it sent. `sent`: what each album held; `changed`: what each change named."""

    limits = replace(LIMITS, contents=CAN, quotes=True)

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, list[bytes | str]]] = []
        self.changed: list[tuple[Content, tuple[str, ...]]] = []
        self.answering: list[Outgoing] = []

    async def send_album(self, message: Outgoing, items: Sequence[Media], sources: Sequence[MediaSource]) -> Taken:
        if self.refusing:
            raise self.refusing.pop(0)
        held: list[bytes | str] = []
        for each in sources:
            await self.open.wait()
            held.append(b"".join([some async for some in each.chunks()]) if isinstance(each, Body) else str(each))
        self.sent.append((message.text, held))
        self.answering.append(message)
        number = await self.send_text(message)
        kept = tuple(
            Uploaded(f"{each.filename}", now_ms(), now_ms() + DAY_MS) if isinstance(source, Body) else None
            for each, source in zip(items, sources, strict=True)
        )
        return Taken(together(f"{number}/{n}" for n, _ in enumerate(items)), each_uploaded=kept)

    async def send_content(self, message: Outgoing, content: Content) -> str:
        self.changed.append((content, message.targets))
        return await self.send_text(message)


@pytest.fixture
async def made(road: World) -> AsyncIterator[Way]:
    async with way(road, Albums()) as one:
        road.know(ANA)
        pair = (Conversation(TALK, ConversationType.GROUP, "olga", 1), ["alice", ANA.user_id])
        road.store.add_conversations([pair])
        yield one


def album(road: World, *names: str, text: str = "") -> Album:
    return Album(tuple(picture(road, name) for name in names), text)


def channel_of(made: Way) -> Albums:
    assert isinstance(made.channel, Albums)
    return made.channel


def say(made: Way, content: Content, number: int, **more: object) -> Message:
    said = replace(message(TALK, number, to=[ANA]), payload=content, **more)
    made.road.say(said)
    made.road.run()
    return said


async def test_an_album_is_one_call_and_every_id_of_it_leads_back(made: Way) -> None:
    """One row, the bytes of all in one send with the words; each of its ids is a handle of that row."""
    say(made, album(made.road, "a.png", "b.png", "c.png", text="look"), 1)
    assert isinstance(await made.until_done(), Done)
    [row] = made.road.rows()
    ids = each_id(row.facts.provider_id)
    assert ids == ("id-1/0", "id-1/1", "id-1/2")
    assert channel_of(made).sent == [("look", [BYTES, BYTES, BYTES])]
    handles = made.road.store.handles([("whatsapp", "1", each) for each in ids])
    assert set(handles.values()) == {row.key} and len(handles) == 3


async def test_files_that_the_provider_has_are_named(made: Way) -> None:
    """The next album carries only what it has not; a file that stands in one twice is carried under one name."""
    say(made, album(made.road, "a.png", "b.png"), 1)
    await made.until_done()
    say(made, album(made.road, "b.png", "c.png", "c.png"), 2)
    await made.until_done()
    first, second, third = channel_of(made).sent[1][1]
    assert "b.png" in str(first)
    assert (second, third) == (BYTES, BYTES)


async def test_albums_of_the_same_files_do_not_wait_for_each_other_for_ever(made: Way) -> None:
    """In whatever order they stand, with more files than uploads go side by side: all are sent."""
    names = [f"{n}.png" for n in range(10)]
    say(made, album(made.road, *names), 1)
    say(made, album(made.road, *reversed(names)), 2)
    say(made, album(made.road, *names[5:], *names[:5]), 3)
    await asyncio.gather(*(made.until_done(index) for index in range(3)))
    assert [len(held) for _, held in channel_of(made).sent] == [10, 10, 10]


async def test_a_file_that_the_provider_forgot_is_carried_anew(made: Way) -> None:
    """The album fails once, certainly unsent, and goes with the bytes."""
    uploads, both = made.sender.calls.uploads, album(made.road, "a.png", "b.png")
    old = Uploaded("old", now_ms() - DAY_MS, now_ms() + DAY_MS)
    made.road.store.note_uploads({uploads.place(each, ""): old for each in both.items})
    channel_of(made).refusing.append(Permanent("media"))
    say(made, both, 1)
    assert isinstance(await made.attempt(), Wait)
    await made.until_done()
    assert channel_of(made).sent[-1][1] == [BYTES, BYTES]


CHANGES: list[tuple[Content, tuple[str, ...]]] = [
    (Deletion("t"), ("x/0", "x/1", "y")),
    (Reaction("t", "👍"), ("y",)),
    (Edit(Text("new"), "t"), ("x/0", "y")),
]


@pytest.mark.parametrize(("change", "targets"), CHANGES, ids=["deletion", "reaction", "edit"])
async def test_what_a_change_names_of_several_sends(made: Way, change: Content, targets: tuple[str, ...]) -> None:
    """All messages are taken back; the last send is reacted to; words and reactions of an album are its first message's."""
    say(made, Text("x"), 1)
    row = made.road.rows()[-1]
    ids = (together(["x/0", "x/1"]), "y")
    given = outgoing(replace(row, payload=change, about=Pointer("t", provider_ids=ids)), "", Albums.limits)
    assert given.targets == targets
    quoting = outgoing(replace(row, about=Pointer("t", provider_ids=ids)), "yes", Albums.limits)
    assert quoting.reply_to == "x/0"


async def test_an_album_is_edited_reacted_to_and_taken_back(made: Way) -> None:
    """An edit is the caption of its first message, a deletion takes all of them: each through fan_out and the lane."""
    first = say(made, album(made.road, "a.png", "b.png", text="look"), 1)
    await made.until_done()
    changes: list[Content] = [Edit(Text("see"), first.message_id), Reaction(first.message_id, "👍"), Deletion(first.message_id)]
    for number, change in enumerate(changes, 2):
        say(made, change, number)
        row = made.road.rows()[-1]
        assert row.about
        outcome = await made.sender.attempt(row, 0, granted())
        assert isinstance(outcome, Done)
        assert outcome.write
        await made.writer.write(outcome.write)
    edit, reaction, deletion = channel_of(made).changed
    assert isinstance(edit[0], Edit)
    assert (edit[0].content, edit[1]) == (Media("", "see"), ("id-1/0",))
    assert reaction[1] == ("id-1/0",)
    assert deletion[1] == ("id-1/0", "id-1/1")


def test_one_id_is_itself_and_several_are_told_apart() -> None:
    """Whatever stands in them."""
    assert each_id("") == ()
    assert each_id("wamid.1") == ("wamid.1",)
    assert each_id(together(["a", "b"])) == ("a", "b")
