"""Lanes of every message store: positions that only grow, the lease, and keys that wait."""

from msgspec import structs

from chat4all.model.deliveries import Lane
from chat4all.ports import LaneState, Lease, MessageStore, Waiting, stamps_of
from tests.contracts.stores import lane


def waiting(here: Lane, address: str = "1", seq: int = 5, retry_at: int = 100, fence: int = 1, word: int = 0) -> Waiting:
    """A key that waits, as one word of a holder."""
    return Waiting(here, "c", address, seq, 0, retry_at, 1, stamps_of(fence)[word])


def test_a_lane_that_was_never_used_is_told_as_such(store: MessageStore) -> None:
    """Asked for by name it has no positions and a free lease; among all lanes it does not appear."""
    here = lane()
    assert store.lanes([here]) == {here: LaneState(here, 0, 0, Lease())}
    assert here not in store.lanes()
    assert store.lanes([]) == {}


def test_positions_of_a_lane_only_grow(store: MessageStore) -> None:
    """Late writers change nothing, and the two positions do not touch each other."""
    here, there = lane(), lane()
    store.raise_fanned({here: 7, there: 3})
    store.raise_fanned({here: 5, there: 4})
    store.raise_cursor(here, 6, 0)
    store.raise_cursor(here, 2, 0)
    assert store.lanes([here, there]) == {here: LaneState(here, 7, 6, Lease()), there: LaneState(there, 4, 0, Lease())}
    assert {each: state for each, state in store.lanes().items() if each in (here, there)} == store.lanes([here, there])
    unused = lane()
    assert store.fanned([here, there, unused]) == {here: 7, there: 4, unused: 0}


def test_a_lease_is_taken_by_whoever_saw_it_as_it_is(store: MessageStore) -> None:
    """One who saw another lease gets nothing, whatever part of it differs."""
    here, mine, theirs = lane(), Lease("me", 1, 1), Lease("them", 1, 1)
    assert store.swap_lease(here, Lease(), mine)
    assert not store.swap_lease(here, Lease(), theirs)
    for seen in (Lease("me", 1, 2), Lease("me", 2, 1), Lease("them", 1, 1), Lease("", 1, 1)):
        assert not store.swap_lease(here, seen, theirs)
    assert store.lanes([here])[here].lease == mine
    assert store.swap_lease(here, mine, Lease("me", 1, 2))
    assert store.swap_lease(here, Lease("me", 1, 2), Lease("", 1, 2))
    assert store.swap_lease(here, Lease("", 1, 2), Lease("them", 2, 1))
    assert store.lanes([here])[here].lease == Lease("them", 2, 1)


def test_a_lease_of_an_unused_lane_can_only_be_seen_free(store: MessageStore) -> None:
    """Who believes to have seen a lease where none was is refused, and leaves no trace."""
    here = lane()
    assert not store.swap_lease(here, Lease("me", 1, 1), Lease("me", 1, 2))
    assert store.lanes([here])[here].lease == Lease()


def test_lease_and_positions_do_not_touch_each_other(store: MessageStore) -> None:
    """fan_out raises `fanned` while the holder renews: neither takes anything from the other."""
    here, held = lane(), Lease("me", 1, 1)
    store.raise_fanned({here: 7})
    assert store.swap_lease(here, Lease(), held)
    store.raise_fanned({here: 9})
    store.raise_cursor(here, 8, 1)
    assert store.lanes([here]) == {here: LaneState(here, 9, 8, held)}


def test_a_cursor_of_a_holder_that_was_followed_never_lowers_the_next_ones(store: MessageStore) -> None:
    """What it says late is passed over or stands; what the next holder says stands in any case."""
    here = lane()
    store.raise_fanned({here: 9})
    assert store.swap_lease(here, Lease(), Lease("me", 1, 0))
    store.raise_cursor(here, 3, 1)
    assert store.swap_lease(here, Lease("me", 1, 0), Lease("you", 2, 0))
    store.raise_cursor(here, 5, 1)
    assert store.lanes([here])[here].cursor in {3, 5}
    store.raise_cursor(here, 7, 2)
    store.raise_cursor(here, 6, 1)
    assert store.lanes([here])[here].cursor == 7


def test_fences_only_rise_and_keep_up_with_the_time_of_day() -> None:
    """Whatever clock the next holder has: its stamps come after all of those before it, and stand near the present."""
    lease, now = Lease(), 1_796_000_000_000
    for clock in (now, now, now - 3_600_000, now + 60_000, now - 120_000):
        taken = lease.taken_by("me", clock)
        assert stamps_of(taken.fence)[0] > stamps_of(lease.fence)[-1]
        assert stamps_of(taken.fence)[0] > clock * 1000
        lease = taken
    assert stamps_of(lease.fence)[-1] < (now + 62_000) * 1000


def test_a_waiting_key_has_one_row(store: MessageStore) -> None:
    """A newer wait of the same key replaces the older one; other keys and lanes keep theirs."""
    here, there = lane(), lane()
    store.record({}, waiting=[waiting(here), waiting(here, "2", seq=4), waiting(there)])
    store.record({}, waiting=[waiting(here, seq=9, retry_at=300, word=1)])
    assert store.waiting(here) == [waiting(here, "2", seq=4), waiting(here, seq=9, retry_at=300, word=1)]
    assert store.waiting(there) == [waiting(there)]


def test_a_key_that_goes_on_waits_no_more(store: MessageStore) -> None:
    """`resumed` removes the key's row whatever it said before, and only that one."""
    here = lane()
    store.record({}, waiting=[waiting(here), waiting(here, "2")])
    store.record({}, resumed=[waiting(here, seq=77, word=1), waiting(here, "never waited", word=1)])
    assert store.waiting(here) == [waiting(here, "2")]


def test_a_key_that_goes_on_and_waits_anew_in_one_call_waits(store: MessageStore) -> None:
    """A wait is never lost to the end of an older one."""
    here = lane()
    store.record({}, waiting=[waiting(here)])
    store.record({}, waiting=[waiting(here, seq=6, word=2)], resumed=[waiting(here, word=1)])
    assert store.waiting(here) == [waiting(here, seq=6, word=2)]


def test_what_a_holder_says_late_changes_nothing_of_what_the_next_one_said(store: MessageStore) -> None:
    """Whichever its words are, and whichever the other's: a wait stays that was written down by the newest holder."""
    here = lane()
    store.record({}, waiting=[waiting(here, word=5)])
    store.record({}, waiting=[waiting(here, seq=6, retry_at=700, fence=2)])
    store.record({}, resumed=[waiting(here, word=9)])
    store.record({}, waiting=[waiting(here, seq=5, retry_at=1, word=9)])
    store.record({}, waiting=[waiting(here, seq=5, retry_at=1, word=8)], resumed=[waiting(here, word=10)])
    assert store.waiting(here) == [waiting(here, seq=6, retry_at=700, fence=2)]
    store.record({}, resumed=[waiting(here, fence=2, word=1)])
    assert store.waiting(here) == []


def test_words_about_many_keys_reach_each_of_them(store: MessageStore) -> None:
    """More than any store takes in one statement; how many wait is told without reading them."""
    here, quiet = lane(), lane()
    store.record({}, waiting=[waiting(here, str(n), seq=n) for n in range(300)])
    assert len(store.waiting(here)) == store.waiting_counts([here, quiet])[here] == 300
    assert not store.waiting_counts([here, quiet]).get(quiet)
    store.record({}, resumed=[waiting(here, str(n), word=1) for n in range(299)])
    assert [each.address for each in store.waiting(here)] == ["299"]
    assert store.due([here], 100) == [here]


def test_lanes_are_due_when_a_keys_time_has_come(store: MessageStore) -> None:
    """At retry_at exactly, and only for the lanes asked for."""
    here, there, quiet = lane(), lane(), lane()
    store.record({}, waiting=[waiting(here, retry_at=100), waiting(here, "2", retry_at=900), waiting(there, retry_at=50)])
    assert store.due([here, quiet], 99) == []
    assert store.due([here, quiet], 100) == [here]
    assert sorted(store.due([here, there, quiet], 100)) == sorted([here, there])
    assert store.due([], 100) == []


def test_keys_of_different_accounts_wait_apart(store: MessageStore) -> None:
    """One conversation and address, two accounts and the environment's: each has its own row, and all are told together."""
    here = lane()
    keys = {name: structs.replace(waiting(here, seq=seq, retry_at=at), account=name) for name, seq, at in WAITS}
    store.record({}, waiting=list(keys.values()))
    assert store.waiting(here) == [keys["a"], keys[""], keys["b"]]
    assert store.waiting_counts([here]) == {here: 3}
    assert (store.due([here], 49), store.due([here], 50)) == ([], [here])
    later = structs.replace(keys["b"], seq=8, retry_at=500, stamp=keys["b"].stamp + 1)
    store.record({}, waiting=[later], resumed=[structs.replace(keys["a"], stamp=keys["a"].stamp + 1)])
    assert store.waiting(here) == [keys[""], later]
    assert (store.due([here], 99), store.due([here], 100)) == ([], [here])
    # What is said later has a later stamp, whatever it is about.
    store.record({}, waiting=[keys["b"]], resumed=[structs.replace(keys[""], stamp=keys[""].stamp + 2)])
    assert store.waiting(here) == [later]
    assert store.waiting_counts([here]) == {here: 1}
    assert (store.due([here], 499), store.due([here], 500)) == ([], [here])


WAITS = (("", 6, 100), ("a", 5, 200), ("b", 7, 50))
