"""Times that providers give, in milliseconds UTC. An impossible time is replaced by the time of arrival."""

from chat4all.model.clock import now_ms

# Before any of these providers was there.
EARLIEST_MS = 1_100_000_000_000


def within_second(timestamp: object) -> int:
    """A time given in whole seconds: the end of that second, or now while it lasts; now for what is no such time.

    Cut off at its beginning, a receipt would stand before the send that it answers.
    """
    return _possible(_number(timestamp) * 1000 + 999)


def at_ms(timestamp: object) -> int:
    """A time given in milliseconds; now for what is no such time."""
    return _possible(_number(timestamp))


def is_time(timestamp: object) -> bool:
    """Whether it tells a time at all: only then does it tell two events apart."""
    return _number(timestamp) > 0


def _possible(at: int) -> int:
    arrived = now_ms()
    return at if EARLIEST_MS <= at <= arrived else arrived


def _number(timestamp: object) -> int:
    """A whole number out of what may be anything, 0 where there is none."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float | str):
        return 0
    if isinstance(timestamp, str) and not (len(timestamp) < 20 and timestamp.isascii() and timestamp.isdigit()):
        return 0
    try:
        return int(timestamp)
    except (OverflowError, ValueError):
        return 0
