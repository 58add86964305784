"""The number of attempts of a delivery beyond the first few, in Cassandra: of all numbers written the highest stays."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from chat4all.model.deliveries import Facts
from storage.message_store.cassandra_session import Call, Put, Row

# So many attempts stand among what was seen of a row; with more of them that would grow without end.
FEW = 8
COUNTS = ("attempts", "attempted_at", "refusals", "resends")
# Stands among what was seen, once and the same: there is more to be read here.
MORE = Facts(attempts=FEW)

Place = tuple[str, int, int, int, int]

WRITE = {
    name: f"UPDATE attempts USING TTL ? AND TIMESTAMP ? SET {name} = ? "  # noqa: S608
    "WHERE channel = ? AND partition = ? AND bucket = ? AND seq = ? AND idx = ?"
    for name in COUNTS
}
READ = (
    f"SELECT seq, idx, {', '.join(COUNTS)} FROM attempts WHERE channel = ? AND partition = ? AND bucket = ? AND (seq, idx) IN ?"  # noqa: S608
)


def split(facts: Facts) -> tuple[Facts, Facts]:
    """What stands among what was seen, and what stands here."""
    if max(facts.attempts, facts.refusals, facts.resends) <= FEW:
        return facts, Facts()
    counted = {name: getattr(facts, name) for name in COUNTS}
    return replace(facts, **dict.fromkeys(COUNTS, 0)).merged(MORE), Facts(**counted)


def puts(place: Place, counted: Facts, ttl_s: int) -> list[Put]:
    """Each number that is known, under itself as its timestamp."""
    numbers = [(name, getattr(counted, name)) for name in COUNTS]
    return [(("attempts", *place[:3]), WRITE[name], (ttl_s, number + 1, number, *place)) for name, number in numbers if number]


def has_more(facts: Facts) -> bool:
    """Whether there is something to be read here of a row of which this was seen."""
    return facts.attempts >= FEW


def read(calls: Iterable[Call], found: Iterable[Iterable[Row]]) -> Mapping[Place, Facts]:
    """The answers to `READ`, by place."""
    return {
        (*asked[:3], seq, index): Facts(
            attempts=attempts or 0, attempted_at=attempted_at or 0, refusals=refusals or 0, resends=resends or 0
        )
        for (_, asked), rows in zip(calls, found, strict=True)
        for seq, index, attempts, attempted_at, refusals, resends in rows
    }
