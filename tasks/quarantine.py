"""What to do with ranges that killed a stage: pure rules. Ranges are halved until one record stands alone."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from chat4all.ports import Trouble
from chat4all.records import Range

# A whole range has this many tries. Its halves have one: that something in it kills is known by then.
RANGE_TRIES = 3
HALF_TRIES = 1
RECORD_TRIES = 2


class Plan(Struct, frozen=True):
    """`units`: ranges to work on, one unit after the other. `bury`: single records to set aside first."""

    units: tuple[tuple[Range, ...], ...]
    bury: tuple[Range, ...] = ()


def halves(span: Range) -> tuple[Range, Range]:
    """A range of two records or more, in two."""
    middle = (span.first + span.last) // 2
    return Range(span.partition, span.first, middle), Range(span.partition, middle + 1, span.last)


def plan(ranges: Sequence[Range], troubles: Iterable[Trouble]) -> Plan:
    """Ranges without tries that count go together; each other one alone, in halves once its tries are spent."""
    tries: dict[Range, int] = {}
    for trouble in troubles:
        tries[trouble.range] = tries.get(trouble.range, 0) + trouble.tries
    calm = tuple(span for span in ranges if span not in tries)
    alone: list[Range] = []
    bury: list[Range] = []
    for span in ranges:
        if span in tries:
            _split(span, tries, RANGE_TRIES, alone, bury)
    units = ((calm,) if calm else ()) + tuple((span,) for span in alone)
    return Plan(units, tuple(bury))


def _split(span: Range, tries: dict[Range, int], allowed: int, alone: list[Range], bury: list[Range]) -> None:
    if tries.get(span, 0) < allowed:
        alone.append(span)
    elif span.first == span.last:
        bury.append(span)
    else:
        for half in halves(span):
            _split(half, tries, RECORD_TRIES if half.first == half.last else HALF_TRIES, alone, bury)
