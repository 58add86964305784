"""Every message store keeps which deliveries are not to be sent any more."""

from functools import reduce

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.deliveries import REPLACED, TAKEN_BACK, DeliveryKey, Withdrawn
from chat4all.ports import MessageStore
from tests.contracts.stores import delivery, lane

modestly = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
facts = st.builds(Withdrawn, st.integers(1, 3), st.sampled_from([TAKEN_BACK, REPLACED]), st.sampled_from(["", "m", "é"]))


def test_what_is_withdrawn_is_known_to_everybody(store: MessageStore, other: MessageStore) -> None:
    """Of rows that exist and of rows that do not yet; all others are absent, and their rows are as they were."""
    here = lane()
    one, two, three = (DeliveryKey(here, 5, index) for index in range(3))
    why = Withdrawn(7, TAKEN_BACK, "m")
    assert store.withdrawn([one]) == {}
    store.put_deliveries([delivery(one), delivery(three)])
    store.withdraw({one: why, two: why})
    assert other.withdrawn([one, two, three, one]) == {one: why, two: why}
    assert other.deliveries([one, two, three]) == {one: delivery(one), three: delivery(three)}


def test_nothing_withdrawn_and_nothing_asked_is_nothing(store: MessageStore) -> None:
    """Most messages are never taken back."""
    store.withdraw({})
    assert store.withdrawn([]) == {}


def test_many_are_asked_for_at_once(store: MessageStore) -> None:
    """More than fit in one request."""
    here = lane()
    keys = [DeliveryKey(here, seq, 0) for seq in range(1, 131)]
    store.withdraw({key: Withdrawn(key.seq, TAKEN_BACK) for key in keys[::2]})
    assert store.withdrawn(keys) == {key: Withdrawn(key.seq, TAKEN_BACK) for key in keys[::2]}


@modestly
@given(st.lists(facts, min_size=1, max_size=6))
def test_the_first_fact_stands_in_any_order_of_writes(store: MessageStore, drawn: list[Withdrawn]) -> None:
    """Whoever writes last, and however often: the earliest, of equal times the smaller words."""
    key = DeliveryKey(lane(), 5, 0)
    for each in [*drawn, *reversed(drawn)]:
        store.withdraw({key: each})
    assert store.withdrawn([key]) == {key: reduce(Withdrawn.first, drawn)} == {key: reduce(Withdrawn.first, drawn[::-1])}
