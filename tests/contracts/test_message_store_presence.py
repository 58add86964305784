"""Every message store knows when users were last there, and whether they wish to be hidden."""

from chat4all.ports import MessageStore
from chat4all.ports.presence import Seen
from tests.contracts.stores import fresh


def test_the_latest_time_stays_whoever_writes_last(store: MessageStore, other: MessageStore) -> None:
    """Of many at once; of others nothing is known."""
    ana, bob = fresh("ana"), fresh("bob")
    store.raise_last_seen({ana: 2_000_000_000_000, bob: 5})
    other.raise_last_seen({ana: 1_000_000_000_000})
    assert other.presences([ana, bob, fresh("eve")]) == {ana: Seen(2_000_000_000_000), bob: Seen(5)}
    store.raise_last_seen({})
    assert store.presences([]) == {}


def test_a_wish_and_a_time_leave_each_other_alone(store: MessageStore, other: MessageStore) -> None:
    """In either order, and the newest wish stays."""
    ana, bob = fresh("ana"), fresh("bob")
    store.hide_presence(ana, hidden=True)
    store.raise_last_seen({ana: 7, bob: 8})
    other.hide_presence(bob, hidden=True)
    assert store.presences([ana, bob]) == {ana: Seen(7, hidden=True), bob: Seen(8, hidden=True)}
    other.hide_presence(ana, hidden=False)
    assert store.presences([ana]) == {ana: Seen(7)}
