"""An event is laid out in a record in one way, and read out of it whole. What older code wrote: tests/golden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.events import NOTED, Event, decode, encode, member_of
from chat4all.model.records import EVENTS, NewRecord, Record
from chat4all.v1 import chat_pb2 as pb

WORDS = st.text(max_size=12)
COUNTS = st.integers(min_value=0, max_value=2**60)
TRACED = st.sampled_from([{}, {"trace": "00-a-b-01", "message_id": "m"}])


def envelopes(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[Event]:
    """Events of a kind, with these fields beside those of every kind."""
    return st.builds(
        lambda more, **given: Event(**given, **more),
        TRACED,
        conversation_id=WORDS,
        partition=st.integers(0, 1_000),
        body=st.binary(max_size=20),
        **fields,
    )


ANY = st.one_of(
    envelopes(kind=st.just("message"), seq=COUNTS, version=COUNTS),
    envelopes(kind=st.just("state"), subject=WORDS, rank=COUNTS),
    envelopes(kind=st.just("position"), subject=WORDS, rank=COUNTS, further=COUNTS),
    envelopes(kind=st.just("conversation"), version=COUNTS),
    envelopes(kind=st.just("rejected"), user=WORDS, subject=WORDS),
)


def kept(new: NewRecord) -> Record:
    """As the log gives it back."""
    return Record(new.topic, new.partition, 7, new.key, new.value, new.headers, 99)


@given(ANY)
def test_what_is_encoded_is_decoded(event: Event) -> None:
    """Every field, and where and when the log took it."""
    found = decode(kept(encode(event)))
    assert (found.offset, found.at) == (7, 99)
    found.offset, found.at = event.offset, event.at
    assert found == event


@pytest.mark.parametrize(
    ("event", "layout"),
    [
        (Event("message", "c", 0, b"", seq=3, version=2), ["kind", "conversation", "seq", "version", "v"]),
        (Event("state", "c", 0, b"", subject="k", rank=1), ["kind", "conversation", "delivery", "rank", "v"]),
        (Event("position", "c", 0, b"", subject="u"), ["kind", "conversation", "member", "rank", "further", "v"]),
        (Event("conversation", "c", 0, b"", version=2), ["kind", "conversation", "version", "v"]),
        (Event("rejected", "c", 0, b"", user="u", subject="s"), ["kind", "conversation", "user", "rejected", "v"]),
        (
            Event("state", "c", 0, b"", subject="k", trace="00-a-b-01", message_id="m"),
            ["kind", "conversation", "delivery", "rank", "traceparent", "message_id", "v"],
        ),
        (Event("state", "c", 0, b"", subject="k", message_id="m"), ["kind", "conversation", "delivery", "rank", "v"]),
    ],
)
def test_the_headers_of_a_kind(event: Event, layout: list[str]) -> None:
    """These, in this order; the record is in the event's partition, under its conversation."""
    record = encode(event)
    assert list(record.headers) == layout
    assert (record.topic, record.partition, record.key) == (EVENTS, 0, "c")


def test_what_only_one_reader_is_told_by_us_is_in_no_record() -> None:
    """`reload` is made where a stream is served."""
    with pytest.raises(ValueError, match="reload"):
        encode(Event("reload", "", -1, b""))


def test_a_kind_that_is_not_known_passes_with_what_all_kinds_have() -> None:
    """Older code in a stream server passes newer kinds on to those who may see their conversation."""
    found = decode(Record(EVENTS, 1, 5, "c", b"new", {"kind": "wave", "conversation": "c"}, 9))
    assert (found.kind, found.conversation_id, found.body, found.about) == ("wave", "c", b"new", "")


def test_a_position_of_old_code_says_only_inside_whose_it_is() -> None:
    """It is read there."""
    inside = pb.Event(position=pb.PositionEvent(conversation_id="c", user_id="bob", delivered_up_to=5, read_up_to=3))
    found = decode(Record(EVENTS, 0, 1, "c", inside.SerializeToString(), {"kind": "position"}, 9))
    assert (found.subject, found.rank, found.further, found.about) == ("bob", 5, 3, member_of("c", "bob"))


def test_what_tells_progress_is_noted() -> None:
    """Of a rejection nothing goes on; it is noted all the same."""
    told = {kind: Event(kind, "c", 0, b"", subject="x").about for kind in ("message", "state", "position", "rejected")}
    assert {kind for kind, about in told.items() if about} < NOTED
    assert told["position"] == member_of("c", "x")
