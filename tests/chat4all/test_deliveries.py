"""The rules of deliveries: facts in any order give one status, and more facts never a lower one."""

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat4all.model.deliveries import (
    RANK,
    DeliveryKey,
    Facts,
    Lane,
    State,
    Watermark,
    best,
    history,
    message_state,
    reason,
    standing,
    state,
)
from tests.contracts.facts import facts

seldom = settings(max_examples=100)
states = st.sampled_from(list(State))


@seldom
@given(st.lists(facts, min_size=1, max_size=6), st.data())
def test_facts_give_one_status_in_any_order_and_any_repetition(seen: list[Facts], data: st.DataObject) -> None:
    """What receipts prove does not depend on when and how often they come."""
    repeated = seen + data.draw(st.lists(st.sampled_from(seen), max_size=3))
    one, other = reduce(Facts.merged, seen), reduce(Facts.merged, data.draw(st.permutations(repeated)))
    assert one == other
    assert (state(one), reason(one), history(one)) == (state(other), reason(other), history(other))


@seldom
@given(facts, facts, facts)
def test_merging_is_commutative_associative_and_idempotent(one: Facts, two: Facts, three: Facts) -> None:
    """The three laws that make facts safe to write from anywhere."""
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(one) == one == one.merged(Facts())


@seldom
@given(facts, facts)
def test_more_facts_never_lower_a_state(one: Facts, two: Facts) -> None:
    """Neither a late webhook nor a stale worker takes READ back."""
    assert RANK[state(one.merged(two))] >= max(RANK[state(one)], RANK[state(two)])
    assert one.merged(two).ended >= one.ended


@seldom
@given(facts)
def test_history_holds_the_state_and_goes_by_time(known: Facts) -> None:
    """What a delivery is, it has become at some time; steps are told in the order they happened."""
    steps = history(known)
    assert [at for _, at, _ in steps] == sorted(at for _, at, _ in steps)
    assert state(known) in {what for what, _, _ in steps} | {State.PENDING}
    assert bool(steps) is (state(known) is not State.PENDING)
    assert all(at for _, at, _ in steps)


@seldom
@given(facts)
def test_only_what_reached_nobody_has_a_reason(known: Facts) -> None:
    """A reason beside a success would be a lie."""
    assert state(known) in {State.FAILED, State.CANCELLED} or reason(known) == ""


@seldom
@given(facts)
def test_an_outcome_is_unknown_only_while_the_delivery_is_open(known: Facts) -> None:
    """A call without an answer counts as unknown until something ends the delivery."""
    assert known.unknown is (not known.ended and known.attempts > known.refusals)


@pytest.mark.parametrize(
    ("known", "expected", "why"),
    [
        (Facts(), State.PENDING, ""),
        (Facts(attempts=3, attempted_at=9), State.PENDING, ""),
        (Facts(sent_at=1, provider_id="p"), State.SENT, ""),
        (Facts(refused_at=1, refused_reason="expired"), State.FAILED, "expired"),
        (Facts(sent_at=1, failed_at=2, failed_reason="blocked"), State.FAILED, "blocked"),
        (Facts(refused_at=1, refused_reason="expired", failed_at=9, failed_reason="blocked"), State.FAILED, "blocked"),
        (Facts(refused_at=1, refused_reason="expired", sent_at=2), State.FAILED, "expired"),
        (Facts(refused_at=1, refused_reason="cancelled"), State.CANCELLED, "cancelled"),
        (Facts(refused_at=1, refused_reason="held_too_long"), State.CANCELLED, "expired"),
        (Facts(refused_at=1, refused_reason="superseded", sent_at=2), State.CANCELLED, "superseded"),
        (Facts(refused_at=1, refused_reason="superseded", failed_at=2, failed_reason="blocked"), State.FAILED, "blocked"),
        (Facts(refused_at=1, refused_reason="superseded", delivered_at=2), State.DELIVERED, ""),
        (Facts(sent_at=1, failed_at=2, failed_reason="x", delivered_at=3), State.DELIVERED, ""),
        (Facts(sent_at=5, read_at=2), State.READ, ""),
        (Facts(sent_at=1, delivered_at=2, read_at=3), State.READ, ""),
    ],
)
def test_states_of_deliveries(known: Facts, expected: State, why: str) -> None:
    """FAILED stands unless a later success is known."""
    assert (state(known), reason(known)) == (expected, why)


def test_history_tells_every_step_with_its_reason() -> None:
    """Receipts that came in the wrong order are told by when things happened."""
    known = Facts(sent_at=5, failed_at=7, failed_reason="blocked", delivered_at=9, read_at=8)
    assert history(known) == [
        (State.SENT, 5, ""),
        (State.FAILED, 7, "blocked"),
        (State.READ, 8, ""),
        (State.DELIVERED, 9, ""),
    ]


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ([], (State.SENT, False)),
        ([State.PENDING], (State.PENDING, False)),
        ([State.READ, State.PENDING], (State.PENDING, False)),
        ([State.READ, State.SENT], (State.SENT, False)),
        ([State.READ, State.DELIVERED], (State.DELIVERED, False)),
        ([State.READ, State.READ], (State.READ, False)),
        ([State.FAILED], (State.FAILED, False)),
        ([State.FAILED, State.FAILED], (State.FAILED, False)),
        ([State.FAILED, State.READ], (State.DELIVERED, True)),
        ([State.FAILED, State.PENDING, State.READ], (State.PENDING, True)),
        ([State.CANCELLED], (State.CANCELLED, False)),
        ([State.CANCELLED, State.CANCELLED], (State.CANCELLED, False)),
        ([State.CANCELLED, State.SENT], (State.SENT, False)),
        ([State.CANCELLED, State.READ], (State.DELIVERED, False)),
        ([State.CANCELLED, State.FAILED], (State.FAILED, False)),
        ([State.CANCELLED, State.FAILED, State.SENT], (State.SENT, True)),
    ],
)
def test_states_of_messages(recipients: list[State], expected: tuple[State, bool]) -> None:
    """The lowest of those it did not fail for, READ only when all have; and whether it failed for some."""
    assert message_state(recipients) == expected


@seldom
@given(st.lists(st.tuples(facts, facts), max_size=5), st.data())
def test_a_messages_state_does_not_depend_on_order_and_never_falls(
    recipients: list[tuple[Facts, Facts]], data: st.DataObject
) -> None:
    """With more facts of its recipients a message only rises, as each of them does."""
    before = [state(one) for one, _ in recipients]
    after = [state(one.merged(more)) for one, more in recipients]
    assert message_state(data.draw(st.permutations(before))) == message_state(before)
    assert RANK[message_state(after)[0]] >= RANK[message_state(before)[0]]


@seldom
@given(st.lists(states, min_size=1), states)
def test_a_recipient_is_as_far_as_their_best_channel(reached: list[State], more: State) -> None:
    """One more way to a person never lowers what they have. One that was cancelled says nothing beside others."""
    if set(reached) != {State.CANCELLED}:
        assert RANK[best([*reached, more])] >= RANK[best(reached)]
        assert best([*reached, State.CANCELLED]) is best(reached)
    assert best([State.CANCELLED, more]) is more


@pytest.mark.parametrize(
    ("seq", "expected"), [(1, State.READ), (4, State.READ), (5, State.DELIVERED), (9, State.DELIVERED), (10, State.SENT)]
)
def test_a_watermark_covers_all_up_to_it(seq: int, expected: State) -> None:
    """Read up to 4 and delivered up to 9."""
    assert Watermark("c", "anna", 9, 100, 4, 90).state_of(seq) is expected


@pytest.mark.parametrize("key", [DeliveryKey(Lane("whatsapp", 3), 2**41, 1023), DeliveryKey(Lane("x", 0), 1, 0)])
def test_delivery_keys_survive_as_text(key: DeliveryKey) -> None:
    """The reference that providers echo leads back to its row."""
    assert DeliveryKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "whatsapp:1:2", "whatsapp:a:2:3", "a:b:1:2:3", "wamid.HBgL"])
def test_foreign_references_are_refused(text: str) -> None:
    """What a stranger put into a webhook names no delivery."""
    with pytest.raises(ValueError, match=r".+"):
        DeliveryKey.parse(text)


def test_delivery_keys_sort_as_lanes_are_worked_off() -> None:
    """By lane, then seq as a number, then index."""
    lane = Lane("w", 0)
    keys = [DeliveryKey(lane, 9, 1), DeliveryKey(lane, 10, 0), DeliveryKey(Lane("w", 1), 1, 0)]
    assert sorted([keys[1], keys[2], keys[0]]) == keys


def test_what_arrived_arrived_whatever_becomes_of_its_resend() -> None:
    """A resend that waits or fails does not hide that the first was sent; a failed first gives way to its resend."""
    sent, failed = Facts(sent_at=1, provider_id="a"), Facts(refused_at=1, refused_reason="expired")
    assert standing(sent, Facts()) == sent
    assert standing(sent, failed) == sent
    assert standing(failed, Facts()) == failed
    assert standing(Facts(), Facts()) == Facts()
    again = Facts(refused_at=9, refused_reason="blocked")
    assert standing(failed, again) == again
    assert standing(failed, sent) == sent
    read = Facts(sent_at=2, read_at=3)
    assert standing(sent, read) == read


@pytest.mark.parametrize(
    ("others", "again", "expected"),
    [
        ([State.READ], [State.FAILED], (State.DELIVERED, True)),
        ([State.READ], [State.SENT], (State.DELIVERED, True)),
        ([State.READ], [State.DELIVERED], (State.DELIVERED, False)),
        ([State.READ], [State.READ], (State.READ, False)),
        ([State.SENT], [State.SENT], (State.SENT, False)),
        ([], [State.FAILED], (State.FAILED, False)),
        ([], [State.SENT], (State.SENT, False)),
        ([], [State.SENT, State.FAILED], (State.SENT, True)),
        ([], [State.DELIVERED, State.SENT], (State.DELIVERED, True)),
        ([], [State.READ, State.SENT], (State.DELIVERED, True)),
    ],
)
def test_who_is_reached_by_a_resend_lowers_nobody(
    others: list[State], again: list[State], expected: tuple[State, bool]
) -> None:
    """They stay among those it failed for until they are as far as the others."""
    assert message_state(others, again) == expected


# Where each state may go. FAILED gives way to a success only: of the message, or of a resend.
RISES = {
    State.PENDING: set(State),
    State.SENT: set(State) - {State.PENDING},
    State.FAILED: set(State) - {State.PENDING},
    State.CANCELLED: set(State) - {State.PENDING},
    State.DELIVERED: {State.DELIVERED, State.READ},
    State.READ: {State.READ},
}


@seldom
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 3), st.booleans(), facts), max_size=20))
def test_nothing_that_is_shown_falls_by_facts_or_resends(count: int, steps: list[tuple[int, bool, Facts]]) -> None:
    """Random receipts and replays of what is FAILED: neither a delivery nor its message ever goes back."""
    first = [Facts()] * count
    newest: list[Facts | None] = [None] * count
    shown, before = [State.PENDING] * count, State.PENDING
    for number, is_resend, more in steps:
        at = number % count
        if is_resend and shown[at] is State.FAILED:
            newest[at] = Facts()
        elif newest[at] is not None:
            newest[at] = (newest[at] or Facts()).merged(more)
        else:
            first[at] = first[at].merged(more)
        now = [state(standing(one, other or one)) for one, other in zip(first, newest, strict=True)]
        assert all(after in RISES[earlier] for earlier, after in zip(shown, now, strict=True))
        failed = [place for place, one in enumerate(first) if state(one) is State.FAILED]
        told, _ = message_state(
            [each for place, each in enumerate(now) if place not in failed], [now[place] for place in failed]
        )
        assert told in RISES[before], (before, told, now)
        shown, before = now, told
