"""Every message store keeps broadcasts, and what came of each contact's turn."""

from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from chat4all.model.broadcasts import DONE, PAUSED, RUNNING, STATES, Broadcast, Result
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh


def broadcast(broadcast_id: str = "", **fields: object) -> Broadcast:
    """One in which every field says something."""
    payload = {"type": "text", "text": "olá", "more": [1, {"a": True}]}
    full = Broadcast(broadcast_id or fresh("b"), "Sale, é", payload, "whatsapp", "vip", 20, "crm", 5, "alice", "draft", 1)
    return replace(
        full, after="c-1", begun_at=6, ended_at=7, stepped_at=8, moved_at=9, accepted=1, refused=2, skipped=3, **fields
    )


def runs(store: MessageStore, broadcast_id: str) -> bool:
    """Whether it is among those that run."""
    return any(each.broadcast_id == broadcast_id for each in store.running_broadcasts())


def test_a_broadcast_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; an unknown one is nothing."""
    kept = broadcast()
    assert store.broadcast(kept.broadcast_id) is None
    assert store.put_broadcast(kept)
    assert other.broadcast(kept.broadcast_id) == kept
    assert not other.put_broadcast(replace(kept, name="other"))


def test_only_who_has_seen_the_last_version_changes_it(store: MessageStore) -> None:
    """Of several at once one does."""
    kept = broadcast()
    store.put_broadcast(kept)
    with ThreadPoolExecutor(4) as pool:
        wanted = [replace(kept, version=2, name=str(number)) for number in range(4)]
        done = list(pool.map(store.put_broadcast, wanted))
    assert sum(done) == 1
    assert store.broadcast(kept.broadcast_id) == wanted[done.index(True)]
    assert not store.put_broadcast(replace(kept, version=2))
    assert not store.put_broadcast(replace(kept, version=4))


def test_what_runs_is_found(store: MessageStore) -> None:
    """From its start to its end, but for its pauses."""
    each = replace(broadcast(), stepped_at=0)
    store.put_broadcast(each)
    found = []
    for version, state in enumerate((RUNNING, PAUSED, RUNNING, DONE), 2):
        assert store.put_broadcast(replace(each, version=version, state=state, stepped_at=version * (version > 2)))
        found.append(runs(store, each.broadcast_id))
    assert found == [True, False, True, False]


def test_all_are_listed_page_by_page(store: MessageStore) -> None:
    """In the order of their ids, in whatever state they are."""
    made = [broadcast(state=state) for state in STATES]
    for each in made:
        assert store.put_broadcast(each)
    listed: list[Broadcast] = []
    while page := store.broadcasts(2, listed[-1].broadcast_id if listed else ""):
        listed += page
    assert [each.broadcast_id for each in listed] == sorted(each.broadcast_id for each in listed)
    assert {each.broadcast_id for each in made} <= {each.broadcast_id for each in listed}


def test_results_are_kept_once_for_each_contact(store: MessageStore) -> None:
    """The same again changes nothing; pages go by the contact's id."""
    name = fresh("b")
    told = [Result(f"c-{number}", "accepted", "", "whatsapp:+1", f"m{number}", "t") for number in range(5)]
    store.put_results(name, told[2:])
    store.put_results(name, [*told, Result("c-9", "skipped", "no_address")])
    assert store.results(name, 4) == told[:4]
    assert store.results(name, 4, "c-3") == [told[4], Result("c-9", "skipped", "no_address")]
    assert store.results(fresh("b"), 4) == []
    store.put_results(name, [])
