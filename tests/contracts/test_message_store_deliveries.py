"""Delivery rows of every message store: facts that only become more, handles, receipts that wait."""

from functools import reduce

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.model.content import Media
from chat4all.model.deliveries import LAST_INDEX, Delivery, DeliveryKey, Facts, Lane
from chat4all.model.messages import EPOCH_SIZE
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Handle, MessageStore
from tests.contracts.facts import facts
from tests.contracts.stores import delivery, fresh, lane

modestly = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(store: MessageStore, key: DeliveryKey) -> Facts:
    """The facts that are kept of a row."""
    return store.deliveries([key])[key].facts


def test_rows_come_back_as_they_were_put(store: MessageStore) -> None:
    """Every column survives, the facts that a row begins with included."""
    key = DeliveryKey(lane(), EPOCH_SIZE + 7, 1023)
    begun = Facts(refused_at=9, refused_reason="no_identity")
    row = Delivery(key, "c", "m", "bob", "", Media("f", "look", "a.png", "image/png", 2**31, "key"), 9, "Anna", 4, begun)
    store.put_deliveries([row])
    assert store.deliveries([key, DeliveryKey(key.lane, 1, 0)]) == {key: row}


def test_putting_rows_again_lowers_no_fact(store: MessageStore) -> None:
    """A batch that runs again after its deliveries were sent leaves them sent."""
    row = delivery(DeliveryKey(lane(), 5, 0))
    sent = Facts(attempts=2, attempted_at=8, refusals=1, sent_at=9, provider_id="p")
    store.put_deliveries([row])
    store.record({row.key: sent})
    store.put_deliveries([row, row])
    assert store.deliveries([row.key]) == {row.key: row.seen(sent)}


def test_putting_a_row_with_facts_again_adds_them(store: MessageStore) -> None:
    """Facts that came with different runs of a batch are joined, also within one call."""
    key = DeliveryKey(lane(), 5, 0)
    early, late = Facts(refused_at=3, refused_reason="b", attempts=1), Facts(refused_at=3, refused_reason="a")
    store.put_deliveries([delivery(key)])
    store.put_deliveries([delivery(key, early), delivery(key, late)])
    assert read(store, key) == early.merged(late)


def test_facts_reach_the_row_that_they_are_of_and_no_other(store: MessageStore) -> None:
    """Neighbours in lane, seq, index and channel stay as they are."""
    here = lane()
    keys = [DeliveryKey(here, 5, 0), DeliveryKey(here, 5, 1), DeliveryKey(here, 6, 0), DeliveryKey(Lane(here.channel, 1), 5, 0)]
    store.put_deliveries([delivery(key) for key in keys])
    store.record({keys[1]: Facts(sent_at=1, provider_id="p"), keys[3]: Facts(read_at=2)})
    assert [read(store, key) for key in keys] == [Facts(), Facts(sent_at=1, provider_id="p"), Facts(), Facts(read_at=2)]


@modestly
@given(st.lists(facts, min_size=1, max_size=5), st.data())
def test_facts_merge_in_any_order_and_any_repetition(store: MessageStore, seen: list[Facts], data: st.DataObject) -> None:
    """The store joins sights exactly as `Facts.merged` does."""
    key = DeliveryKey(lane(), 5, 0)
    store.put_deliveries([delivery(key, seen[0])])
    for more in data.draw(st.permutations([*seen, seen[-1]])):
        store.record({key: more})
    assert read(store, key) == reduce(Facts.merged, seen)


def test_a_lane_is_read_in_order_from_a_place_on(store: MessageStore) -> None:
    """Rows by (seq, index), after the place exclusively, up to the seq inclusively, at most `limit`, this lane's only."""
    here = lane()
    places = [(3, 0), (3, 1), (4, 0), (10, 0), (10, 2), (11, 0), (EPOCH_SIZE + 1, 0)]
    rows = [delivery(DeliveryKey(here, seq, index)) for seq, index in places]
    store.put_deliveries([*rows[::-1], delivery(DeliveryKey(Lane(here.channel, 1), 4, 0)), delivery(DeliveryKey(lane(), 4, 0))])

    def found(after: tuple[int, int], up_to: int, limit: int = 100) -> list[tuple[int, int]]:
        return [(row.key.seq, row.key.index) for row in store.lane_rows(here, after, up_to, limit)]

    assert found((0, 0), 2**50) == places
    assert found((3, 0), 10) == [(3, 1), (4, 0), (10, 0), (10, 2)]
    assert found((10, 0), 10) == [(10, 2)]
    assert found((3, 1), 100, limit=2) == [(4, 0), (10, 0)]
    assert found((10, 2), 10) == []
    assert found((3, LAST_INDEX), 10) == [(4, 0), (10, 0), (10, 2)]
    assert store.lane_rows(here, (4, 0), 10, 1) == [rows[3]]


def test_deliveries_are_found_by_the_providers_id(store: MessageStore) -> None:
    """Unknown ids are absent; the same id of another account or channel is another delivery."""
    key = DeliveryKey(lane(), 5, 0)
    handle = Handle(key.lane.channel, "account", fresh("wamid"), key)
    store.record({}, [handle])
    known = (handle.channel, handle.account, handle.provider_id)
    assert store.handles([known, (handle.channel, "other", handle.provider_id), (*known[:2], "other")]) == {known: key}


def test_writing_a_handle_again_changes_nothing(store: MessageStore) -> None:
    """The holder of a lane and the receipts may both say whose an id is."""
    key = DeliveryKey(lane(), 5, 0)
    handle = Handle(key.lane.channel, "account", "p", key)
    store.record({}, [handle, handle])
    store.record({}, [handle])
    assert store.handles([(handle.channel, "account", "p")]) == {(handle.channel, "account", "p"): key}


def test_parked_receipts_are_kept_once_each(store: MessageStore) -> None:
    """Different receipts of one id all stay; the same one twice is one; ids without any give nothing."""
    channel = fresh("ch")
    sent = ProviderReceipt(channel, "a", "1", "sent", 5)
    failed = ProviderReceipt(channel, "a", "1", "failed", 6, "blocked", "w:0:1:0")
    foreign = ProviderReceipt(channel, "b", "1", "sent", 5)
    store.park([sent, failed, sent])
    store.park([sent, foreign])
    kept = store.parked([(channel, "a", "1"), (channel, "a", "1"), (channel, "a", "2")])
    assert sorted(kept, key=lambda each: each.at) == [sent, failed]
    assert store.parked([(channel, "b", "1")]) == [foreign]


def test_parked_receipts_stay_after_their_id_is_known(store: MessageStore) -> None:
    """A receipt that was applied may be read again: applying it twice changes nothing, losing it would."""
    key = DeliveryKey(lane(), 5, 0)
    receipt = ProviderReceipt(key.lane.channel, "a", "1", "read", 5)
    store.park([receipt])
    store.record({}, [Handle(key.lane.channel, "a", "1", key)])
    assert store.parked([(key.lane.channel, "a", "1")]) == [receipt]


def test_nothing_to_do_is_done(store: MessageStore) -> None:
    """Empty batches are no errors and give empty answers."""
    store.put_deliveries([])
    store.record({})
    store.park([])
    assert store.deliveries([]) == {}
    assert store.handles([]) == {}
    assert store.parked([]) == []
