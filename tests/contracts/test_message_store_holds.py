"""Every message store keeps which keys are held, and which of them are to be looked at."""

from msgspec.structs import replace

from chat4all.ports import MessageStore
from chat4all.ports.holds import HeldKey, LaneKey, Opening
from tests.contracts.stores import fresh, lane


def key(**fields: object) -> LaneKey:
    """A key that nobody has used."""
    return replace(LaneKey(lane(), fresh("c"), fresh("+55"), fresh("account")), **fields)


def mine(store: MessageStore, keys: list[LaneKey]) -> list[Opening]:
    """The openings of these keys: other tests may have left theirs."""
    return [each for each in store.openings(100_000) if each.key in keys]


def test_what_is_held_is_found_by_whom_it_waits_for(store: MessageStore, other: MessageStore) -> None:
    """All conversations of an address to an account, in all lanes; of the environment's account, too."""
    first = key()
    beside = replace(first, conversation_id=fresh("c"))
    environments = replace(first, account="")
    kept = [HeldKey(each, 5, 0, number + 1) for number, each in enumerate((first, beside, environments))]
    store.hold_keys(kept)
    found = other.held_keys([first.place, (first.lane.channel, "nobody", first.address), first.place])
    assert sorted(each.key.conversation_id for each in found) == sorted((first.conversation_id, beside.conversation_id))
    assert {each.key: each for each in found} == {first: kept[0], beside: kept[1]}
    assert store.held_keys([environments.place]) == [kept[2]]
    assert store.held_keys([]) == []


def test_of_two_words_about_a_key_the_one_with_the_higher_stamp_stands(store: MessageStore) -> None:
    """In whatever order they arrive: a holder that was frozen lets nothing go that its successor holds."""
    one = HeldKey(key(), 5, 0, 7)
    store.hold_keys([one])
    store.unhold_keys([replace(one, stamp=3)])
    store.hold_keys([replace(one, since=1, stamp=6)])
    assert store.held_keys([one.key.place]) == [one]
    store.hold_keys([replace(one, freed_at=9, stamp=8)])
    assert store.held_keys([one.key.place]) == [replace(one, freed_at=9, stamp=8)]
    store.unhold_keys([replace(one, stamp=9)])
    assert store.held_keys([one.key.place]) == []
    store.hold_keys([])
    store.unhold_keys([])


def test_held_keys_are_counted_by_channel(store: MessageStore) -> None:
    """How many, and since when the first of them is."""
    first = key()
    assert store.held_counts([first.lane.channel]) == {}
    store.hold_keys([HeldKey(first, 9, 0, 1), HeldKey(replace(first, address=fresh("+5")), 4, 0, 2)])
    assert store.held_counts([first.lane.channel, fresh()]) == {first.lane.channel: (2, 4)}


def test_a_key_is_to_be_looked_at_until_it_was(store: MessageStore, other: MessageStore) -> None:
    """What was said of it after it was read stays; however often it is said, somebody looks."""
    first, second = key(), key(account="")
    store.open_keys([first, second, first])
    seen = mine(store, [first, second])
    assert {each.key for each in seen} == {first, second}
    other.open_keys([first])
    store.forget_openings(seen)
    [left] = mine(store, [first, second])
    assert (left.key, left not in seen) == (first, True)
    store.forget_openings([left])
    store.forget_openings([left])
    assert mine(store, [first, second]) == []
    store.open_keys([])
    store.forget_openings([])
