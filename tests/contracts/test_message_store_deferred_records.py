"""Every message store keeps records that are to be appended later, in the order in which they are due."""

from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.deferred_records import CANCELLED, REFUSED, RELEASED, RELEASING, DeferredRecord
from chat4all.ports import MessageStore
from chat4all.ports.deferred_records import ENDED_DAYS
from tests.contracts.stores import fresh

HOUR_MS = 3_600_000


def record(due_at: int, kind: str, **fields: object) -> DeferredRecord:
    """One in which every field says something."""
    body = {"text": "olá", "more": [1, {"a": True}, None]}
    return replace(DeferredRecord(fresh("r"), kind, due_at, body, 4, "alice", changed_at=5), **fields)


def test_a_record_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; an unknown one is absent, and one that is there is not written again."""
    kept = record(now_ms(), fresh("k"), why="because")
    assert store.deferred_records([kept.record_id]) == {}
    assert store.put_deferred_records([kept]) == [True]
    assert other.deferred_records([kept.record_id, fresh(), kept.record_id]) == {kept.record_id: kept}
    assert other.put_deferred_records([replace(kept, owner="other")]) == [False]
    assert store.put_deferred_records([]) == []
    assert store.deferred_records([]) == {}


def test_only_who_has_seen_the_last_version_changes_it(store: MessageStore) -> None:
    """Of several at once one does; of a batch each stands for itself."""
    kept, second = record(now_ms(), fresh("k")), record(now_ms(), fresh("k"))
    store.put_deferred_records([kept, second])
    with ThreadPoolExecutor(4) as pool:
        wanted = [replace(kept, version=2, why=str(number)) for number in range(4)]
        done = list(pool.map(lambda each: store.put_deferred_records([each])[0], wanted))
    assert sum(done) == 1
    assert store.deferred_records([kept.record_id])[kept.record_id] == wanted[done.index(True)]
    assert store.put_deferred_records([replace(kept, version=2), replace(second, version=2)]) == [False, True]
    assert store.put_deferred_records([replace(kept, version=4)]) == [False]


def test_what_is_due_is_found_in_order(store: MessageStore) -> None:
    """Those of the kind whose time has come, the earliest first, so many at most; also one that somebody is releasing."""
    kind, now = fresh("k"), now_ms()
    late, early, later = record(now - 1, kind), record(now - 200_000, kind), record(now + HOUR_MS, kind)
    same = record(now - 1, kind)
    store.put_deferred_records([late, later, early, same, record(now - 1, fresh("k"))])
    assert store.put_deferred_records([early.to(RELEASING, now)]) == [True]
    found = store.due_records(kind, now, 9)
    assert found == sorted([late, same, early.to(RELEASING, now)], key=lambda each: each.place)
    assert store.due_records(kind, now, 2) == found[:2]
    assert store.due_records(kind, now + HOUR_MS, 9) == [*found, later]


def test_what_has_ended_is_not_due_and_can_be_asked_for(store: MessageStore) -> None:
    """However it ended."""
    kind, now = fresh("k"), now_ms()
    cancelled, released, refused = (record(now - 1, kind) for _ in range(3))
    store.put_deferred_records([cancelled, released, refused])
    going = [released.to(RELEASING, now), refused.to(RELEASING, now)]
    ended = [cancelled.to(CANCELLED, now), going[0].to(RELEASED, now), going[1].to(REFUSED, now, "gone")]
    assert store.put_deferred_records(going) == [True, True]
    assert store.put_deferred_records(ended) == [True] * 3
    assert store.due_records(kind, now, 9) == store.open_records(kind, 9) == []
    assert store.open_records(kind, 9, owner="alice") == []
    assert store.deferred_records([each.record_id for each in ended]) == {each.record_id: each for each in ended}


def test_one_that_was_moved_is_due_at_its_new_time_only(store: MessageStore) -> None:
    """Earlier, later, and back to where it was."""
    kind, now = fresh("k"), now_ms()
    kept = record(now + HOUR_MS, kind, owner=fresh("u"))
    store.put_deferred_records([kept])
    for due_at in (now + 2 * HOUR_MS, now - 1, now + HOUR_MS, now - 1):
        kept = kept.changed(now, due_at)
        assert store.put_deferred_records([kept]) == [True]
        assert store.open_records(kind, 9) == store.open_records(kind, 9, owner=kept.owner) == [kept]
        assert store.due_records(kind, now, 9) == ([kept] if due_at < now else [])


def test_those_to_come_are_listed_page_by_page(store: MessageStore) -> None:
    """All, and each owner's, by time and then by id."""
    kind, now, anna = fresh("k"), now_ms(), fresh("u")
    made = [record(now + number // 2 * 50_000, kind, owner=anna if number % 3 else "") for number in range(9)]
    store.put_deferred_records(made)
    for owner in ("", anna):
        listed: list[DeferredRecord] = []
        while page := store.open_records(kind, 2, listed[-1].place if listed else (-1, ""), owner):
            listed += page
        wanted = [each for each in made if not owner or each.owner == owner]
        assert listed == sorted(wanted, key=lambda each: each.place)


def test_those_of_several_owners_are_read_together(store: MessageStore) -> None:
    """So many of each at most, without what is over, by time; of another kind none."""
    kind, now, anna, bob, carol = fresh("k"), now_ms(), fresh("u"), fresh("u"), fresh("u")
    made = {owner: [record(now + number, kind, owner=owner) for number in range(4)] for owner in (anna, bob)}
    store.put_deferred_records([*made[anna], *made[bob], record(now, fresh("k"), owner=carol)])
    store.put_deferred_records([made[anna][0].to(CANCELLED, now), made[bob][2].to(CANCELLED, now)])
    found = store.open_records_of(kind, [anna, bob, carol, anna], 2)
    assert found == {anna: made[anna][1:3], bob: made[bob][:2]}
    assert store.open_records_of(kind, [], 2) == {}


def test_what_has_ended_is_forgotten_and_what_waits_is_not(store: MessageStore) -> None:
    """However old that is; a store that forgets by itself needs no call."""
    kind, now = fresh("k"), now_ms()
    kept, ended = record(now + HOUR_MS, kind), record(now, kind)
    store.put_deferred_records([kept, ended])
    store.put_deferred_records([ended.to(CANCELLED, now)])
    store.expire(now + (ENDED_DAYS - 1) * 24 * HOUR_MS)
    assert ended.record_id in store.deferred_records([ended.record_id])
    store.expire(now + (ENDED_DAYS + 1) * 24 * HOUR_MS)
    assert kept.record_id in store.deferred_records([kept.record_id, ended.record_id])


def test_what_waits_is_counted(store: MessageStore) -> None:
    """All of a kind, and of an owner; what has ended is not among them, and one that was moved is one."""
    kind, owner, now = fresh("k"), fresh("u"), now_ms()
    ended, moved, third = (record(now + number * HOUR_MS, kind, owner=owner) for number in range(3))
    store.put_deferred_records([ended, moved, third, record(now, kind)])
    assert (store.count_open_records(kind), store.count_open_records(kind, owner)) == (4, 3)
    store.put_deferred_records([ended.to(CANCELLED, now)])
    assert (store.count_open_records(kind), store.count_open_records(kind, owner)) == (3, 2)
    assert store.count_open_records(fresh("k")) == store.count_open_records(kind, fresh("u")) == 0
