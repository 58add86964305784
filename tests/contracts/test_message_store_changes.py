"""What was learned when, pages of many conversations, and what is known of deliveries whose rows are gone."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.deliveries import DeliveryKey, Facts, Lane, Watermark
from chat4all.ports import Change, MessageStore, Span
from tests.contracts.stores import delivery, fresh, lane, message

NOW = int(time.time() * 1000)
HOUR, DAY = 3_600_000, 86_400_000


def noted(name: str, age: int, subject: str = "x") -> Change:
    return Change(name, NOW - age, "state", subject)


def test_what_was_learned_since_is_found(store: MessageStore) -> None:
    """By conversation and time, from each conversation's own time on, over hours and days; noting twice is once."""
    one, other, quiet = fresh("a"), fresh("b"), fresh("c")
    kept = [noted(one, age, f"{age}") for age in (6 * DAY, DAY, 2 * HOUR, 5, 0)] + [noted(other, 2 * HOUR), noted(other, 7)]
    store.note_changes(kept)
    store.note_changes(kept[2:4])
    assert store.changes({one: NOW - DAY, other: NOW - HOUR, quiet: 0}) == sorted(kept[1:5] + kept[6:])
    assert store.changes({one: 0}) == sorted(kept[:5])
    assert store.changes({}) == []


def test_many_conversations_are_asked_at_once(store: MessageStore) -> None:
    """More than fit into one question."""
    names = [fresh(f"{number}") for number in range(700)]
    store.note_changes([noted(name, 1) for name in names[::2]])
    assert [each.conversation_id for each in store.changes(dict.fromkeys(names, NOW - HOUR))] == sorted(names[::2])


def test_facts_and_positions_come_with_what_was_learned(store: MessageStore) -> None:
    """`record` takes what readers are told, `raise_watermarks` notes by itself who has come further."""
    name, row = fresh("c"), delivery(DeliveryKey(lane(), 1, 0))
    store.put_deliveries([row])
    store.record({row.key: Facts(sent_at=1)}, changes=[noted(name, 2, str(row.key))])
    store.raise_watermarks([Watermark(name, "anna", 1, 1)])
    assert [each.subject for each in store.changes({name: NOW - 10})] == [str(row.key), "anna"]


def test_a_membership_that_changes_is_noted(store: MessageStore) -> None:
    """Founding and every change, under the version that it made."""
    name = fresh("c")
    store.add_conversations([(Conversation(name, ConversationType.GROUP, "anna", 1), ["anna", "bob"])])
    store.change_members(name, 1, ["carla"], ["bob"])
    found = store.changes({name: NOW - HOUR})
    assert [(each.kind, each.subject) for each in found] == [("conversation", "1"), ("conversation", "2")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_pages_are_pages(pages_store: MessageStore, data: st.DataObject) -> None:
    """Of many conversations at once exactly what `page` says of each."""
    names = ["pages-1", "pages-2", "pages-3"]
    bound = st.sampled_from([0, 1, 2, 3, 5, 9, 1 << 20, (1 << 20) + 1, 3 << 20, (3 << 20) + 4])
    spans = data.draw(
        st.lists(st.builds(Span, st.sampled_from(names), st.none() | bound, bound, st.integers(1, 5)), max_size=6)
    )
    assert pages_store.pages(spans) == [
        pages_store.page(each.conversation_id, each.after, each.before, each.limit) for each in spans
    ]


@pytest.fixture
def pages_store(store: MessageStore) -> MessageStore:
    seqs = [1, 2, 3, 4, 5, 8, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20, (3 << 20) + 3]
    store.put_messages([message(name, seq) for name in ("pages-1", "pages-2") for seq in seqs])
    return store


def test_outcomes_of_rows_that_are_gone(store: MessageStore, other: MessageStore) -> None:
    """What was seen of a delivery is known after its row was given up; of one that never was, nothing is."""
    here = lane()
    row = delivery(DeliveryKey(here, 5, 1))
    store.put_deliveries([row])
    store.record({row.key: Facts(attempts=1, attempted_at=3)})
    store.record({row.key: Facts(sent_at=5, provider_id="p")})
    store.record({row.key: Facts(read_at=9, priced_at=6, price="charged utility PMP")})
    give_up(store, row.key)
    assert other.deliveries([row.key]) == {}
    known = other.outcomes([row.key, DeliveryKey(here, 77, 0), DeliveryKey(Lane("nobody", 0), 1, 0)])
    assert {key: (facts.sent_at, facts.provider_id, facts.read_at) for key, facts in known.items()} == {row.key: (5, "p", 9)}
    assert {key: (facts.priced_at, facts.price) for key, facts in known.items()} == {row.key: (6, "charged utility PMP")}


def give_up(store: MessageStore, key: DeliveryKey) -> None:
    """What retention does to a row."""
    db: Any = vars(store)["_db"]
    where = "channel = ? AND partition = ? AND seq = ? AND idx = ?"
    values = (key.lane.channel, key.lane.partition, key.seq, key.index)
    if hasattr(db, "write"):
        with db.write() as writing:
            writing.execute(f"DELETE FROM deliveries WHERE {where}", values)
    else:
        bucketed = where.replace("seq = ?", "bucket = ? AND seq = ?")
        db.rows(f"DELETE FROM deliveries WHERE {bucketed}", *values[:2], key.seq >> 12, *values[2:])
