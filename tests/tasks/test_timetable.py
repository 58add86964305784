"""Which of many waiting keys is next: by touching those only whose time has come."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.deliveries import Lane
from chat4all.ports import Waiting
from tasks.lanes.timetable import Key, Timetable, key_of

LANE = Lane("whatsapp", 0)


def waits(number: int, retry_at: int) -> Waiting:
    """A key that is told apart by its number."""
    return Waiting(LANE, "c", str(number), number, 0, retry_at, 0)


def taken(table: Timetable, now: int) -> Iterator[Key]:
    """All whose time has come."""
    while (key := table.take(now)) is not None:
        yield key


changes = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["put", "remove", "arm", "put off"]), st.integers(0, 50)))


@given(changes, st.integers(0, 50))
def test_exactly_those_are_taken_whose_time_has_come(steps: list[tuple[int, str, int]], now: int) -> None:
    """Whatever was said of a key before: its last time counts, and each is given out once, the longest due first."""
    table, times, rows, ends = Timetable(), dict[Key, int](), dict[Key, int](), dict[Key, int]()
    for number, step, at in steps:
        row = waits(number, at)
        key = key_of(row)
        if step == "put":
            table.put(row, ends=at + 20)
            times[key], rows[key], ends[key] = at, at, at + 20
        elif key in rows and step == "remove":
            table.remove(key)
            del times[key], rows[key]
        elif key in rows and step == "arm":
            table.arm(key, at)
            times[key] = max(at, rows[key])
        elif key in rows and table.put_off(key, now, at):
            times[key] = max(rows[key], min(at, ends[key]))
    assert table.due_before(now) is (any(at < now for at in times.values()) or any(times[key] > rows[key] for key in times))
    due = sorted((at, key) for key, at in times.items() if at <= now)
    assert list(taken(table, now)) == [key for _, key in due]
    assert len(table) == len(rows)


class CountedRows(dict[Key, Waiting]):
    """Rows that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, key: Key) -> Waiting:
        CountedRows.looks += 1
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Key]:
        for key in super().__iter__():
            CountedRows.looks += 1
            yield key

    def values(self) -> Any:
        return [self[key] for key in self]

    def items(self) -> Any:
        return [(key, self[key]) for key in self]


class Counted(list[tuple[int, Key]]):
    """A heap that counts how often one of its entries is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        Counted.looks += 1
        return super().__getitem__(place)


def test_asking_of_twenty_thousand_keys_touches_none_that_is_not_due() -> None:
    """What an idle lane asks at each of its steps costs the same for twenty keys and for twenty thousand."""
    looks = {}
    for size in (20, 20_000):
        table = Timetable()
        for number in range(size):
            table.put(waits(number, 1_000_000 + number))
        table._heap, table._rows = Counted(table._heap), CountedRows(table._rows)
        Counted.looks = CountedRows.looks = 0
        for _ in range(100):
            assert not table.due_before(5)
            assert table.take(5) is None
        looks[size] = Counted.looks + CountedRows.looks
    assert looks[20] == looks[20_000] <= 2000
