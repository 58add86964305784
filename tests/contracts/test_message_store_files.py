"""Files in every message store: rows by id and by day, and who refers to which object."""

from uuid import uuid4

from msgspec.structs import replace

from chat4all.model.files import FileStatus, StoredFile, message_holder
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh

DAY = "2001-09-09"
NOON = 1_000_036_800_000


def a_file(due_at: int = NOON, **more: object) -> StoredFile:
    """A row like most, of a size beyond 32 bits."""
    row = StoredFile(
        str(uuid4()), str(uuid4()), "anna", "tea.pdf", "application/pdf", 5_000_000_000, 16 << 20, 1, due_at=due_at
    )
    return replace(row, **more)


def test_files_come_back_as_they_were_added(store: MessageStore, other: MessageStore) -> None:
    """Every field survives, in another process too; unknown ones are absent."""
    row = a_file(status=FileStatus.FAILED, checksum="ab", upload="u", object_key="k", reason="r", channel="c", media="m")
    assert store.add_files([row]) == [row]
    assert other.files([row.file_id, fresh()]) == {row.file_id: row}
    assert store.files([]) == {}


def test_a_file_id_belongs_to_who_came_first(store: MessageStore) -> None:
    """A second row under the same id changes nothing and is answered with the first."""
    first = a_file()
    store.add_files([first])
    assert store.add_files([replace(first, owner="bob")]) == [first]


def test_a_swap_needs_the_version_before(store: MessageStore, other: MessageStore) -> None:
    """Of two who change the same row one succeeds; a row that does not exist cannot be changed."""
    row = a_file()
    store.add_files([row])
    ready, failed = replace(row, version=2, status=FileStatus.READY), replace(row, version=2, status=FileStatus.FAILED)
    assert store.swap_file(ready)
    assert not other.swap_file(failed)
    assert other.files([row.file_id]) == {row.file_id: ready}
    assert not store.swap_file(a_file(version=2))


def test_due_files_are_listed_by_time_within_their_day(store: MessageStore) -> None:
    """Ascending, page by page, up to a time, of one day only; what is never due is not listed."""
    times = (NOON + 5, NOON + 3, NOON + 4, NOON + 86_400_000, 0)
    rows = [a_file(at) for at in times]
    store.add_files(rows)
    ours = {each.file_id for each in rows}
    after, found = (NOON + 2, ""), []
    while page := store.due_files(DAY, NOON + 4, after, 1):
        found += page
        after = page[-1]
    assert [each for each in found if each[1] in ours] == [(NOON + 3, rows[1].file_id), (NOON + 4, rows[2].file_id)]


def test_a_file_is_listed_where_it_has_moved_to(store: MessageStore) -> None:
    """A swap that changes `due_at` lists the file at its new time."""
    row = a_file(NOON + 10)
    store.add_files([row])
    assert store.swap_file(replace(row, version=2, due_at=NOON + 20))
    assert (NOON + 20, row.file_id) in store.due_files(DAY, NOON + 30, (NOON + 10, "~"), 1000)


def test_equal_bytes_are_kept_where_the_first_were(store: MessageStore, other: MessageStore) -> None:
    """The first key wins; everybody who kept them is a holder, since the first time that they said so."""
    checksum, first, second = fresh("sum"), fresh("key"), fresh("key")
    assert store.keep_object(checksum, first, "file:1", 5) == first
    assert other.keep_object(checksum, second, "file:2", 6) == first
    assert other.keep_object(checksum, first, "file:1", 7) == first
    assert dict(store.holders(checksum, "", 10)) == {"file:1": 5, "file:2": 6}


def test_only_what_is_there_can_be_held(store: MessageStore) -> None:
    """A reference to nothing is refused and leaves nothing; the others of the call are taken."""
    checksum, nothing = fresh("sum"), fresh("sum")
    store.keep_object(checksum, "key", "file:1", 5)
    assert store.hold_objects([(checksum, "a"), (nothing, "a"), (checksum, "b")], 6) == [True, False, True]
    assert dict(store.holders(checksum, "", 10)) == {"file:1": 5, "a": 6, "b": 6}
    assert dict(store.holders(nothing, "", 10)) == {}
    assert store.hold_objects([], 6) == []


def test_an_object_retires_with_its_last_holder_only(store: MessageStore) -> None:
    """Not before; then nobody can hold it any more, and the same bytes may be kept elsewhere."""
    checksum, key = fresh("sum"), fresh("key")
    holder = message_holder("f", "c", "m")
    store.keep_object(checksum, key, "file:1", 5)
    store.hold_objects([(checksum, holder)], 6)
    store.drop_holders(checksum, ["file:1", "nobody"])
    assert not store.retire_object(checksum, key)
    store.drop_holders(checksum, [holder])
    assert store.retire_object(checksum, key)
    assert store.hold_objects([(checksum, holder)], 7) == [False]
    another = fresh("key")
    assert store.keep_object(checksum, another, "file:2", 8) == another


def test_a_key_that_is_not_the_one_kept_may_go(store: MessageStore) -> None:
    """Retiring again, or retiring a duplicate, says that nobody refers to it and touches no other."""
    checksum, key = fresh("sum"), fresh("key")
    assert store.retire_object(checksum, key)
    store.keep_object(checksum, key, "file:1", 5)
    assert store.retire_object(checksum, fresh("key"))
    assert store.hold_objects([(checksum, "x")], 6) == [True]
