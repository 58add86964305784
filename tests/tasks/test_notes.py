"""Internal notes are stored like messages, and reach nobody but those who answer: no channel, no member, no quote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridges.streaming.audience import Memberships
from bridges.streaming.cursor import Cursor
from bridges.streaming.history import HistoryReader
from chat4all.model.content import Album, Content, Deletion, Edit, Media, Reaction, Text
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.event_types import event_type
from chat4all.model.events import decode
from chat4all.model.messages import INTERNAL, Message, Recipient
from chat4all.model.records import EVENTS, TEAM_VERSION, incoming_record
from chat4all.model.slots import keys_to, rows, slots
from chat4all.ports import Webhook
from tasks.stages.fan_out import rows_of
from tasks.webhooks.matching import wants
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", "notes")
SECRET = "he owes us money"
CHANNELS = ("whatsapp", "instagram", "messenger", "telegram", "unheard-of")
PAYLOADS: list[Content] = [
    Text(SECRET),
    Media("f1", SECRET),
    Album((Media("f1"), Media("f2")), SECRET),
    Edit(Text(SECRET), new_id("message", TALK, 0)),
    Deletion(new_id("message", TALK, 0)),
    Reaction(new_id("message", TALK, 0), "x"),
]


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, partitions=1) as road:
        road.store.add_conversations([(Conversation(TALK, ConversationType.GROUP, "alice", 1), ["alice", "bob"])])
        yield road


def note(number: object, text: str = SECRET, **more: Any) -> Message:
    """A note, as acceptance freezes it."""
    return message(TALK, number, text, visibility=INTERNAL, **more)


recipients = st.builds(Recipient, st.just("carla"), st.sampled_from(CHANNELS), st.sampled_from(["", "+55"]), st.integers(0, 2))


@settings(max_examples=200)
@given(
    payload=st.sampled_from(PAYLOADS),
    to=st.lists(recipients, max_size=4),
    resend_of=st.integers(0, 3),
    reply_to=st.sampled_from(["", new_id("message", TALK, 0)]),
    name=st.sampled_from(["", "Alice"]),
)
def test_a_note_has_no_delivery_whatever_its_record_says(
    payload: Content, to: list[Recipient], resend_of: int, reply_to: str, name: str
) -> None:
    """Of every kind of content, with recipients on every channel, in parts, as a resend: no row, no key, none counted."""
    parts: tuple[tuple[str | Content, ...], ...] = (("one", "two"), (Text("three"),))
    fields: dict[str, Any] = {"to": to, "resend_of": resend_of, "reply_to": reply_to, "sender_name": name, "renditions": parts}
    said = replace(note(1, **fields), payload=payload, seq=9)
    assert list(slots(said)) == []
    assert list(rows_of(said, 4)) == []
    assert rows(said) == 0
    assert keys_to(said, [(channel, address) for channel in CHANNELS for address in ("", "+55")], 0) == []
    assert incoming_record(said, 4, {}).headers.items() >= {"recipients": "0", "v": str(TEAM_VERSION)}.items()


def test_a_note_is_history_and_nothing_else(road: World) -> None:
    """It is stored at its place; no lane has work; one event that older code stops at; who hears is nobody of the members."""
    road.say(note(1, to=[whatsapp(1)]))
    road.run()
    assert [each.payload for each in road.store.page(TALK, None, None, 9)] == [Text(SECRET)]
    assert road.rows() == []
    assert road.store.lanes() == {}
    [record] = road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)
    event = decode(record)
    assert (record.headers["kind"], record.headers["v"], event.seq) == ("note", str(TEAM_VERSION), 1)
    members = Memberships()
    members.put(road.store.memberships([TALK]).values(), 1)
    assert list(members.audience(event)) == []


MODIFIERS = {
    "edit": Edit(Text(f"{SECRET}!"), new_id("message", TALK, 1)),
    "deletion": Deletion(new_id("message", TALK, 1)),
    "reaction": Reaction(new_id("message", TALK, 1), "x"),
}


@pytest.mark.parametrize("name", MODIFIERS)
@pytest.mark.parametrize("together", [True, False])
def test_what_changes_a_note_is_a_note(road: World, name: str, together: bool) -> None:
    """Its new words too are told to nobody else, whether both are in a batch or not."""
    road.say(note(1, to=[whatsapp(1)]))
    if not together:
        road.run()
    road.say(replace(message(TALK, 2), payload=MODIFIERS[name]))
    road.run()
    assert road.rows() == []
    assert {record.headers["kind"] for record in road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)} == {"note"}
    assert [each.is_internal for each in road.store.page(TALK, None, None, 9)] == [True, True]


def test_an_answer_to_a_note_quotes_nothing(road: World) -> None:
    """What is said to customers may point at a note by mistake: the note's words go nowhere with it."""
    road.say(note(1))
    road.say(message(TALK, 2, "we will see", to=[whatsapp(1)], reply_to=new_id("message", TALK, 1)))
    road.run()
    [row] = road.rows()
    assert row.about is None
    assert SECRET not in str(row)


def test_no_member_is_told_of_a_note_who_resumes(road: World) -> None:
    """Neither the note nor what changed it; messages around it are told."""
    road.say(message(TALK, 0), note(1), message(TALK, 2))
    road.say(replace(message(TALK, 3), payload=MODIFIERS["edit"]))
    road.run()
    for user in ("alice", "bob"):
        reader, cursor = HistoryReader(road.store, 1), Cursor(positions={0: 0})
        events = [each for chunk in reader.messages(user, cursor, {0: 10_000}) for each in chunk]
        assert [each.seq for each in events] == [1, 3]
        assert not [each for each in events if SECRET.encode() in each.body]


@pytest.mark.parametrize("asked", [(), ("message.accepted", "message.updated")])
def test_no_webhook_is_told_of_notes_that_does_not_name_them(road: World, asked: tuple[str, ...]) -> None:
    """Asking for everything is not enough; asking for notes is."""
    road.say(note(1))
    road.say(replace(message(TALK, 2), payload=MODIFIERS["edit"]))
    road.run()
    events = [decode(record) for record in road.log.read(EVENTS, road.everything(EVENTS).ranges, 5)]
    assert [event_type(each) for each in events] == ["note.accepted", "note.updated"]
    assert not [each for each in events if wants(Webhook("w", "https://example.com", asked), each)]
    assert all(wants(Webhook("w", "https://example.com", ("note.accepted", "note.updated")), each) for each in events)


def test_a_note_opens_nothing(road: World) -> None:
    """Only what its customer says opens a conversation."""
    kept = road.store.change_handling(TALK, lambda there: replace(there, state="closed", changed_at=1))
    road.say(note(1, sender="bob"))
    road.run()
    assert road.store.handlings([TALK])[TALK] == kept
