"""What grows without bound is asked for by name or counted where it is, on every store; never read whole."""

from msgspec import structs

from chat4all.model.files import StoredFile, message_holder, message_prefix
from chat4all.ports import MessageStore, Waiting
from tests.contracts.stores import fresh, lane


def test_keys_that_wait_are_counted(store: MessageStore) -> None:
    """By lane; none where nobody waits, nor for a key that went on."""
    here, empty = lane(), lane()
    waits = [Waiting(here, "c", str(number), 5, 0, 10, 1, stamp=1) for number in range(70)]
    resumed = [structs.replace(each, stamp=2) for each in waits]
    store.record({}, waiting=waits)
    assert store.waiting_counts([here, empty]) == {here: 70}
    store.record({}, resumed=resumed[:69])
    assert store.waiting_counts([here]) == {here: 1}
    store.record({}, resumed=resumed[69:])
    assert store.waiting_counts([here]) == {}
    assert store.waiting_counts([]) == {}


def test_holders_are_asked_for_by_file_and_page(store: MessageStore) -> None:
    """Of an object that many files and messages share, one file's messages, a few at a time."""
    checksum = fresh("sum")
    store.keep_object(checksum, "key", "file:one", 1)
    mine = [message_holder("one", "c", f"m{number}") for number in range(5)]
    others = [message_holder(file_id, "c", "m") for file_id in ("on", "one2", "two")]
    store.hold_objects([(checksum, each) for each in (*mine, *others)], 2)
    prefix = message_prefix("one")
    first = store.holders(checksum, prefix, 2)
    assert list(first) == mine[:2]
    assert list(store.holders(checksum, prefix, 10, max(first))) == mine[2:]
    assert store.holders(checksum, prefix, 10, mine[-1]) == {}
    assert len(store.holders(checksum, "", 100)) == 9


def test_a_holder_that_is_there_already_keeps_its_time(store: MessageStore, other: MessageStore) -> None:
    """A message that is said again refers to its file since the first time, and the object does not retire meanwhile."""
    checksum = fresh("sum")
    store.keep_object(checksum, "key", "file:one", 1)
    assert store.hold_objects([(checksum, "message:one:c:m")], 2) == [True]
    assert other.hold_objects([(checksum, "message:one:c:m")], 9) == [True]
    assert store.holders(checksum, "message:", 5) == {"message:one:c:m": 2}
    store.drop_holders(checksum, ["file:one"])
    assert not store.retire_object(checksum, "key")


def test_a_row_of_a_file_goes_only_as_it_was_seen(store: MessageStore, other: MessageStore) -> None:
    """One that changed meanwhile stays; forgetting again changes nothing."""
    row = StoredFile(fresh("f"), "c", "ana", "a.txt", "text/plain", 1, 1, 1)
    store.add_files([row])
    changed = structs.replace(row, version=2, reason="x")
    assert other.swap_file(changed)
    store.forget_file(row)
    assert other.files([row.file_id]) == {row.file_id: changed}
    store.forget_file(changed)
    store.forget_file(changed)
    assert other.files([row.file_id]) == {}
