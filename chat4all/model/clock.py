"""The time of day, and how it is written. Inside times are integers, milliseconds since 1970 UTC; outside they are RFC 3339.

Nothing is decided by comparing the times of day of two machines: for that there is `liveness`.
"""

import time
from datetime import UTC, datetime, timedelta

DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MS = timedelta(milliseconds=1)


def now_ms() -> int:
    """The time of day, ms UTC."""
    return int(time.time() * 1000)


def rfc3339(at_ms: int) -> str:
    """A time (ms UTC) as people and programs read it: 2026-03-01T12:00:00.000Z. OverflowError: no such year."""
    return (EPOCH + at_ms * ONE_MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str, *, zone_needed: bool = True) -> int:
    """The time (ms UTC) that an RFC 3339 text names. ValueError for what is none, or has no zone where one is needed.

    Without a zone, where none is needed, it is UTC; a day alone is its beginning.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        if zone_needed:
            raise ValueError("a time without its zone")
        at = at.replace(tzinfo=UTC)
    # Whole numbers: a float of seconds times 1000 falls short by one now and then.
    return (at - EPOCH) // ONE_MS


def day_of(at_ms: int) -> str:
    """The day (UTC) of a time in ms, as 2026-03-01. Its beginning is `from_rfc3339(day, zone_needed=False)`."""
    return (EPOCH + at_ms * ONE_MS).date().isoformat()
