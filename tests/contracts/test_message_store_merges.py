"""Every message store keeps who is the same person as whom, whoever says so at once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, permutations
from random import Random

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.ports import MessageStore
from chat4all.services.contacts.families import families
from chat4all.services.contacts.merging import merge, unmerge
from chat4all.services.refusals import Conflict
from tests.contracts.stores import fresh


def some(number: int) -> list[str]:
    """New ids, the smallest first."""
    return sorted(fresh("c") for _ in range(number))


def test_who_was_never_merged_is_alone(store: MessageStore) -> None:
    """Each is all of itself."""
    names = some(2)
    found = families(store, names)
    assert {each: found[each].members for each in names} == {each: [each] for each in names}


def test_a_merge_is_kept_with_who_and_when_and_so_is_its_end(store: MessageStore) -> None:
    """The larger id says it, whichever is named first; undone it stays to be looked at, and it can be merged again."""
    low, high = some(2)
    assert merge(store, high, low, "crm", 7) == [high, low]
    [kept] = store.profiles([high])[high].merges
    assert (kept.into, kept.at, kept.by, kept.leads, kept.undone_at) == (low, 7, "crm", True, 0)
    assert families(store, [low])[low].members == families(store, [high])[high].members == [low, high]
    assert unmerge(store, low, "", "bob", 9) == [high, low]
    [past] = store.profiles([high])[high].merges
    assert (past.undone_at, past.undone_by) == (9, "bob")
    assert families(store, [low])[low].members == [low]
    with pytest.raises(Conflict):
        unmerge(store, low, "", "bob", 10)
    merge(store, low, high, "crm", 5)
    assert [each.undone_at for each in store.profiles([high])[high].merges] == [9, 0]
    assert families(store, [low])[low].members == [low, high]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_who_leaves_takes_along_whom_they_had(store: MessageStore, order: tuple[int, ...]) -> None:
    """In whatever order three became one, undoing all merges leaves three."""
    names = some(4)
    pairs = [(0, 1), (2, 3), (1, 3)]
    for each in order:
        merge(store, names[pairs[each][0]], names[pairs[each][1]], "", 1)
    assert families(store, names[3:])[names[3]].members == names
    for _ in range(3):
        unmerge(store, names[0], "", "", 2)
    assert all(family.members == [each] for each, family in families(store, names).items())


def test_merges_at_once_make_no_circle_and_lose_nobody(store: MessageStore, other: MessageStore) -> None:
    """Of many threads in two processes, both ways round: in the end all are one, and the smallest id stands for them."""
    names = some(6)

    def work(number: int) -> None:
        random, here = Random(number), (store, other)[number % 2]
        pairs = [tuple(random.sample((one, two), 2)) for one, two in pairwise(names)]
        random.shuffle(pairs)
        for one, two in pairs:
            merge(here, one, two, "", now_ms())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    for each in names:
        assert families(store, [each])[each].members == names


def test_a_change_of_a_contact_meanwhile_is_not_lost(store: MessageStore) -> None:
    """Nor does it undo the merge."""
    low, high = some(2)

    def tag(number: int) -> None:
        store.change_profile(high, lambda there: replace(there, tags=(*there.tags, f"t{number}")))

    with ThreadPoolExecutor(3) as pool:
        changes = [pool.submit(tag, number) for number in range(5)]
        pool.submit(merge, store, low, high, "", 1).result()
        assert all(each.result() is None for each in changes)
    family = families(store, [low])[low]
    assert (family.members, sorted(family.whole.tags)) == ([low, high], [f"t{number}" for number in range(5)])
