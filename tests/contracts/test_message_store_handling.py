"""Every message store keeps how conversations are handled, the lists that follow from it, and what is to be done later."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.handling import LOOK, LOOK_AFTER_MS, STATES, TELL, WAKE, Due, Handling, Wanted, list_name
from chat4all.ports import MessageStore
from chat4all.ports.listing import SLOT_MS
from tests.contracts.stores import fresh, message

LAST = 2**62
DAY_MS = 86_400_000


def founded(store: MessageStore, created_at: int = 0) -> str:
    """A new conversation."""
    name = fresh("c")
    store.add_conversations([(Conversation(name, ConversationType.GROUP, "anna", created_at or now_ms()), ["anna"])])
    return name


def handled(name: str, at: int = 0, **fields: object) -> Handling:
    """A handling of this conversation."""
    return replace(Handling(name, changed_at=at or now_ms(), changed_by="anna"), **fields)


def set_to(store: MessageStore, wanted: Handling) -> Handling:
    """Make it so."""
    return store.change_handling(wanted.conversation_id, lambda _: wanted)


def listed(store: MessageStore, name: str) -> list[str]:
    """All that is in a list."""
    found, slot = [], LAST
    while rows := store.active(name, slot, 50):
        found += [conversation_id for _, conversation_id in rows]
        slot = rows[-1][0] - 1
    return found


def due_of(store: MessageStore, name: str, now: int) -> list[tuple[str, int]]:
    """What is to be done with a conversation, and when."""
    return [(each.kind, each.at) for each in store.due_handlings(now, 10_000) if each.conversation_id == name]


def test_what_nobody_touched_is_open(store: MessageStore) -> None:
    """It is nobody's, and is in the list of what is open from its founding on."""
    name = founded(store)
    assert store.handlings([name]) == {name: Handling(name)}
    assert store.handlings([]) == {}
    assert name in listed(store, list_name("open"))
    assert store.change_handling(name, lambda there: there) == Handling(name)


def test_a_handling_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field, by everybody; each change is one version more, and what changes nothing is none."""
    name = founded(store)
    wanted = handled(
        name,
        state="snoozed",
        snoozed_until=now_ms() + DAY_MS,
        seen_up_to=2**45,
        assignee="bob",
        priority="urgent",
        labels=("é", "vip"),
        handler="human",
    )
    assert set_to(store, wanted) == replace(wanted, version=1)
    assert other.handlings([name, "nothing"]) == {name: replace(wanted, version=1), "nothing": Handling("nothing")}
    assert other.change_handling(name, lambda there: there).version == 1
    assert set_to(other, replace(wanted, assignee="")).version == 2
    assert store.handles_any()


def test_lists_follow(store: MessageStore, other: MessageStore) -> None:
    """A conversation is in the lists of its state, its assignee and its labels, once each, and leaves those of before."""
    name, label, agent = founded(store), fresh("l"), fresh("a")
    set_to(store, handled(name, assignee=agent, labels=(label,)))
    mine = Wanted("open", assignee=agent).lists
    assert [listed(other, each).count(name) for each in (*mine, *Wanted("open", label=label).lists)] == [1, 1]
    set_to(other, handled(name, state="closed", assignee=agent))
    assert name not in listed(store, list_name("open"))
    assert [listed(store, each) for each in mine] == [[]]
    assert [listed(store, each) for each in Wanted("closed", assignee=agent).lists] == [[name]]
    assert not any(name in listed(store, each) for each in Wanted(label=label).lists)
    set_to(store, handled(name, assignee=agent))
    assert [listed(other, each) for each in mine] == [[name]]


def test_lists_are_in_the_order_of_activity(store: MessageStore) -> None:
    """What was said last moves a conversation to the front of all its lists, in whatever order things happen."""
    agent, now = fresh("a"), now_ms()
    first, second = (founded(store, now - 10 * SLOT_MS) for _ in range(2))
    for name in (first, second):
        store.put_messages([replace(message(name, 2**41), accepted_at=now - 5 * SLOT_MS)])
        set_to(store, handled(name, assignee=agent))
    store.put_messages([replace(message(second, 2**41 + 1), accepted_at=now)])
    (mine,) = Wanted("open", assignee=agent).lists
    assert listed(store, mine) == [second, first]
    set_to(store, handled(first, state="closed", assignee=agent))
    store.put_messages([replace(message(first, 2**41 + 2), accepted_at=now + SLOT_MS)])
    assert listed(store, mine) == [second]
    set_to(store, handled(first, assignee=agent))
    assert listed(store, mine) == [first, second]


@pytest.mark.parametrize("seed", range(5))
def test_a_list_never_misses_one(store: MessageStore, other: MessageStore, seed: int) -> None:
    """Whatever two processes change at the same time, and whatever is said: it ends in every list that it belongs to.

    It may be left in one that it does not belong to any more: who reads a list looks.
    """
    random, name, agents = Random(seed), founded(store, now_ms() - 90 * SLOT_MS), [fresh("a"), fresh("a")]

    def change(opened: MessageStore, steps: Sequence[tuple[str, str, int]]) -> None:
        for state, agent, slot in steps:
            if slot:
                opened.put_messages([replace(message(name, 2**41 + slot), accepted_at=now_ms() - (90 - slot) * SLOT_MS)])
            set_to(opened, handled(name, state=state, assignee=agent))

    steps = [(random.choice(STATES), random.choice(["", *agents]), random.choice([0, n])) for n in range(16)]
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(change, store, steps[::2]), threads.submit(change, other, steps[1::2])]:
            done.result()
    kept = store.handlings([name])[name]
    assert kept.version <= 16
    for each in kept.lists:
        assert name in listed(store, each)


def test_changes_at_the_same_time_are_all_made(store: MessageStore, other: MessageStore) -> None:
    """Of two who change different things, neither undoes the other's."""
    name = founded(store)

    def add(opened: MessageStore, label: str) -> None:
        opened.change_handling(name, lambda there: replace(there, labels=(*there.labels, label), changed_at=now_ms()))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: add((store, other)[n % 2], str(n)), range(8)))
    kept = store.handlings([name])[name]
    assert sorted(kept.labels) == [str(n) for n in range(8)]
    assert kept.version == 8


def test_what_is_due(store: MessageStore, other: MessageStore) -> None:
    """After a change readers are to be told; a snooze wakes at its time, and what is closed is looked at; each once."""
    name, now = founded(store), now_ms()
    set_to(store, handled(name, at=now, state="snoozed", snoozed_until=now + 5_000))
    assert due_of(store, name, now) == [(TELL, now)]
    assert due_of(other, name, now + 5_000) == [(TELL, now), (WAKE, now + 5_000)]
    store.settle_due([Due(now, name, TELL, 1)])
    assert due_of(other, name, now + 5_000) == [(WAKE, now + 5_000)]
    set_to(store, handled(name, at=now + 1, state="closed"))
    assert due_of(other, name, now + 10_000) == [(TELL, now + 1), (LOOK, now + 1 + LOOK_AFTER_MS), (WAKE, now + 5_000)]
    store.settle_due([each for each in store.due_handlings(now + 10_000, 10_000) if each.conversation_id == name])
    assert due_of(other, name, now + 10_000) == []


def test_the_earliest_is_due_first(store: MessageStore) -> None:
    """A page of what is due has the earliest; what is not due yet, in a month or more, is not in it."""
    names, now = [founded(store) for _ in range(3)], now_ms()
    for days, name in zip((40, 0, 2), names, strict=True):
        set_to(store, handled(name, at=now, state="snoozed", snoozed_until=now + days * DAY_MS + 10))
    woken = [each for each in store.due_handlings(now + 3 * DAY_MS, 10_000) if each.kind == WAKE]
    assert [each.conversation_id for each in woken if each.conversation_id in names] == names[1:]
    assert woken == sorted(woken)
    assert len(store.due_handlings(now + 3 * DAY_MS, 2)) == 2
