"""The history of every message store: messages, their ids, and how far members have come."""

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.content import Media, Text
from chat4all.model.deliveries import Watermark
from chat4all.model.messages import EPOCH_SIZE, Message, Recipient
from chat4all.ports import MessageStore, Registration
from tests.contracts.stores import fresh, message

modestly = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_messages_come_back_as_they_were_put(store: MessageStore) -> None:
    """Every field of a message survives, files and metadata included."""
    conversation = fresh("c")
    text = Message(
        fresh("m"),
        conversation,
        "anna",
        Text("olá"),
        3,
        7,
        (Recipient("bob", "w", "+55"), Recipient("eve", "w")),
        {"a": [1, {"b": None}]},
        "digest",
        "Anna",
        4,
        1,
        seq=EPOCH_SIZE + 5,
    )
    file = Message(fresh("m"), conversation, "anna", Media("f", "look", "a.png", "image/png", 2**31, "key"), 1, 8, seq=6)
    store.put_messages([text, file])
    places = [(conversation, text.seq), (conversation, 6), (conversation, 7), (fresh("c"), 6)]
    assert store.messages(places) == {(conversation, text.seq): text, (conversation, 6): file}


def test_putting_a_message_again_changes_nothing(store: MessageStore) -> None:
    """A stage that runs twice leaves one row."""
    said = message(fresh("c"), 5)
    store.put_messages([said])
    store.put_messages([said, said])
    assert store.page(said.conversation_id, None, None, 10) == [said]


def test_pages_go_forwards_from_a_seq_and_backwards_from_the_end(store: MessageStore) -> None:
    """`after` and `before` are exclusive; the answer always ascends; it is the part next to `after`, else the newest."""
    conversation = fresh("c")
    said = {seq: message(conversation, seq) for seq in (9, 2, 300, 4, 70)}
    store.put_messages(list(said.values()))

    def seqs(after: int | None, before: int | None, limit: int) -> list[int]:
        return [each.seq for each in store.page(conversation, after, before, limit)]

    assert seqs(None, None, 2) == [70, 300]
    assert seqs(None, 70, 2) == [4, 9]
    assert seqs(2, None, 2) == [4, 9]
    assert seqs(0, 9, 10) == [2, 4]
    assert seqs(2, 300, 10) == [4, 9, 70]
    assert seqs(300, None, 10) == []
    assert store.page(fresh("c"), None, None, 10) == []


def test_last_seqs_are_the_highest_stored(store: MessageStore) -> None:
    """Conversations without messages are absent."""
    one, two, empty = fresh("c"), fresh("c"), fresh("c")
    store.put_messages([message(one, 9), message(one, 3), message(two, EPOCH_SIZE + 1)])
    assert store.last_seqs([one, two, empty]) == {one: 9, two: EPOCH_SIZE + 1}


@pytest.mark.parametrize("order", list(permutations((3, 5, 8))))
def test_the_smallest_seq_of_a_message_id_wins(store: MessageStore, order: tuple[int, ...]) -> None:
    """Whoever writes last: replays and late workers agree on who was first, and its digest goes with it."""
    conversation, message_id = fresh("c"), fresh("m")
    for seq in order:
        store.register([Registration(conversation, message_id, seq, f"digest {seq}")])
    first = Registration(conversation, message_id, 3, "digest 3")
    assert store.registered([(conversation, message_id), (conversation, fresh("m"))]) == {(conversation, message_id): first}


def test_one_call_may_register_an_id_twice(store: MessageStore) -> None:
    """Within a batch the smallest seq wins too."""
    conversation, message_id = fresh("c"), fresh("m")
    store.register([Registration(conversation, message_id, seq, str(seq)) for seq in (7, 6, 9)])
    assert store.registered([(conversation, message_id)])[conversation, message_id].seq == 6


def test_a_message_id_is_found_without_its_conversation(store: MessageStore) -> None:
    """The same id in two conversations is two messages, and both are told."""
    message_id, conversations = fresh("m"), sorted([fresh("c"), fresh("c")])
    kept = [Registration(conversation, message_id, 4, "d") for conversation in conversations]
    store.register(kept)
    assert sorted(store.places_of(message_id), key=lambda each: each.conversation_id) == kept
    assert store.places_of(fresh("m")) == []


def test_watermarks_only_grow_and_their_time_goes_with_them(store: MessageStore) -> None:
    """A late, lower position changes neither position nor time; an equal one keeps the earlier time."""
    key = (fresh("c"), "anna")
    store.raise_watermarks([Watermark(*key, 5, 100, 3, 110)])
    store.raise_watermarks([Watermark(*key, 4, 90, 3, 105)])
    assert store.watermarks([key[0]]) == {key[0]: [Watermark(*key, 5, 100, 3, 105)]}
    store.raise_watermarks([Watermark(*key, 9, 120)])
    assert store.watermarks([key[0]]) == {key[0]: [Watermark(*key, 9, 120, 3, 105)]}


def test_watermarks_are_told_by_conversation_and_user(store: MessageStore) -> None:
    """Conversations without any have an empty list."""
    conversation, quiet = fresh("c"), fresh("c")
    marks = [Watermark(conversation, user, 1, 2) for user in ("anna", "bob")]
    store.raise_watermarks(marks[::-1])
    assert store.watermarks([conversation, quiet]) == {conversation: marks, quiet: []}


def test_how_far_one_user_has_read(store: MessageStore) -> None:
    """Of the conversations asked for those that they have read; not what others read, and not what was only delivered."""
    read, delivered, others, quiet = (fresh("c") for _ in range(4))
    marks = [Watermark(read, "anna", 5, 2, 3, 2), Watermark(delivered, "anna", 4, 2), Watermark(others, "bob", 4, 2, 4, 2)]
    store.raise_watermarks([*marks, Watermark(read, "bob", 9, 2, 9, 2)])
    assert store.read_up_to("anna", [read, delivered, others, quiet]) == {read: 3}
    assert store.read_up_to("anna", []) == {}


positions = st.tuples(st.integers(0, 4), st.integers(1, 4)).map(lambda each: each if each[0] else (0, 0))


@modestly
@given(st.lists(st.tuples(positions, positions), min_size=1, max_size=6))
def test_watermarks_do_not_depend_on_the_order_of_writes(
    store: MessageStore, raised: list[tuple[tuple[int, int], ...]]
) -> None:
    """The furthest position with the earliest time that it was said at, in any order and any grouping."""
    key = (fresh("c"), "anna")
    marks = [Watermark(*key, *delivered, *read) for delivered, read in raised]
    store.raise_watermarks(marks[:2])
    for mark in [*marks[2:], marks[0]]:
        store.raise_watermarks([mark])
    furthest = [min(((-up_to, at) for up_to, at in each), default=(0, 0)) for each in zip(*raised, strict=True)]
    wanted = Watermark(*key, *(part for up_to, at in furthest for part in (-up_to, at)))
    assert store.watermarks([key[0]])[key[0]] == [wanted]
