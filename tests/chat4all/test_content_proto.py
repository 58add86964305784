"""Content of every kind passes through the stream's format and the REST API's and is the same."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings

from chat4all.model.content import Content, Media, Text, kinds, read_shown, shown
from chat4all.model.content_proto import as_shown, payload_of, to_proto
from chat4all.model.messages import Message, Origin
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes.events import message_event
from tests.contents import contents

KINDS = get_args(Content)
MADE = settings(max_examples=60)


def _event(content: Content, **more: Any) -> pb.MessageEvent:
    message = Message("m", "c", "alice", content, 1, 5, **more)
    return pb.Event.FromString(message_event(message.placed(7), 2).body).message


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_a_kind_passes_through_the_stream_and_the_api(kind: type) -> None:
    """What is read again shows the same, also out of bytes; and what the API shows is read as the same content."""

    @MADE
    @given(contents(kind))
    def holds(content: Content) -> None:
        again = pb.Content.FromString(to_proto(content).SerializeToString())
        said = msgspec.json.decode(msgspec.json.encode(shown(content)))
        assert as_shown(again) == said
        assert payload_of(_event(content)) == said
        read = read_shown(said)
        assert shown(read) == shown(content)
        assert read.as_text() == content.as_text()

    holds()


def test_every_kind_has_its_message() -> None:
    """The stream knows the kinds that the API knows, by the same names."""
    assert {field.name for field in pb.Content.DESCRIPTOR.fields} == set(kinds())


@given(contents(Text, Media))
def test_words_and_files_stay_where_old_clients_read_them(content: Content) -> None:
    """Nothing else is said for them."""
    event = _event(content)
    assert not event.HasField("content")
    assert event.text == content.text  # type: ignore[union-attr]
    assert event.HasField("file") == isinstance(content, Media)


@given(contents(*set(KINDS) - {Text, Media}))
def test_old_clients_read_words_for_all_else(content: Content) -> None:
    """The text of a message stands for what they do not know."""
    assert _event(content).text == content.as_text()


def test_a_message_says_what_it_points_at_and_where_it_comes_from() -> None:
    """In the stream as over REST, and never the person's address."""
    origin = Origin("telegram", "bot", "99", "17", 1_700_000_000_000, "provider")
    event = _event(Text("x"), reply_to="other", origin=origin, forwarded=True, referral={"ref": "spring"})
    assert (event.reply_to, event.forwarded, dict(event.referral)) == ("other", True, {"ref": "spring"})
    assert event.origin == pb.Origin(
        channel="telegram", account="bot", provider_id="17", provider_at_ms=1_700_000_000_000, app="provider"
    )
    assert b"99" not in event.SerializeToString()


def test_a_rerun_makes_the_same_bytes_of_a_message_with_maps() -> None:
    """The order of a map's entries is not chance."""
    referral = {f"name-{number}": str(number) for number in range(40)}
    orders = (referral, dict(sorted(referral.items(), reverse=True)))
    assert len({message_event(Message("m", "c", "a", Text("x"), 1, 5, referral=each), 2).body for each in orders}) == 1


def test_a_kind_of_a_newer_server_is_shown_by_its_words() -> None:
    """A client that does not know a kind shows what it says of itself, and never fails."""
    assert read_shown({"type": "hologram", "text": "a cat"}).as_text() == "a cat"
    assert read_shown({"type": "hologram"}).as_text() == "[hologram]"
    assert read_shown({}).as_text() == "[not supported]"
