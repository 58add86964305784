"""What becomes a batch."""

from hypothesis import given
from hypothesis import strategies as st

from bridges.batches import Ready
from chat4all.model.records import INCOMING, Record


def record(partition: int, offset: int, recipients: int = 0) -> Record:
    return Record(INCOMING, partition, offset, "key", b"", {"recipients": str(recipients)}, 0)


def test_a_batch_is_what_all_partitions_have_ready() -> None:
    """One range per partition with something in it."""
    ready = Ready(100, 100)
    ready.add([record(0, 5), record(0, 6), record(2, 0)])
    assert [(span.partition, span.first, span.last) for span in ready.take()] == [(0, 5, 6), (2, 0, 0)]
    assert len(ready) == 0


def test_a_record_that_is_too_large_goes_alone() -> None:
    """A message to more recipients than a batch may have is still handed out."""
    ready = Ready(100, 10)
    ready.add([record(0, 0, 50), record(0, 1, 1)])
    assert [(span.first, span.last) for span in ready.take()] == [(0, 0)]
    assert [(span.first, span.last) for span in ready.take()] == [(1, 1)]


def test_what_was_read_twice_is_taken_once() -> None:
    """Records given again after a hiccup are passed over."""
    ready = Ready(100, 100)
    ready.add([record(0, 0), record(0, 1)])
    ready.add([record(0, 0), record(0, 1), record(0, 2)])
    assert [(span.first, span.last) for span in ready.take()] == [(0, 2)]


def test_dropped_partitions_are_forgotten() -> None:
    """A partition that went to another bridge is in no batch of ours."""
    ready = Ready(100, 100)
    ready.add([record(0, 0), record(1, 0)])
    ready.drop([0])
    assert [span.partition for span in ready.take()] == [1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=200), st.integers(1, 20), st.integers(1, 40))
def test_batches_together_are_all_records_once_and_in_order(told: list[tuple[int, int]], records: int, recipients: int) -> None:
    """Whatever the bounds: no gap, no repeat, each batch within its bounds or a single record."""
    ready = Ready(records, recipients)
    counts = [0, 0, 0, 0]
    costs = {}
    for partition, cost in told:
        costs[partition, counts[partition]] = cost
        ready.add([record(partition, counts[partition], cost)])
        counts[partition] += 1
    following = [0, 0, 0, 0]
    while len(ready):
        batch = ready.take()
        places = [(span.partition, offset) for span in batch for offset in range(span.first, span.last + 1)]
        assert batch
        assert len(places) <= max(records, 1)
        assert len(places) == 1 or sum(costs[place] for place in places) <= recipients
        for span in batch:
            assert span.first == following[span.partition]
            following[span.partition] = span.last + 1
    assert following == counts
