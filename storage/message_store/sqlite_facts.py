"""`Facts.merged` in SQL: of two writers to one row neither overwrites facts of the other."""

from chat4all.model.deliveries import Facts
from storage.message_store.sqlite_rows import Write

HIGHEST = ("attempts", "attempted_at", "refusals", "resends", "resent_as")
EARLIEST = ("delivered_at", "read_at")
FIRST = (
    ("sent_at", "provider_id"),
    ("refused_at", "refused_reason"),
    ("failed_at", "failed_reason"),
    ("priced_at", "price"),
    ("bounced_at", "bounced_reason"),
)
COLUMNS = Facts.__struct_fields__


def _merging() -> list[str]:
    """SET clauses. On their right side a bare name is the row's old value, `new.` what comes in."""
    clauses = [f"{name} = max(d.{name}, new.{name})" for name in HIGHEST]
    clauses += [
        f"{at} = CASE WHEN new.{at} <> 0 AND (d.{at} = 0 OR new.{at} < d.{at}) THEN new.{at} ELSE d.{at} END"
        for at in (*EARLIEST, *(at for at, _ in FIRST))
    ]
    clauses += [
        f"{text} = CASE WHEN new.{at} <> 0 AND (d.{at} = 0 OR (new.{at}, new.{text}) < (d.{at}, d.{text}))"
        f" THEN new.{text} ELSE d.{text} END"
        for at, text in FIRST
    ]
    return clauses


# A key must not come twice in one statement: SQLite would take only one of them.
MERGE = Write(
    f"""
WITH new (channel, partition, seq, idx, {", ".join(COLUMNS)}) AS (VALUES {{rows}})
UPDATE deliveries AS d SET {", ".join(_merging())} FROM new
WHERE d.channel = new.channel AND d.partition = new.partition AND d.seq = new.seq AND d.idx = new.idx
""",  # noqa: S608
    4 + len(COLUMNS),
)
