"""The rules of membership: who is in a conversation, who was, and who may read what."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat4all.model.conversations import Conversation, ConversationType, Member, Membership

users = st.sampled_from(["anna", "bob", "carl", "dora"])
changes = st.lists(st.tuples(st.lists(users, max_size=3), st.lists(users, max_size=3)), max_size=6)


def group(open_history: bool = False) -> Conversation:
    """A group of anna's."""
    return Conversation("c", ConversationType.GROUP, "anna", 1, open_history=open_history)


def test_founders_are_members_once_each() -> None:
    """Naming somebody twice makes one stay."""
    founded = Membership.founded(group(), ["anna", "bob", "anna"])
    assert founded.members == (Member("anna", 1), Member("bob", 1))
    assert (founded.version, founded.now()) == (1, ["anna", "bob"])


def test_who_joins_again_gets_a_second_stay() -> None:
    """The gap between two stays stays visible."""
    came_back = Membership.founded(group(), ["anna", "bob"]).changed([], ["bob"]).changed(["bob"], [])
    assert came_back.members == (Member("anna", 1), Member("bob", 1, 2), Member("bob", 3))
    assert [came_back.may_read("bob", version) for version in (1, 2, 3)] == [True, False, True]


def test_joining_twice_and_leaving_from_outside_change_no_stay() -> None:
    """Only the version moves on."""
    founded = Membership.founded(group(), ["anna"])
    changed = founded.changed(["anna"], ["stranger"])
    assert (changed.version, changed.members) == (2, founded.members)


@pytest.mark.parametrize(("open_history", "before_joining"), [(False, False), (True, True)])
def test_who_joins_later_reads_earlier_messages_only_if_history_is_open(open_history: bool, before_joining: bool) -> None:
    """What was said before one came is closed unless the conversation says otherwise."""
    later = Membership.founded(group(open_history), ["anna"]).changed(["bob"], [])
    assert later.may_read("bob", 1) is before_joining
    assert later.may_read("bob", 2)


@pytest.mark.parametrize("open_history", [False, True])
def test_who_left_reads_what_was_said_before_and_nothing_after(open_history: bool) -> None:
    """Leaving closes the door, open history or not; strangers never had one."""
    left = Membership.founded(group(open_history), ["anna", "bob"]).changed([], ["bob"])
    assert left.may_read("bob", 1)
    assert not left.may_read("bob", 2)
    assert not left.may_read("eve", 1)
    assert not left.has("bob")
    assert left.has("anna")


@settings(max_examples=100)
@given(st.lists(users, min_size=1), changes)
def test_nobody_is_in_a_conversation_twice_and_no_stay_is_forgotten(
    founders: list[str], steps: list[tuple[list[str], list[str]]]
) -> None:
    """Stays of one user never overlap, versions go up one by one, and what one could read one can read for good."""
    now = Membership.founded(group(), founders)
    for joined, left in steps:
        then, now = now, now.changed(joined, left)
        assert now.version == then.version + 1
        assert set(joined) <= set(now.now())
        assert not (set(left) - set(joined)) & set(now.now())
        assert len(now.now()) == len(set(now.now()))
        for user in ("anna", "bob", "carl", "dora"):
            readable = [version for version in range(1, now.version) if then.may_read(user, version)]
            assert all(now.may_read(user, version) for version in readable)
