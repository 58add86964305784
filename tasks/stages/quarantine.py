"""What to do with records during which processes died: pure rules.

A batch that comes again is tried in chunks. A chunk during which a process died is tried record by record, and a record during
which two processes died is set aside. So a record is set aside after four deaths: at each it was among the records in work, and
at the last two it was the only one.

With one death alone less, a worker that is killed from outside again and again loses innocent records: at every kill some
record is in work alone (measured on real servers: 8 of 5,640 with 7 kills within half a minute).
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from chat4all.model.records import Range
from chat4all.ports import Trouble

# A chunk has so many records at least, and a range so many chunks at most: each is noted in the store before it is tried.
CHUNK_RECORDS = 16
CHUNKS = 16
# Tries that did not come back, at the record alone or with its chunk; and so many of them at it alone.
EVIDENCE = 3
ALONE = 2
# How often a stage that raises at a single record is tried again.
RECORD_TRIES = 3


class Plan(Struct, frozen=True):
    """`units`: ranges to work on, one unit after the other. `bury`: single records to set aside first."""

    units: tuple[tuple[Range, ...], ...]
    bury: tuple[Range, ...] = ()


def halves(span: Range) -> tuple[Range, Range]:
    """A range of two records or more, in two."""
    middle = (span.first + span.last) // 2
    return Range(span.partition, span.first, middle), Range(span.partition, middle + 1, span.last)


def plan(ranges: Sequence[Range], troubles: Iterable[Trouble]) -> Plan:
    """Of a batch that comes again: chunks, single records where there was trouble, and what is to be buried."""
    seen = [each for each in troubles if each.tries > 0]
    units: list[tuple[Range, ...]] = []
    bury: list[Range] = []
    for span in ranges:
        for chunk in _chunks(span):
            near = [each for each in seen if _touches(each.range, chunk)]
            pieces = _records(chunk) if near else iter((chunk,))
            for piece in pieces:
                if near and _is_guilty(piece, near):
                    bury.append(piece)
                else:
                    units.append((piece,))
    return Plan(tuple(units), tuple(bury))


def _is_guilty(record: Range, troubles: Sequence[Trouble]) -> bool:
    alone = sum(each.tries for each in troubles if each.range == record)
    among = sum(each.tries for each in troubles if each.range != record and _touches(each.range, record))
    return alone >= ALONE and alone + among >= EVIDENCE


def _chunks(span: Range) -> Iterator[Range]:
    size = max(CHUNK_RECORDS, -(-span.size // CHUNKS))
    for first in range(span.first, span.last + 1, size):
        yield Range(span.partition, first, min(first + size - 1, span.last))


def _records(span: Range) -> Iterator[Range]:
    return (Range(span.partition, each, each) for each in range(span.first, span.last + 1))


def _touches(one: Range, other: Range) -> bool:
    return one.partition == other.partition and one.first <= other.last and other.first <= one.last
