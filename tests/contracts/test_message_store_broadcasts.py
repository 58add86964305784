"""Every message store keeps broadcasts, and what came of each contact's turn."""

from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from chat4all.model.broadcasts import DONE, PAUSED, RUNNING, STATES, Broadcast, Later, Result
from chat4all.model.quiet_hours import QuietHours
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh


def broadcast(broadcast_id: str = "", **fields: object) -> Broadcast:
    """One in which every field says something."""
    payload = {"type": "text", "text": "olá", "more": [1, {"a": True}]}
    full = Broadcast(broadcast_id or fresh("b"), "Sale, é", payload, "whatsapp", "vip", 20, "crm", 5, "alice", "draft", 1)
    return replace(
        full, after="c-1", begun_at=6, ended_at=7, stepped_at=8, moved_at=9, accepted=1, refused=2, skipped=3, waiting=4,
        quiet=QuietHours("21:00", "08:00", "Asia/Tokyo"), exhausted=True, later_after="5 c-1", **fields,
    )  # fmt: skip


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


def test_results_are_found_by_whose_turn_it_was(store: MessageStore) -> None:
    """Of a list by the address, also where nobody has it."""
    name = fresh("b")
    of_list = Result("", "waiting", "quiet_hours", "whatsapp:+1", due_at=7, by_address=True)
    store.put_results(name, [of_list, Result("c-1", "skipped", "opted_out")])
    assert store.results_of(name, ["+1", "c-2"]) == {"+1": of_list}
    assert [each.turn for each in store.results(name, 9)] == ["+1", "c-1"]
    assert store.results_of(name, []) == {}


def test_an_audience_is_listed_page_by_page(store: MessageStore, other: MessageStore) -> None:
    """Each address once, however often it is given."""
    name = fresh("b")
    addresses = [f"+55{number}" for number in range(5)]
    store.add_audience(name, addresses[3:])
    other.add_audience(name, addresses)
    store.add_audience(name, [])
    assert store.audience(name, 3) == addresses[:3]
    assert store.audience(name, 3, addresses[2]) == addresses[3:]
    assert store.audience(fresh("b"), 3) == []


def test_turns_that_were_put_off_come_by_their_time(store: MessageStore, other: MessageStore) -> None:
    """Up to a time, beginning after one of them; what is put off twice to one time comes once."""
    name = fresh("b")
    turns = [Later(9, "a"), Later(10, "a"), Later(10, "b"), Later(1_700_000_000_000, "c")]
    store.put_later(name, list(reversed(turns)))
    other.put_later(name, turns[1:2])
    store.put_later(name, [])
    assert store.later(name, "", 8, 9) == []
    assert other.later(name, "", 10, 9) == turns[:3]
    assert store.later(name, turns[0].place, 10, 1) == turns[1:2]
    assert store.later(name, turns[2].place, 2_000_000_000_000, 9) == turns[3:]
