"""Who resumes is told of deleted messages that they are, and nothing of their words; modifiers come in their place."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridges.streaming.cursor import Cursor
from bridges.streaming.history import HistoryReader
from chat4all.model.content import Deletion, Edit, Reaction, Text
from chat4all.model.messages import Message
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.test_resume import found
from tests.tasks.world import World, message, world

SECRET = "the secret"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[World]:
    """A road with one partition."""
    with world(tmp_path, partitions=1) as road:
        yield road


def resumed(road: World, user: str, after: int = 0, most: int | None = None) -> list[pb.MessageEvent]:
    """What a reader is told of messages who has all up to a seq."""
    reader = HistoryReader(road.store, 1) if most is None else HistoryReader(road.store, 1, at_once=most)
    chunks = reader.messages(user, Cursor(positions={0: after}), {0: 10_000})
    return [pb.Event.FromString(each.body).message for chunk in chunks for each in chunk]


def say(road: World, *said: Message) -> None:
    road.say(*said)
    road.run()


def kinds(events: Sequence[pb.MessageEvent]) -> list[str]:
    return [each.content.WhichOneof("kind") or "text" for each in events]


def modifier(talk: str, number: object, content: Any, sender: str = "alice") -> Message:
    return replace(message(talk, number, str(number), sender=sender), payload=content)


def test_a_deleted_message_is_told_without_its_words(one: World) -> None:
    """In its place and under its id; so is an edit of it; the deletion itself comes last."""
    talk = found(one, "c", "alice", "bob")
    said = message(talk, 1, SECRET, sender="alice", metadata={"subject": SECRET})
    say(one, said, modifier(talk, 2, Edit(Text(f"{SECRET}!"), said.message_id)))
    say(one, message(talk, 3, "after"), modifier(talk, 4, Deletion(said.message_id)))
    events = resumed(one, "bob")
    assert kinds(events) == ["deletion", "deletion", "text", "deletion"]
    assert events[0].message_id == events[0].content.deletion.target == said.message_id
    assert {each.content.deletion.target for each in events if each.HasField("content")} == {said.message_id}
    assert not [each for each in events if SECRET in str(each)]
    assert events[2].text == "after"


def test_a_message_that_was_not_deleted_is_told_with_its_words(one: World) -> None:
    """Reactions and edits come after it, with their seqs, ascending."""
    talk = found(one, "c", "alice", "bob")
    said = message(talk, 1, "helo", sender="alice")
    say(
        one,
        said,
        modifier(talk, 2, Reaction(said.message_id, "👍"), "bob"),
        modifier(talk, 3, Edit(Text("hello"), said.message_id)),
    )
    events = resumed(one, "bob")
    assert kinds(events) == ["text", "reaction", "edit"]
    assert events[0].text == "helo"
    assert [each.seq for each in events] == sorted(each.seq for each in events)


def test_a_deletion_far_behind_hides_the_words_too(one: World) -> None:
    """Read in many small pages: when the message is told, its deletion has not been read yet."""
    talk = found(one, "c", "alice", "bob")
    said = message(talk, 1, SECRET, sender="alice")
    say(one, said, modifier(talk, 2, Edit(Text(f"{SECRET}!"), said.message_id)))
    say(one, *(message(talk, 10 + number, str(number)) for number in range(50)))
    say(one, modifier(talk, 99, Deletion(said.message_id)))
    events = resumed(one, "bob", most=10)
    assert len(events) == 53
    assert not [each for each in events if SECRET in str(each)]
    assert [each.text for each in events[2:-1]] == [str(number) for number in range(50)]
    # Of who has the message already, and is told the edit only.
    assert not [each for each in resumed(one, "bob", 1, most=10) if SECRET in str(each)]


def test_a_page_that_is_whole_asks_nothing_of_the_store(one: World) -> None:
    """Most readers were away for a little: what was deleted stands in what they are told anyway."""
    talk = found(one, "c", "alice", "bob")
    said = message(talk, 1, SECRET, sender="alice")
    say(one, said, modifier(talk, 2, Deletion(said.message_id)))
    one.faults.answer("modifications", lambda places: pytest.fail("nobody needs to be asked"))
    assert SECRET not in str(resumed(one, "bob"))
